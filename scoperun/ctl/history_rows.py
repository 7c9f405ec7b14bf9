"""One run of the history, as a row of a table and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from scoperun.console.shell_words import quoted
from scoperun.console.tables import Cell, Column
from scoperun.ctl.moments import clock
from scoperun.ctl.reading import size_text, time_text
from scoperun.history.past_run import LARGEST
from scoperun.record import dataclass

if TYPE_CHECKING:
    from scoperun.history.store import Recorded

COLUMNS = (
    Column(title="NAME", is_flexible=True, least=8),
    Column(title="ENDED", rank=2),
    Column(title="VERDICT"),
    Column(title="PEAK", is_right=True),
    Column(title="LIMIT", is_right=True),
    Column(title="RUNTIME", is_right=True, rank=1),
    Column(title="KILLED", is_flexible=True, rank=3),
    Column(title="UNIT", is_flexible=True, rank=5),
    Column(title="COMMAND", is_flexible=True, rank=4),
)

_STYLES = {"success": "green", "oom-kill": "bold red"}


_LATEST = 253402300799
"""The last second of the year 9999, in seconds since the epoch: what is later is not a time."""


def ended_text(recorded: Recorded) -> str:
    """Return when a run ended, a dash if what is recorded cannot be a time."""
    at = recorded.ended
    try:
        return clock(at) if isinstance(at, (int, float)) and 0 <= at <= _LATEST else "-"
    except (ValueError, OverflowError):  # with the time zone it is in the year 10000
        return "-"


def recorded_size(value: object) -> str:
    """Return a size of a report, a dash if it is not one."""
    if value == "infinity":
        return "infinity"
    return size_text(value) if isinstance(value, int) and 0 <= value <= LARGEST else "-"


def recorded_time(value: object) -> str:
    """Return a time of a report in seconds, a dash if it is not one."""
    return time_text(value) if isinstance(value, (int, float)) and 0 <= value <= _LATEST else "-"


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


@dataclass(frozen=True, slots=True)
class Row:
    """A run: what is recorded of it, and its report as parsed JSON."""

    recorded: Recorded
    report: dict[str, Any]

    @classmethod
    def of(cls, recorded: Recorded) -> Row:
        """Parse the report; one that is not JSON has no keys, so that its run is still listed."""
        try:
            report = json.loads(recorded.report)
        except (ValueError, RecursionError):
            report = None
        return cls(recorded, report if isinstance(report, dict) else {})

    def cells(self) -> list[Cell]:
        """Return its cells, one for each column."""
        report, verdict = self.report, str(self.report.get("verdict") or "unknown")
        return [
            Cell(self.recorded.name),
            Cell(ended_text(self.recorded)),
            Cell(verdict, _STYLES.get(verdict, "yellow")),
            Cell(recorded_size(self.part("memory").get("peak"))),
            Cell(recorded_size(self.part("limits").get("memory_max"))),
            Cell(recorded_time(report.get("runtime"))),
            Cell(", ".join(self.victims()) or "-"),
            Cell(str(report.get("unit") or "-")),
            Cell(" ".join(quoted(word) for word in self.command()) or "-"),
        ]

    def to_json(self, *, whole: bool) -> dict[str, Any]:
        """Return it as a dict for JSON; whole: with the report."""
        report = self.report
        row = {
            "name": self.recorded.name,
            "ended": self.recorded.ended,
            "verdict": report.get("verdict"),
            "exit_code": report.get("exit_code"),
            "signal": report.get("signal"),
            "memory_peak": self.part("memory").get("peak"),
            "memory_max": self.part("limits").get("memory_max"),
            "runtime": report.get("runtime"),
            "limit_of": self.part("oom").get("limit_of"),
            "victims": self.victims(),
            "unit": report.get("unit"),
            "invocation_id": report.get("invocation_id"),
            "command": report.get("command"),
        }
        return row | {"report": report} if whole else row

    def victims(self) -> list[str]:
        """Return the names of the processes that are known to have been killed because memory ran out."""
        victims = self.part("oom").get("victims")
        names = [each.get("name") for each in _list(victims) if isinstance(each, dict)]
        return [str(name) for name in names if name is not None]

    def command(self) -> list[str]:
        """Return the words of the command, none if they are not known."""
        return [str(word) for word in _list(self.report.get("command"))]

    def part(self, key: str) -> dict[str, Any]:
        """Return an object in the report, empty if it is null or not there."""
        found = self.report.get(key)
        return found if isinstance(found, dict) else {}
