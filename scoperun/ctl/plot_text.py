"""A picture as text for a terminal: plotille's dots, and below them what each line and each mark is."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import plotille  # type: ignore[import-untyped]
from rich.cells import set_cell_size

from scoperun.ctl.ticks import TIMES, axis
from scoperun.ctl.timelines import thinned, time_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.ctl.timelines import Line, Mark, Picture

_BESIDE = 23
"""Columns that plotille needs beside the dots: the axis, and the arrow with its name."""

_AXES = 5
"""Lines that plotille needs above and below the dots."""

_LABELLED_COLUMNS = 10
"""plotille has a label below every tenth column, and beside every row."""

_LABELLED_ROWS = (2, 3, 4, 5)

_NARROWEST, _LOWEST, _HIGHEST = 20, 5, 40
_COLOURS = ("green", "yellow", "bright_blue", "magenta", "cyan", "red")
_CODES = {"green": 32, "yellow": 33, "bright_blue": 94, "magenta": 35, "cyan": 36, "red": 31, "white": 37}
_LIMIT = "white"
_NUMBERED = 5
"""How often the number of a line stands in it: without colours nothing else tells lines apart."""

_MOST_TIMES = 3
_EMPTY, _FULL = "\u2800", range(0x2801, 0x2900)


def text_of(picture: Picture, *, width: int, height: int, coloured: bool, in_ascii: bool) -> str:
    """Return a picture as text of this size in cells. in_ascii: with stars instead of dots."""
    legend = list(_legend(picture, coloured=coloured, width=width))
    rows = min(max(height - _AXES - len(legend) - 1, _LOWEST), _HIGHEST)
    figure = _figure(picture, columns=max(width - _BESIDE, _NARROWEST), rows=rows, coloured=coloured)
    lines = [line.rstrip(f" {_EMPTY}") for line in figure.show().split("\n")]
    text = "\n".join([*lines, *legend])
    return text.translate({ord(_EMPTY): " "} | dict.fromkeys(_FULL, "*")) if in_ascii else text


def _figure(picture: Picture, *, columns: int, rows: int, coloured: bool) -> plotille.Figure:
    figure = plotille.Figure()
    figure.width, figure.height = columns, rows
    figure.color_mode, figure.with_colors, figure.origin = "names", coloured, False
    # plotille fails for a text in what would be the next column or row.
    times = axis(picture.length, TIMES, cells=columns, spacings=(_LABELLED_COLUMNS,))
    values = axis(picture.height, picture.steps, cells=rows, spacings=_LABELLED_ROWS)
    figure.set_x_limits(0.0, times.end)
    figure.set_y_limits(0.0, values.end)
    figure.x_label, figure.y_label = "time", picture.name

    def label(value: float, *, chars: int, left: bool = False, **_: object) -> str:
        place = (times if left else values).label_at(value)
        if place is None:
            return " " * chars
        return time_text(place).ljust(chars) if left else picture.value_text(place).rjust(chars)

    figure.register_label_formatter(float, label)
    for number, line in enumerate(picture.lines):
        points = thinned(line.points, length=picture.length, places=2 * columns)
        if points:
            figure.plot(*_axes(points), lc=_colour(line, number))
    if len(picture.lines) > 1:
        for number, line in enumerate(picture.lines):
            some = line.points[:: max(len(line.points) // _NUMBERED, 1)]
            figure.text(*_axes(some), [str(number + 1)] * len(some), lc=_colour(line, number))
    for letter, _, mark in _lettered(picture):
        figure.text(*_axes(mark.points), [letter] * len(mark.points))
    return figure


def _axes(points: list[tuple[float, float]] | tuple[tuple[float, float], ...]) -> tuple[list[float], list[float]]:
    return [time for time, _ in points], [float(value) for _, value in points]


def _colour(line: Line, number: int) -> str:
    return _LIMIT if line.is_limit else _COLOURS[number % len(_COLOURS)]


def _lettered(picture: Picture) -> Iterator[tuple[str, Line, Mark]]:
    """Yield each mark with its letter and its line; there are no more than letters."""
    marks = [(line, mark) for line in picture.lines for mark in line.marks]
    for letter, (line, mark) in zip(string.ascii_uppercase, marks, strict=False):
        yield letter, line, mark


def _legend(picture: Picture, *, coloured: bool, width: int) -> Iterator[str]:
    """Yield a row for each line and each kind of mark, none wider than the text."""
    is_one = len(picture.lines) == 1
    for number, line in enumerate(picture.lines):
        row = _cut(f"{'-' if is_one else number + 1} {line.label}", width)
        yield f"\x1b[{_CODES[_colour(line, number)]}m{row}\x1b[0m" if coloured else row
    for letter, line, mark in _lettered(picture):
        times = ", ".join(time_text(time) for time, _ in mark.points[:_MOST_TIMES])
        more = len(mark.points) - _MOST_TIMES
        row = f"{letter} {mark.name} at {times}{f' and {more} more' if more > 0 else ''}"
        yield _cut(row if line.run is None else f"{row} ({line.run})", width)


def _cut(text: str, width: int) -> str:
    return set_cell_size(text, width).rstrip()
