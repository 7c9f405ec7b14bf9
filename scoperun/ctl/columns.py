"""The columns of `scopectl list`: what each is called, where it comes from and how it looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.console.tables import Cell, Column
from scoperun.ctl.reading import Number, age_text, bar, share_style, size_text, time_text
from scoperun.errors import InvalidValue
from scoperun.record import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scoperun.ctl.reading import Reading

_BAR = 8
_STATES = {"active": "green", "failed": "red", "frozen": "cyan", "inactive": ""}
"""The styles of states; others are yellow."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column.

    name: as in --columns, --sort and JSON. column: how it is laid out. value: reads it; a number or text for JSON.
    text: the value for people. style: how it looks on a terminal. has_bar: a terminal shows it with a bar.
    is_text: its values are text, and not numbers, of which "infinity" is one.
    """

    name: str
    column: Column
    value: Callable[[Reading], Number]
    text: Callable[[Number], str]
    style: Callable[[Reading, Number], str] | None = None
    has_bar: bool = False
    is_text: bool = False

    @property
    def column_that_stays(self) -> Column:
        """The column, which is not left out on a narrow terminal."""
        return replace(self.column, rank=0)

    def cell(self, reading: Reading, is_terminal: bool, utf8: bool) -> Cell:
        """Return its cell."""
        value = self.value(reading)
        text = self.text(value)
        if not is_terminal:
            return Cell(text)
        if self.has_bar:
            share = reading.share
            text = text if share is None else f"{text:>6} {bar(share, _BAR, utf8=utf8)}"
        return Cell(text, "" if self.style is None else self.style(reading, value))


def chosen(names: str, option: str) -> list[Field]:
    """Return the columns that a list of names with commas means. Raises InvalidValue; option: what has that list."""
    found = []
    for name in names.split(","):
        key = name.strip().lower().replace("-", "_")
        if key not in EVERY:
            raise InvalidValue(f"{option} {names}: no column {name.strip()!r}", hint=f"there are {', '.join(EVERY)}")
        found.append(EVERY[key])
    return found


def order(readings: Sequence[Reading], by: Sequence[Field], *, reverse: bool) -> list[Reading]:
    """Return the readings by these columns: numbers with the largest first, text from A; the unknown is last."""
    found = list(readings)
    for field in reversed(by):
        values = {id(reading): field.value(reading) for reading in found}
        known = [reading for reading in found if values[id(reading)] is not None]
        unknown = [reading for reading in found if values[id(reading)] is None]
        known.sort(
            key=lambda reading: _key(values[id(reading)], is_text=field.is_text), reverse=reverse is field.is_text
        )
        found = [*known, *unknown]
    return found


def _key(value: Number, *, is_text: bool) -> tuple[float, str]:
    if is_text:
        return 0.0, str(value)
    return float(value or 0), ""  # "infinity" too is a number here


def _word(value: Number) -> str:
    return "-" if value is None else str(value)


def _state_style(_: Reading, state: Number) -> str:
    return _STATES.get(str(state), "yellow")


_ALL = (
    Field("unit", Column(title="UNIT", is_flexible=True, least=24), lambda each: each.name, _word, is_text=True),
    Field("state", Column(title="STATE", rank=2), lambda each: each.state, _word, _state_style, is_text=True),
    Field("memory", Column(title="MEMORY", is_right=True), lambda each: each.memory, size_text),
    Field(
        "limit",
        Column(title="LIMIT", is_right=True),
        lambda each: each.limit,
        size_text,
        lambda each, _: share_style(each.share),
        has_bar=True,
    ),
    Field("swap", Column(title="SWAP", is_right=True, rank=3), lambda each: each.swap, size_text),
    Field("tasks", Column(title="TASKS", is_right=True, rank=4), lambda each: each.tasks, _word),
    Field("cpu", Column(title="CPU", is_right=True, rank=5), lambda each: each.cpu, time_text),
    Field("age", Column(title="AGE", is_right=True, rank=1), lambda each: each.age, age_text),
    Field("app", Column(title="APP", is_flexible=True, rank=6), lambda each: each.app, _word, is_text=True),
    Field(
        "command",
        Column(title="COMMAND", is_flexible=True),
        lambda each: each.seen.unit.description,
        _word,
        is_text=True,
    ),
    Field("peak", Column(title="PEAK", is_right=True), lambda each: each.peak, size_text),
    Field(
        "limited_by", Column(title="LIMITED-BY", is_flexible=True), lambda each: each.limited_by, _word, is_text=True
    ),
    Field("slice", Column(title="SLICE", is_flexible=True), lambda each: each.slice, _word, is_text=True),
    Field("sub", Column(title="SUB"), lambda each: each.seen.unit.sub, _word, is_text=True),
)

EVERY = {field.name: field for field in _ALL}
"""All columns by their names."""

BY_DEFAULT = ("unit", "state", "memory", "limit", "swap", "tasks", "cpu", "age", "command")
WITH_APPS = ("unit", "state", "memory", "limit", "swap", "tasks", "cpu", "age", "app", "command")
