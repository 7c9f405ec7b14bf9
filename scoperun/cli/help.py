"""The text of --help, 80 columns wide: the usual options first, then the others by subject. No I/O."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from scoperun.console.option import Option

WIDTH = 80
_COLUMN = 27
"""Where the explanation of an option begins."""

_BEGINNING = """\
Usage: scoperun [OPTIONS] [--] COMMAND [ARGS]...

Run COMMAND in a systemd scope with limits, and say truthfully how it ended.

  scoperun --mem 2G -- make -j8                   at most 2 GiB for all of it
  scoperun --timeout 10min --wait -- ./nightly    stop all that it starts, too
  scoperun --mem 500M --report r.json -- ./job    write the report as JSON
"""

_END = """\
SIZE: bytes, or with K, M, G or T to the base of 1024, or % of RAM, or infinity.
TIME: seconds, or terms like 5min 20s, or infinity.

Exit status: the command's own; 128+n if signal n killed it, e.g. 137 when it
ran out of memory (after SIGINT, scoperun ends by SIGINT too); 124: --timeout
or --cpu-time ended it; 125: scoperun itself failed; 126, 127: COMMAND cannot
be executed, was not found. "man scoperun" explains everything.
"""

_PANELS = (
    "Memory",
    "Processors, tasks and time",
    "Any property",
    "The scope",
    "The command",
    "The report",
    "Other",
)
_HELP = ("-h, --help", "Show this text and exit.")


def help_text(options: Sequence[Option]) -> str:
    """Return the text of --help for `options`."""
    usual = sorted((option for option in options if option.is_usual), key=lambda option: _PANELS.index(option.panel))
    parts = [_BEGINNING, _part("The usual options", map(_entry, usual))]
    for panel in _PANELS:
        entries = [_entry(option) for option in options if option.panel == panel and not option.is_usual]
        if panel == "Other":
            entries.append(_HELP)
        parts.append(_part(panel, entries))
    return "\n".join([*parts, _END])


def _part(heading: str, entries: Iterable[tuple[str, str]]) -> str:
    return f"{heading}:\n" + "".join(line for entry in entries for line in _lines(*entry))


def _entry(option: Option) -> tuple[str, str]:
    names = ", ".join(sorted(option.names, key=lambda name: (name.startswith("--"), name != f"--{option.name}")))
    if option.is_optional:
        names = f"{names}[={option.metavar}]"
    if option.contrary is not None:
        names = f"{names}, {option.contrary}"
    return (f"{names} {option.metavar}" if option.takes_value else names), option.help


def _lines(names: str, text: str) -> Iterator[str]:
    wrapped = textwrap.wrap(text, WIDTH - _COLUMN, break_on_hyphens=False)
    if len(names) + 4 > _COLUMN:
        yield f"  {names}\n"
    else:
        yield f"  {names:<{_COLUMN - 2}}{wrapped.pop(0)}\n"
    yield from (f"{'':<{_COLUMN}}{line}\n" for line in wrapped)
