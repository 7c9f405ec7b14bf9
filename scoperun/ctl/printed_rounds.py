"""Rounds of `scopectl top` on standard output, as text or as JSON lines."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from scoperun.console.output import print_json_line, print_text
from scoperun.console.tables import Cell, Column, table
from scoperun.ctl import gauges
from scoperun.ctl.ordering import arranged
from scoperun.spec.sizes import in_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from scoperun.ctl.ordering import Line, View
    from scoperun.ctl.rounds import Rounds
    from scoperun.ctl.sampling import Round, Usage

COLUMNS = (
    Column(title="UNIT"),
    Column(title="MEMORY", is_right=True),
    Column(title="LIMIT", is_right=True),
    Column(title="SWAP", is_right=True),
    Column(title="CPU%", is_right=True),
    Column(title="TASKS", is_right=True),
    Column(title="COMMAND", is_flexible=True),
)


_PATIENCE = 10.0
"""Seconds in which systemd has to say what new units run."""


async def print_rounds(taken: Rounds, print_one: Callable[[Round], None], delay: float, count: int | None) -> None:
    """Print a round each `delay` seconds, the first at once; end after `count` of them, or never if that is None.

    Raises BrokenPipeError when nothing reads them any more.
    """
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        print_one(await taken.next(_PATIENCE))
        count = None if count is None else count - 1
        if count == 0:
            return
        due = max(due + delay, loop.time())  # a round that took longer is not made up for
        await asyncio.sleep(due - loop.time())


def as_text(taken: Round, view: View, *, legend: bool) -> None:
    """Print a table, and an empty line after it."""
    rows = [[Cell(text) for text in _cells(line)] for line in arranged(taken, view)]
    print_text(f"{table(COLUMNS, rows, legend=legend)}\n")


def as_json(taken: Round, view: View, *, legend: bool) -> None:
    """Print an object: time, and units and slices, each a list of objects."""
    units = [_object(line.usage) for line in arranged(taken, view) if not line.usage.unit.endswith(".slice")]
    slices = [_object(usage) for usage in taken.slices]
    moment = datetime.fromtimestamp(taken.taken, UTC).isoformat(timespec="milliseconds")
    print_json_line({"time": moment.replace("+00:00", "Z"), "units": units, "slices": slices})


def _cells(line: Line) -> list[str]:
    usage = line.usage
    return [
        f"{'  ' * line.depth}{usage.unit}",
        gauges.size(usage.memory),
        gauges.size(usage.limit),
        gauges.size(usage.swap),
        "frozen" if usage.is_frozen else gauges.percent(usage.cpu),
        gauges.count(usage.tasks),
        usage.command or "",
    ]


def _object(usage: Usage) -> dict[str, Any]:
    return {
        "unit": usage.unit,
        "slice": usage.slice,
        "cgroup": usage.cgroup,
        "command": usage.command,
        "memory": usage.memory,
        "limit": in_words(usage.limit),
        "limited_by": usage.limited_by,
        "swap": usage.swap,
        "cpu_percent": None if usage.cpu is None else round(usage.cpu * 100, 2),
        "tasks": usage.tasks,
        "frozen": usage.is_frozen,
    }
