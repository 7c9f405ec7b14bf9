"""`scopectl list`: a row for each unit."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import typer

from scoperun.console.tables import Cell, Column, table
from scoperun.ctl.declared import Json, Legend, System
from scoperun.ctl.output import print_json, print_text
from scoperun.ctl.session import COMMANDS, Seen, session
from scoperun.spec.sizes import INFINITY, format_size

All = Annotated[bool, typer.Option("--all", "-a", help="All scopes and services, not only scoperun's.")]
Patterns = Annotated[list[str] | None, typer.Argument(metavar="[PATTERN]...", show_default=False)]

_COLUMNS = (
    Column(title="UNIT"),
    Column(title="STATE"),
    Column(title="MEMORY", is_right=True),
    Column(title="LIMIT", is_right=True),
    Column(title="TASKS", is_right=True),
    Column(title="AGE", is_right=True),
    Column(title="COMMAND", is_flexible=True),
)


def command(
    patterns: Patterns = None, *, every: All = False, json: Json = False, system: System = False, legend: Legend = True
) -> None:
    """Print a row for each unit."""
    units = asyncio.run(_units(patterns or [], every=every, system=system))
    if json:
        print_json([_row(seen) for seen in units])
    else:
        print_text(
            table(_COLUMNS, [[Cell(str(value)) for value in _row(seen).values()] for seen in units], legend=legend)
        )


async def _units(patterns: list[str], *, every: bool, system: bool) -> list[Seen]:
    async with session(system=system) as opened:
        return await opened.units(COMMANDS) if every else await opened.ours()


def _row(seen: Seen) -> dict[str, object]:
    cgroup = seen.cgroup
    ceiling = None if cgroup is None else cgroup.memory_ceiling()
    memory = None if cgroup is None else cgroup.number("memory.current")
    return {
        "unit": seen.name,
        "state": seen.unit.active,
        "memory": "-" if memory is None else format_size(memory),
        "limit": "-" if ceiling is None or ceiling.limit == INFINITY else format_size(ceiling.limit),
        "tasks": None if cgroup is None else cgroup.number("pids.current"),
        "age": None if seen.file is None else round(time.time() - seen.file.written),
        "command": seen.unit.description,
    }
