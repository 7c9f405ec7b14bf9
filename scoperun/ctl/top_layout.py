"""The columns of `scopectl top` for a width, and a unit's cells in them. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.ctl import gauges
from scoperun.printable import one_line
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.ctl.ordering import Line

_NUMBERS = {"MEMORY": 7, "BAR": 8, "LIMIT": 8, "SWAP": 7, "CPU%": 6, "TASKS": 6}
"""The widths of the columns with numbers, in their order."""

_RIGHT = {"MEMORY", "LIMIT", "SWAP", "CPU%", "TASKS"}
_NARROWEST, _WIDEST_UNIT = 16, 44
_NEARLY_FULL, _FULL = 0.75, 0.9


@dataclass(frozen=True, slots=True)
class Place:
    """A column: its title, its width in cells, and whether its texts are aligned right."""

    title: str
    width: int
    is_right: bool


@dataclass(frozen=True, slots=True)
class Text:
    """What is in a column, and in which colour, "" for the usual one."""

    text: str
    colour: str = ""


def places(width: int) -> list[Place]:
    """Return the columns that fit into a width: the numbers, then a graph, then the command."""
    names = dict(_NUMBERS)
    while names and sum(names.values()) + len(names) + _NARROWEST > width:
        names.popitem()  # the columns further right go first
    room = width - sum(names.values()) - len(names)
    graph = 0 if width < 78 else 10 if width < 100 else 20 if width < 150 else 30
    room -= graph + (graph > 0)
    unit = min(room // 2, _WIDEST_UNIT) if width >= 100 else room
    command = max(room - unit - 1, 0)
    columns = {
        "UNIT": unit,
        **names,
        **({"GRAPH": graph} if graph else {}),
        **({"COMMAND": command} if command else {}),
    }
    return [Place(title, each, title in _RIGHT) for title, each in columns.items()]


def texts(line: Line, history: Sequence[int | None], columns: Sequence[Place]) -> list[Text]:
    """Return what is in each of the columns: strangers' text is escaped.

    history: what memory the unit used in the rounds until now.
    """
    return [_text(place, line, history) for place in columns]


def _text(place: Place, line: Line, history: Sequence[int | None]) -> Text:
    usage = line.usage
    match place.title:
        case "UNIT":
            return Text(f"{'  ' * line.depth}{one_line(usage.unit)}", "bold" if usage.unit.endswith(".slice") else "")
        case "MEMORY":
            return Text(gauges.size(usage.memory))
        case "BAR":
            return Text(gauges.bar(usage.share, place.width), _colour(usage.share))
        case "LIMIT":
            return Text(gauges.size(usage.limit))
        case "SWAP":
            return Text(gauges.size(usage.swap))
        case "CPU%":
            return Text("frozen", "blue") if usage.is_frozen else Text(gauges.percent(usage.cpu))
        case "TASKS":
            return Text(gauges.count(usage.tasks))
        case "GRAPH":
            return Text(gauges.line_of(history, place.width), "cyan")
    return Text(one_line(usage.command or ""))


def _colour(share: float | None) -> str:
    if share is None or share < _NEARLY_FULL:
        return "green"
    return "red" if share >= _FULL else "yellow"
