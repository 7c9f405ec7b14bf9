"""Reads the lines of a timeline again. They can be from anywhere, so nothing in them is trusted. No I/O."""

from __future__ import annotations

import csv
import json
import math
from typing import TYPE_CHECKING, Any, NoReturn

from scoperun.report.timeline import COLUMNS, SCHEMA, TEXTS
from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scoperun.report.timeline import Cell

_LONGEST = 1 << 16
"""Characters, more than any line has."""


class BrokenTimeline(ValueError):
    """A line is not one of a timeline; `number`: of the line, from 1."""

    def __init__(self, number: int, reason: str) -> None:
        """Take the line and why it is not one."""
        super().__init__(reason)
        self.number = number


def rows(lines: Sequence[str], *, as_csv: bool) -> Iterator[dict[str, Cell]]:
    """Yield the rows of a timeline: each column, None where it is not known, INFINITY for no limit.

    lines: without their ends. Raises BrokenTimeline for the first line that is not one.
    """
    if not lines or not lines[0]:
        raise BrokenTimeline(1, "it is empty")
    names: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            if number > 1:
                yield _row(_cells(line, names) if as_csv else _object(line))
            elif as_csv:
                names = _columns(line)
            else:
                _see_beginning(line)
        except ValueError as error:
            raise BrokenTimeline(number, str(error)) from None


def _see_beginning(line: str) -> None:
    """Raise ValueError if this is not the first line of a timeline in JSON that we can read."""
    version = _object(line).get("timeline")
    if version is None:
        _refuse("it is not the beginning of a timeline")
    if version != SCHEMA:
        _refuse(f"it is a timeline of version {version!r}, and this scoperun reads {SCHEMA}")


def _object(line: str) -> dict[str, Any]:
    if len(line) > _LONGEST:
        _refuse("it is too long")
    try:
        found = json.loads(line, parse_constant=lambda name: _refuse(f"{name} is not a number"))
    except RecursionError:
        _refuse("it is nested too deeply")
    except json.JSONDecodeError:
        _refuse("it is not JSON")
    if not isinstance(found, dict):
        _refuse("it is not an object of JSON")
    return found


def _columns(line: str) -> list[str]:
    """Return the names of the columns from the first line of CSV."""
    names = _words(line)
    if "time" not in names or len(set(names)) < len(names):
        _refuse("it does not name the columns of a timeline")
    return names


def _cells(line: str, names: Sequence[str]) -> dict[str, Any]:
    words = _words(line)
    if len(words) != len(names):
        _refuse(f"it has {len(words)} columns, not {len(names)}")
    return {name: _cell(name, word) for name, word in zip(names, words, strict=True) if word}


def _words(line: str) -> list[str]:
    if len(line) > _LONGEST:
        _refuse("it is too long")
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        _refuse("it is not CSV")


def _cell(name: str, word: str) -> float | str:
    if name in TEXTS or word == "infinity":
        return word
    try:
        return int(word) if word.isascii() and word.isdigit() else float(word)
    except ValueError:
        _refuse(f"{name} {word[:40]!r} is not a number")


def _row(cells: Mapping[str, Any]) -> dict[str, Cell]:
    """Return a row with all columns, without what a newer version might have added."""
    row = {column: _value(column, cells.get(column)) for column in COLUMNS}
    if row["time"] is None:
        _refuse("it has no time")
    return row


def _value(column: str, value: Any) -> Cell:
    if value is None:
        return None
    if column in TEXTS:
        return value if isinstance(value, str) else _refuse(f"{column} is not text")
    if value == "infinity":
        return INFINITY
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(f"{column} is not a number")
    if not 0 <= value <= INFINITY or not math.isfinite(value):
        _refuse(f"{column} is not a number that there can be")
    return value


def _refuse(reason: str) -> NoReturn:
    raise ValueError(reason)
