"""`scopectl tree`: slices and units as a tree, with memory, limit and tasks at every level."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoperun.console.output import print_json, print_text, takes_utf8
from scoperun.console.tables import Cell, Column, table
from scoperun.ctl.branches import Branch, drawn
from scoperun.ctl.declared import Json, Legend, System
from scoperun.ctl.names import one_shown
from scoperun.ctl.processes import inside
from scoperun.ctl.reading import Number, size_text
from scoperun.ctl.session import session
from scoperun.kernel.usage import number
from scoperun.record import dataclass
from scoperun.spec.sizes import in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scoperun.kernel.cgroup import Cgroup

Unit = Annotated[
    str | None,
    typer.Argument(
        metavar="[UNIT]",
        show_default=False,
        help="Only this slice or unit, by its name or by a beginning that no other unit's name has.",
    ),
]
Processes = Annotated[bool, typer.Option("--processes", "-p", help="The processes of each unit too.")]

_COLUMNS = (
    Column(title="UNIT", is_flexible=True),
    Column(title="MEMORY", is_right=True),
    Column(title="LIMIT", is_right=True),
    Column(title="TASKS", is_right=True),
)


@dataclass(frozen=True, slots=True)
class Level:
    """A slice or unit: its cgroup, and the units in it. unit: the name, which for the top is the manager's cgroup."""

    unit: str
    cgroup: Cgroup
    units: list[Level]


def command(
    unit: Unit = None,
    *,
    processes: Processes = False,
    json: Json = False,
    legend: Legend = True,
    system: System = False,
) -> None:
    """Draw the slices and units of the manager as a tree.

    LIMIT is the limit on memory that the unit itself has; those above it hold too. In a pipe the cells have tabs
    between them. Lines are drawn in ASCII unless the locale's character set is UTF-8.
    """
    top = asyncio.run(_top(system=system))
    chosen = top if unit is None else _found(top, unit)
    if json:
        print_json(_row(chosen, processes=processes))
        return
    lines = [(chosen.unit, _cells(chosen.cgroup)), *drawn(_parts(chosen, processes=processes), utf8=takes_utf8())]
    print_text(table(_COLUMNS, [[Cell(text), *map(Cell, cells)] for text, cells in lines], legend=legend))


async def _top(*, system: bool) -> Level:
    async with session(system=system) as opened:
        cgroup, units = await opened.top(), await opened.cgroups()
    return tree_of(cgroup, units)


def tree_of(top: Cgroup, units: Mapping[str, Cgroup]) -> Level:
    """Return the tree of the units' cgroups, each of which is below `top` or another one that comes before it."""
    root = Level(top.name or "/", top, [])
    levels = {top.path: root}
    for name, cgroup in units.items():
        level = levels[cgroup.path] = Level(name, cgroup, [])
        levels[cgroup.path.rpartition("/")[0]].units.append(level)
    return root


def _found(top: Level, word: str) -> Level:
    every: dict[str, Level] = {}
    waiting = [*top.units]
    while waiting:
        level = waiting.pop()
        every[level.unit] = level
        waiting += level.units
    return every[one_shown(word, sorted(every))]


def _parts(level: Level, *, processes: bool) -> list[Branch]:
    if not level.units and processes:
        return inside(level.cgroup).branches("", "")
    return [Branch(each.unit, _cells(each.cgroup), _parts(each, processes=processes)) for each in level.units]


def _cells(cgroup: Cgroup) -> tuple[str, ...]:
    memory, limit, tasks = _numbers(cgroup)
    return size_text(memory), size_text(limit), "-" if tasks is None else str(tasks)


def _numbers(cgroup: Cgroup) -> tuple[Number, Number, Number]:
    """Return memory, limit on memory and tasks; null for what has no file: the root of a machine has none of them."""
    memory, limit, tasks = (
        number(f"{cgroup.path}/{name}") for name in ("memory.current", "memory.max", "pids.current")
    )
    return memory, in_words(limit), tasks


def _row(level: Level, *, processes: bool) -> dict[str, Any]:
    memory, limit, tasks = _numbers(level.cgroup)
    row: dict[str, Any] = {
        "unit": level.unit,
        "cgroup": level.cgroup.name,
        "memory": memory,
        "limit": limit,
        "tasks": tasks,
        "units": [_row(each, processes=processes) for each in level.units],
    }
    if processes:
        row["processes"] = [] if level.units else inside(level.cgroup).to_json()
    return row
