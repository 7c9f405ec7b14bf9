"""`scopectl status`: one unit in depth."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoperun.console.output import print_json, print_text, takes_utf8
from scoperun.console.tables import styled, terminal_width
from scoperun.ctl.declared import Json, System
from scoperun.ctl.errors import NoSuchUnit, Status
from scoperun.ctl.last_run import ended_run, last_run, lines_about_ended, summary
from scoperun.ctl.names import one_shown
from scoperun.ctl.session import COMMANDS, session
from scoperun.ctl.status_text import lines as lines_about
from scoperun.ctl.unit_facts import facts

if TYPE_CHECKING:
    from scoperun.ctl.history_rows import Row
    from scoperun.ctl.unit_facts import Facts

Unit = Annotated[
    str,
    typer.Argument(metavar="UNIT", show_default=False, help="Its name, or a beginning that no other unit's name has."),
]
Lines = Annotated[
    int, typer.Option("--lines", "-n", min=0, metavar="N", help="The last N entries of its journal.", show_default=True)
]

_KINDS = (*COMMANDS, "*.slice")


_KEYS = (
    "unit", "description", "load", "active", "sub", "freezer", "result", "invocation_id", "cgroup", "slice",
    "became_active", "became_inactive", "memory", "memory_peak", "swap", "swap_peak", "tasks", "tasks_peak",
    "tasks_refused", "cpu", "limits", "runtime_max", "events", "oom_policy", "oom_kills", "oomd_kills",
    "kernel_log", "kernel_log_reason", "pressure", "io", "processes", "journal", "journal_reason",
)  # fmt: skip
"""What is known of a unit that systemd has loaded; see _row."""


def command(unit: Unit, *, lines: Lines = 10, json: Json = False, system: System = False) -> int:
    """Show a scope, service or slice in depth.

    Its limits are shown as the kernel has them, each with what has set it: what asked for the unit when it started,
    systemctl set-property, a file, or a slice above it, if its limit is lower. OOM kills are shown as the kernel counts
    them, with what the kernel's log says about each, if it may be read.

    The last run in it that scoperun --record has recorded is shown too, also if systemd knows the unit no more.

    The exit status is 0 if the unit is active, 3 if it is not, 4 if there is no such unit.
    """
    try:
        known = asyncio.run(_facts(unit, lines=lines, system=system))
    except NoSuchUnit:
        run = ended_run(unit, system=system)
        if run is None:
            raise
        _print_ended(run, json=json)
        return Status.NOT_ACTIVE
    last = last_run(known.name, system=system)
    if json:
        print_json(_row(known) | {"report": None if last is None else last.report})
    else:
        now = time.time()
        recorded = None if last is None else summary(last, now=now)
        print_text(styled(lines_about(known, now=now, utf8=takes_utf8(), width=terminal_width(), recorded=recorded)))
    return Status.OK if known.is_active else Status.NOT_ACTIVE


def _print_ended(run: Row, *, json: bool) -> None:
    if not json:
        print_text(styled(lines_about_ended(run, now=time.time(), utf8=takes_utf8(), width=terminal_width())))
        return
    known: dict[str, Any] = {"unit": run.report.get("unit"), "load": "not-found", "active": "inactive", "limits": []}
    print_json(dict.fromkeys(_KEYS) | known | {"report": run.report})


async def _facts(unit: str, *, lines: int, system: bool) -> Facts:
    async with session(system=system) as opened:
        units = {seen.name: seen for seen in await opened.units(_KINDS)}
        return await facts(opened, units[one_shown(unit, list(units))], lines=lines)


def _row(known: Facts) -> dict[str, Any]:
    numbers = known.numbers
    return {
        "unit": known.name,
        "description": known.unit.get("Description"),
        "load": known.unit.get("LoadState"),
        "active": known.unit.get("ActiveState"),
        "sub": known.unit.get("SubState"),
        "freezer": known.unit.get("FreezerState"),
        "result": known.kind.get("Result"),
        "invocation_id": known.invocation or None,
        "cgroup": None if known.cgroup is None else known.cgroup.name,
        "slice": known.kind.get("Slice"),
        "became_active": known.moment("ActiveEnterTimestamp"),
        "became_inactive": known.moment("InactiveEnterTimestamp"),
        "memory": numbers.get("memory.current"),
        "memory_peak": numbers.get("memory.peak", known.count("MemoryPeak")),
        "swap": numbers.get("memory.swap.current"),
        "swap_peak": numbers.get("memory.swap.peak", known.count("MemorySwapPeak")),
        "tasks": numbers.get("pids.current"),
        "tasks_peak": numbers.get("pids.peak"),
        "tasks_refused": known.refused,
        "cpu": known.cpu_seconds,
        "limits": [asdict(limit) for limit in known.limits],
        "runtime_max": known.runtime_max,
        "events": None if known.events is None else dict(known.events),
        "oom_policy": known.kind.get("OOMPolicy"),
        "oom_kills": known.oom_kills if known.events is None else known.events.get("oom_kill"),
        "oomd_kills": known.count("ManagedOOMKills"),
        "kernel_log": known.said.to_json(),
        "kernel_log_reason": known.said.reason,
        "pressure": None if known.pressure is None else asdict(known.pressure),
        "io": None if known.io is None else dict(known.io),
        "processes": None if known.below is None else known.below.to_json(),
        "journal": None if known.entries is None else [asdict(entry) for entry in known.entries],
        "journal_reason": known.unread,
    }
