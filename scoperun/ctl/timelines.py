"""Timelines that are drawn: files are read, and become lines and marks in one picture."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

from scoperun.ctl.ticks import SHARES, SIZES, WHOLE
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.printable import one_line
from scoperun.record import dataclass, field
from scoperun.report.timeline import KINDS, is_csv
from scoperun.report.timeline_reading import BrokenTimeline, rows
from scoperun.spec.sizes import INFINITY, format_size, format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from scoperun.ctl.ticks import Steps
    from scoperun.report.timeline import Cell

    Row = dict[str, Cell]
    Point = tuple[float, float]

_MOST_BYTES = 1 << 28
"""Bytes, more than any timeline of ours has."""

_LEAST_TIME = 1e-9
"""Seconds between two samples from which a rate is made."""

BYTES = ("memory", *KINDS, "swap")
"""The columns in bytes; all of them can be in one picture."""

COLUMNS = (*BYTES, "cpu", "tasks")
"""The columns that can be drawn."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What happened in a run, all times of one kind. points: when, and where in the picture."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One column of one run.

    label: what it is. run: the file's name, None if only one file is drawn. points: in the order of time.
    marks: what happened in the run; only in its first line. is_limit: it is the limit on memory.
    """

    label: str
    run: str | None
    points: tuple[Point, ...]
    marks: tuple[Mark, ...] = ()
    is_limit: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn. columns: what is on the upright axis. length, height: the largest time, the largest value."""

    columns: tuple[str, ...]
    lines: tuple[Line, ...] = field(default_factory=tuple)

    @property
    def length(self) -> float:
        """The largest time in seconds, at least a bit more than 0."""
        return max((time for time, _ in self._points()), default=0.0) or 1.0

    @property
    def height(self) -> float:
        """The largest value, at least a bit more than 0."""
        return max((value for _, value in self._points()), default=0.0) or 1.0

    def _points(self) -> Iterator[Point]:
        for line in self.lines:
            yield from line.points
            for mark in line.marks:
                yield from mark.points

    @property
    def name(self) -> str:
        """What the upright axis is called."""
        return self.columns[0] if len(self.columns) == 1 else "bytes"

    @property
    def is_bytes(self) -> bool:
        """Whether the upright axis is in bytes."""
        return self.columns[0] in BYTES

    def value_text(self, value: float) -> str:
        """Return a value of the upright axis."""
        if self.is_bytes:
            return format_size(round(value))
        return f"{value:g}" if self.columns[0] == "cpu" else f"{value:.0f}"

    @property
    def steps(self) -> Steps:
        """The distances that labels on the upright axis can have."""
        return SIZES if self.is_bytes else SHARES if self.columns[0] == "cpu" else WHOLE


def time_text(seconds: float) -> str:
    """Return a time on the axis, at most 9 characters up to a thousand days: 1.5s, 5min 20s, 1d 4h."""
    return f"{seconds:.3g}s" if seconds < 60 else " ".join(format_time(seconds).split()[:2])


def chosen(text: str) -> tuple[str, ...]:
    """Return the columns that `text` names. Raises InvalidValue."""
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in COLUMNS:
            raise InvalidValue(f"--columns: there is no column {name!r}", hint=f"one of {', '.join(COLUMNS)}")
    if len(set(names)) > 1 and not set(names) <= set(BYTES):
        raise InvalidValue(
            f"--columns: {', '.join(names)} do not fit on one axis", hint=f"together only {', '.join(BYTES)}"
        )
    return tuple(dict.fromkeys(names))


def picture(files: Sequence[str], columns: tuple[str, ...]) -> Picture:
    """Return the picture of some files. Raises ScoperunError for one that cannot be read or is not a timeline."""
    lines: list[Line] = []
    for file, label in zip(files, _labels(files), strict=True):
        lines += _of_run(_read(file), columns, label if len(files) > 1 else None)
    if not any(line.points for line in lines):
        raise ScoperunError(f"there is nothing to draw: no line says anything about {', '.join(columns)}")
    return Picture(columns, tuple(lines))


def thinned(points: Sequence[Point], *, length: float, places: int) -> list[Point]:
    """Return the points that can be seen if there are so many places beside each other: the least and the greatest."""
    kept: dict[int, list[Point]] = {}
    for point in points:
        kept.setdefault(int(point[0] / length * places), []).append(point)
    found = []
    for several in kept.values():
        found += sorted({min(several, key=_value), max(several, key=_value), several[0], several[-1]})
    return found


def _value(point: Point) -> float:
    return point[1]


def _labels(files: Sequence[str]) -> list[str]:
    """Return names for the files: their last parts, unless two have the same."""
    names = [os.path.basename(file) for file in files]
    return [one_line(name if names.count(name) == 1 else file) for name, file in zip(names, files, strict=True)]


def _read(file: str) -> list[Row]:
    try:
        with open(file, encoding="utf-8", errors="surrogateescape", newline="") as opened:
            text = opened.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ScoperunError(f"cannot read {one_line(file)}: {reason}") from None
    if len(text) > _MOST_BYTES:
        raise ScoperunError(f"cannot read {one_line(file)}: it is too large for a timeline")
    whole, _, last = text.rpartition("\n")
    lines = [line.removesuffix("\r") for line in whole.split("\n")] if whole else []
    try:
        return list(rows([*lines, last] if last else lines, as_csv=is_csv(file)))
    except BrokenTimeline as error:
        if error.number == len(lines) + 1 > 1:  # it has no end: scoperun was killed meanwhile
            return list(rows(lines, as_csv=is_csv(file)))
        raise ScoperunError(
            f"{one_line(file)}:{error.number}: {one_line(str(error))}",
            hint="scoperun --timeline FILE writes timelines; .csv in the name stands for CSV"
            if error.number == 1
            else None,
        ) from None


def _of_run(run: list[Row], columns: tuple[str, ...], label: str | None) -> Iterable[Line]:
    """Yield the lines of one run; the first one has the marks. label: None if there is only this run."""
    run = sorted(run, key=lambda row: float(row["time"] or 0))
    for number, column in enumerate(columns):
        points = _rates(run) if column == "cpu" else _points(run, column)
        names = [name for name in (label, column if len(columns) > 1 or label is None else None) if name is not None]
        yield Line(" ".join(names), label, tuple(points), _marks(run, points, column) if number == 0 else ())
    if label is None and columns[0] == "memory":
        yield from _limit(run)


def _points(run: list[Row], column: str) -> list[Point]:
    return [(_number(row["time"]), _number(row[column])) for row in run if row[column] is not None]


def _number(cell: Cell) -> float:
    return cell if isinstance(cell, int | float) else 0.0


def _rates(run: list[Row]) -> list[Point]:
    """Return the processors in use between each sample and the one before."""
    pairs = itertools.pairwise(_points(run, "cpu"))
    return [
        (now, max(total - total_before, 0.0) / (now - before))
        for (before, total_before), (now, total) in pairs
        if now - before >= _LEAST_TIME
    ]


def _limit(run: list[Row]) -> Iterable[Line]:
    """Yield the limit on memory, if there is one near what is used."""
    points = [(time, size) for time, size in _points(run, "memory_max") if size < INFINITY]
    most = max((size for _, size in _points(run, "memory")), default=0.0)
    if points and max(size for _, size in points) <= 2 * most:
        yield Line("limit", None, tuple(points), is_limit=True)


def _marks(run: list[Row], points: list[Point], column: str) -> tuple[Mark, ...]:
    """Return what happened, by kind, each at the height of the line at that time."""
    found: dict[str, list[Point]] = {}
    for row in run:
        if isinstance(row["mark"], str):
            time = _number(row["time"])
            own = row[column] if column != "cpu" else None
            height = _number(own) if own is not None else _height(points, time)
            found.setdefault(one_line(row["mark"]), []).append((time, height))
    return tuple(Mark(name, tuple(places)) for name, places in found.items())


def _height(points: list[Point], time: float) -> float:
    """Return the value of a line at a time: that of the last point before."""
    return next((value for at, value in reversed(points) if at <= time), points[0][1] if points else 0.0)
