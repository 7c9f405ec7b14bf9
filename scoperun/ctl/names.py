"""Which units the words on a command line mean. No I/O.

What only shows takes any prefix that no other unit has. What changes or ends a unit takes its full name or a glob,
because a prefix could be another unit's tomorrow. In both, `.scope` can be left out.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from scoperun.ctl.errors import NoSuchUnit
from scoperun.errors import InvalidValue
from scoperun.spec.scope import MANAGERS_OWN, UNIT_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_GLOB = frozenset("*?[")
_KINDS = (".scope", ".service", ".slice")
_MOST_NAMED = 5


def one_shown(word: str, names: Sequence[str]) -> str:
    """Return the one unit that `word` names, in full or by a prefix. Raises NoSuchUnit, InvalidValue if several."""
    for exact in (word, *(f"{word}{kind}" for kind in _KINDS)):
        if exact in names:
            return exact
    found = [name for name in names if name.startswith(word)]
    if not found:
        if is_glob(word):
            raise NoSuchUnit(f"no unit {word!r}", hint="name one unit, not a glob")
        raise missing(word, names)
    if len(found) > 1:
        more = [f"{len(found) - _MOST_NAMED} more"] if len(found) > _MOST_NAMED else []
        raise InvalidValue(f"{word!r} is not one unit", hint=", ".join([*found[:_MOST_NAMED], *more]))
    return found[0]


def acted_on(
    words: Iterable[str], names: Sequence[str], *, globbed: Sequence[str] | None = None
) -> tuple[list[str], list[str]]:
    """Return the units that the words name, in full or by a glob, each once; and the words that name none.

    globbed: the units that a glob can mean; None for all in `names`.
    """
    found, without = dict[str, None](), []
    for word in words:
        matches = _matches(word, names if globbed is None or not is_glob(word) else globbed)
        found |= dict.fromkeys(matches)
        if not matches:
            without.append(word)
    return list(found), without


def listed(words: Sequence[str], names: Iterable[str]) -> list[str]:
    """Return the units that a list with these words shows, by a name, its beginning or a glob; all without a word."""
    return [name for name in names if not words or any(_is_listed(word, name) for word in words)]


def unlisted(words: Iterable[str], names: Sequence[str]) -> list[str]:
    """Return the words of a list that show no unit, but for globs."""
    return [word for word in words if not is_glob(word) and not listed([word], names)]


def not_listed(word: str, names: Sequence[str], others: Sequence[str]) -> NoSuchUnit:
    """Return the error for a word of a list that shows none of the units `names`; others: those of --all too."""
    hidden = listed([word], others)
    if not hidden:
        return missing(word, names)
    more = f" and {len(hidden) - 1} more" if len(hidden) > 1 else ""
    return NoSuchUnit(f"no scope of scoperun {word!r}", hint=f"with --all there is {hidden[0]}{more}")


def _is_listed(word: str, name: str) -> bool:
    return name.startswith(word) or fnmatchcase(name, word)


def missing(word: str, names: Sequence[str]) -> NoSuchUnit:
    """Return the error for a word that means none of the units `names`, with what could have been meant.

    A glob that matches one of them is one that means fewer units.
    """
    others = [name for kind in _KINDS if (name := f"{word}{kind}") in names]
    if word == MANAGERS_OWN:
        return NoSuchUnit(f"{word} is left alone", hint="it is systemd itself")
    kinds = {name.rpartition(".")[2] for name in names} | {"scope", "service"}
    if "." in word and word.rpartition(".")[2] in UNIT_TYPES - kinds:
        return NoSuchUnit(f"{word!r} is neither a scope nor a service", hint="systemctl is for other units")
    if is_glob(word) and _matches(word, names):
        hint = "with --all a glob means every scope and service, not only scopes of scoperun"
    else:
        hint = f"there is {', '.join(others)}" if others else "scopectl list --all shows what runs"
    return NoSuchUnit(f"no unit {word!r}", hint=hint)


def is_glob(word: str) -> bool:
    """Tell whether a word has characters of a glob."""
    return bool(_GLOB & set(word))


def _matches(word: str, names: Sequence[str]) -> list[str]:
    if is_glob(word):
        return [name for name in names if fnmatchcase(name, word) or fnmatchcase(name, f"{word}.scope")]
    return [name for name in (word, f"{word}.scope") if name in names][:1]
