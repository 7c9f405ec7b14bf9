"""Make the handles of a scope that systemd has started: read its limits back, begin to watch it."""

from __future__ import annotations

import asyncio
import datetime
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.errors import LimitNotEnforced, ScopeFailed, ScoperunError
from scoperun.evidence.start import Start
from scoperun.kernel import vmstat
from scoperun.kernel.cgroup import NOWHERE, cgroup_of
from scoperun.kernel.descriptors import see_room_to_read
from scoperun.kernel.log import KernelLog
from scoperun.kernel.memory_watch import watching
from scoperun.kernel.scope_cgroup import ScopeCgroup
from scoperun.printable import utf8
from scoperun.record import replace
from scoperun.supervision.enforcement import check_limits, unenforced
from scoperun.supervision.handles import Handles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AsyncExitStack

    from scoperun.kernel.memory_watch import MemoryWatch
    from scoperun.kernel.pressure_trigger import PressureTrigger
    from scoperun.process.processes import Processes
    from scoperun.spec.limits import LimitsInForce
    from scoperun.spec.request import RunRequest
    from scoperun.supervision.feed import Feed
    from scoperun.systemd.unit import Unit


async def stand(run: RunRequest, unit: Unit, processes: Processes, feed: Feed, watches: AsyncExitStack) -> Handles:
    """Return the handles of a scope that systemd has started; its watches are closed with `watches`.

    Raise ScopeFailed if the command is not in the scope, LimitNotEnforced if a limit is not in force, another
    ScoperunError if the scope cannot be watched.
    """
    _, runtime_max = await asyncio.gather(unit.identify(), unit.runtime_max())
    if runtime_max is not None:
        await unit.learn_when_active()
    scope = _seen_scope(run, unit, processes)
    try:
        limits = check_limits(unit.request.properties, scope) if run.require_limits else scope.limits()
    except LimitNotEnforced as error:
        from scoperun.supervision.drop_ins import overridden  # noqa: PLC0415  few runs have drop-ins

        raise await overridden(unit, scope) or error from None
    if scope.cgroup is NOWHERE:
        await _see_no_strangers(unit, processes)
    elif unit.request.is_delegated:
        _give_keeper_a_leaf(scope, watches)
    memory, kernel_log = _watched(scope, feed, watches)
    pressure, unwatched = _watch_pressure(run, scope, watches)
    if run.cpu_time is not None:
        limits = with_cpu_time(limits, run.cpu_time, scope, is_required=run.require_limits)
    return Handles(
        run=run,
        unit=unit,
        scope=scope,
        workload=processes.workload,
        keeper=processes.keeper,
        memory=memory,
        kernel_log=kernel_log,
        feed=feed,
        start=replace(
            _start(run, unit, scope, processes.workload.pid, replace(limits, runtime_max=runtime_max)),
            soft_pressure=None if pressure is None else run.soft_pressure,
            unwatched_pressure=unwatched,
            unenforced=() if run.require_limits else tuple(_unenforced(unit, scope, limits)),
        ),
        pressure=pressure,
    )


def _watched(scope: ScopeCgroup, feed: Feed, watches: AsyncExitStack) -> tuple[MemoryWatch, KernelLog]:
    """Watch the scope's memory, and note where the kernel's log is now. Raises ScoperunError."""
    try:
        watches.enter_context(scope.folders).hold(scope.cgroup)
        memory = watches.enter_context(watching(scope, give=feed.put))
        kernel_log = watches.enter_context(KernelLog.open())
        see_room_to_read()
    except OSError as error:
        raise ScoperunError(f"cannot watch the scope: {error.strerror}") from None
    return memory, kernel_log


def _watch_pressure(
    run: RunRequest, scope: ScopeCgroup, watches: AsyncExitStack
) -> tuple[PressureTrigger | None, str | None]:
    """Set the trigger for the soft limit on pressure, if there is one; return it, or why the kernel refuses it.

    Raise LimitNotEnforced if the kernel refuses it and the run requires its limits.
    """
    if run.soft_pressure is None:
        return None, None
    from scoperun.kernel.pressure_trigger import pressure_trigger, why_refused  # noqa: PLC0415  most do not need it

    try:
        return watches.enter_context(pressure_trigger(scope.cgroup, run.soft_pressure)), None
    except OSError as error:
        reason, hint = why_refused(run.soft_pressure, error)
    if run.require_limits:
        way_out = "`require_limits=False` runs the command anyway"
        raise LimitNotEnforced(
            f"`soft_pressure={run.soft_pressure.text}` would have no effect: {reason}",
            hint=way_out if hint is None else f"{hint}; {way_out}",
        )
    return None, reason


def _unenforced(unit: Unit, scope: ScopeCgroup, limits: LimitsInForce) -> Iterator[str]:
    """Yield the limits that are not in force, but not those on memory if it is not counted: the report says that.

    There is nothing to compare if the command is not in the scope.
    """
    if scope.cgroup is NOWHERE:
        return
    for limit, reason in unenforced(unit.request.properties, scope, limits):
        if limits.memory_max is not None or not limit.startswith("Memory"):
            yield f"{limit} is not enforced: {reason}"


def with_cpu_time(limits: LimitsInForce, cpu_time: float, scope: ScopeCgroup, *, is_required: bool) -> LimitsInForce:
    """Return the limits with that on processor time; raise LimitNotEnforced if the use of it cannot be read."""
    from scoperun.kernel.cpu_time import used  # noqa: PLC0415  most commands do not need it

    if used(scope.cgroup) is not None:
        return replace(limits, cpu_time=cpu_time)
    if is_required:
        raise LimitNotEnforced(
            "`cpu_time` would not be enforced: the scope's cpu.stat cannot be read",
            hint="`require_limits=False` runs the command anyway",
        )
    return limits


def _seen_scope(run: RunRequest, unit: Unit, processes: Processes) -> ScopeCgroup:
    """Return the scope's cgroup, NOWHERE if the command is not in it.

    Raise ScopeFailed for the latter, if the run requires its limits.
    """
    commands = cgroup_of(processes.workload.pid)
    cgroup = commands.of_unit(unit.name)
    # Not the cgroup that the command is in instead: its counters say nothing about the command.
    kills = vmstat.oom_kills() if commands.counts_alone else None
    if cgroup is None and run.require_limits:
        raise ScopeFailed(f"Failed to start scope {unit.name!r}: the command is still in {commands.name}")
    return ScopeCgroup(cgroup or NOWHERE, processes.keeper.pid, kills)


async def _see_no_strangers(unit: Unit, processes: Processes) -> None:
    from scoperun.supervision.strangers import see_no_strangers  # noqa: PLC0415  almost never needed

    await see_no_strangers(unit, processes)


def _give_keeper_a_leaf(scope: ScopeCgroup, watches: AsyncExitStack) -> None:
    from scoperun.process.keeper_leaf import keeper_leaf  # noqa: PLC0415  most commands do not need it

    try:
        watches.enter_context(keeper_leaf(scope.cgroup.path, keeper=scope.keeper))
    except OSError as error:
        raise ScoperunError(f"cannot make a cgroup below the scope (Delegate=): {error.strerror}") from None


def _start(run: RunRequest, unit: Unit, scope: ScopeCgroup, pid: int, limits: LimitsInForce) -> Start:
    """Return what the report says about the start, which is now."""
    return Start(
        systemd=None,
        kernel=os.uname().release,
        unit=unit.name,
        invocation_id=unit.invocation_id,
        slice=scope.cgroup.slice,
        cgroup=scope.cgroup.name or None,
        manager="system" if run.system else "user",
        pid=pid,
        cwd=_working_directory(run.context.working_directory),
        started=datetime.datetime.now(datetime.UTC),
        monotonic=time.monotonic(),
        counted_from=unit.counted_from,
        limits=limits,
        ceiling=scope.cgroup.memory_ceiling(),
        soft_memory=run.soft_memory,
        timeline_interval=run.timeline_interval,
    )


def _working_directory(wanted: str | None) -> str | None:
    with suppress(OSError):  # our working directory was removed
        return utf8(os.path.realpath(wanted or ""))  # not normpath, for which link/.. is the folder of the link
    return None
