"""The colour of a report's first words, as SGR codes (ECMA-48). No I/O.

rich would take 40 ms to import, and a whole run takes some 100.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.report.outcome import Tone

if TYPE_CHECKING:
    from collections.abc import Mapping

_GREEN, _YELLOW, _RED = 32, 33, 31
_COLOURS = {Tone.GOOD: _GREEN, Tone.DOUBTFUL: _YELLOW, Tone.BAD: _RED}


def is_coloured(environment: Mapping[str, str], *, on_terminal: bool) -> bool:
    """Tell whether to use colours.

    NO_COLOR (https://no-color.org) forbids them, and CLICOLOR_FORCE (https://bixense.com/clicolors) asks for them.
    Otherwise a terminal gets them, unless it is a dumb one.
    """
    if environment.get("NO_COLOR"):
        return False
    if environment.get("CLICOLOR_FORCE", "0") not in {"", "0"}:
        return True
    return on_terminal and environment.get("TERM", "dumb") not in {"", "dumb"}


def painted(text: str, tone: Tone) -> str:
    """Return the text in bold and in the colour of its tone: green, yellow or red."""
    return f"\x1b[1;{_COLOURS[tone]}m{text}\x1b[0m"
