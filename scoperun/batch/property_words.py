"""The words of a command line with the properties that -p @FILE has read, so that it can be read again later. No I/O.

By then the file can be a pipe at its end, or another file: its path is relative to where it was typed.
"""

from __future__ import annotations

import getopt
from typing import TYPE_CHECKING

from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scoperun.console.sources import Assignment

_NAMES = frozenset({"-p", "--property"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of options as they are typed. flags: of those without a value. valued: of all others."""

    flags: frozenset[str]
    valued: frozenset[str]


def properties_in_place(
    words: Iterable[str], names: Names, properties: Iterable[Sequence[Assignment]]
) -> tuple[str, ...]:
    """Return words that mean the same, with what -p @FILE has assigned in its place.

    words: a command line that is valid, without --. properties: what each -p in it has assigned.
    """
    found: list[str] = []
    assigned, rest = iter(properties), list(words)
    while rest:
        options, rest = getopt.getopt(rest, *_declared(names))
        for name, value in options:
            if name in _NAMES:
                read = [each.text for each in next(assigned)]
                found += [f"--property={text}" for text in (read if value.startswith("@") else [value])]
            else:
                found += [name, value] if name in names.valued else [name]
        found += rest[:1]  # an argument, after which options can follow
        del rest[:1]
    return tuple(found)


def _declared(names: Names) -> tuple[str, list[str]]:
    """Return the short and the long options as getopt has them."""
    marked = [*names.flags, *(f"{name}:" for name in names.valued)]
    short = [each[1:] for each in marked if not each.startswith("--")]
    return "".join(short), [each[2:].replace(":", "=") for each in marked if each.startswith("--")]
