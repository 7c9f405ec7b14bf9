"""Numbers as few characters: sizes, bars and lines of the last minutes. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.spec.sizes import INFINITY, format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN = "-"
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"


def size(number: int | None) -> str:
    """Return bytes as text, infinity for no limit; a dash if they are not known."""
    if number is None:
        return UNKNOWN
    return "infinity" if number == INFINITY else format_size(number)


def count(number: int | None) -> str:
    """Return a number as text; a dash if it is not known."""
    return UNKNOWN if number is None else str(number)


def percent(processors: float | None) -> str:
    """Return processors in use as a percentage of one, a dash if they are not known."""
    return UNKNOWN if processors is None else f"{processors * 100:.1f}"


def bar(share: float | None, width: int) -> str:
    """Return a bar of `width` characters that is filled to `share`, blank if that is None.

    Whatever is more than nothing can be seen, and only all of it looks full.
    """
    if share is None:
        return " " * width
    eighths = int(share * width * 8)
    eighths = min(max(eighths, 1 if share > 0 else 0), width * 8 - (1 if share < 1 else 0))
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def line_of(values: Sequence[int | None], width: int) -> str:
    """Return the last `width` values as columns whose height is relative to the highest; blank where one is None."""
    last = values[-width:]
    highest = max((value for value in last if value is not None), default=0)
    return "".join(_column(value, highest) for value in last).rjust(width)


def _column(value: int | None, highest: int) -> str:
    if value is None:
        return " "
    return _HEIGHTS[value * 7 // highest if highest else 0]
