"""The order of a run, from the request to the report: `supervised` reads like a table of contents."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

from scoperun.errors import ScopeFailed, ScoperunError
from scoperun.kernel.wait import LAST_MOMENT
from scoperun.spec.scope import generated_unit_name, scope_request
from scoperun.supervision.feed import Feed, feed_loss, until_started
from scoperun.supervision.tasks import Tasks
from scoperun.systemd.manager import UNANSWERED
from scoperun.systemd.shared import shared_manager
from scoperun.systemd.unit import Unit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from scoperun.evidence.events import Event
    from scoperun.evidence.start import Start
    from scoperun.process.parent import Parent
    from scoperun.process.processes import Processes
    from scoperun.process.workload import Workload
    from scoperun.report.report import Report
    from scoperun.spec.request import RunRequest
    from scoperun.spec.scope import ScopeRequest
    from scoperun.supervision.guard import Guard
    from scoperun.supervision.handles import Handles
    from scoperun.supervision.supervision import Supervision
    from scoperun.systemd.manager import Manager


async def supervise(run: RunRequest, processes: Processes) -> Report:
    """Run the held workload in a scope of its own and return how it ended."""
    async with supervised(run, processes, asyncio.Event()) as supervision:
        return await supervision.report()


@asynccontextmanager
async def supervised(  # noqa: PLR0913  each belongs to another step
    run: RunRequest,
    processes: Processes,
    enough: asyncio.Event,
    *,
    trace: Callable[[Event | Start], None] | None = None,
    parent: Parent | None = None,
    check: Callable[[], None] | None = None,
) -> AsyncIterator[Supervision]:
    """Run the held workload in a scope of its own for the length of the context.

    If the context is left before there is a report, normally or by an error or a cancellation, the workload is killed
    and nothing is left of the scope.

    enough: when set, ends a wait for what the command left behind.
    trace: called with every event, and with the Start before the command runs; it must not raise.
    parent: the process at whose end the scope is stopped.
    check: called when the scope stands, before the command runs in it; a ScoperunError that it raises ends the run.
    Raises ScoperunError if the scope cannot be started or watched, or the command cannot be executed.
    """
    feed = Feed(trace)
    async with shared_manager(os.environ, system=run.system) as manager, AsyncExitStack() as stack:
        guard = None if not run.die_with_scoperun else await _guard(run, manager, stack)
        unit = Unit(manager, _requested(run, guard), feed.put)
        stack.callback(unit.forget)
        watches = await stack.enter_async_context(AsyncExitStack())
        tasks = await stack.enter_async_context(Tasks())
        exited = tasks.start(_feed_exit(processes.workload, feed))
        tasks.start(feed_loss(manager, feed))
        await stack.enter_async_context(cleared_away(run, unit, processes, feed))
        with nullcontext() if guard is None else guard.blamed(), _explained(unit, processes, feed):
            handles = await _stand(run, unit, processes, feed, watches)
            from scoperun.supervision.supervision import Supervision  # noqa: PLC0415  _stand has imported it
        if trace is not None:
            trace(handles.start)
        if guard is not None and handles.start.cgroup is not None:
            stack.enter_context(guard.told(handles.scope.cgroup.path))
        supervision = await stack.enter_async_context(Supervision(handles, tasks, enough, guard))
        await _release(processes, unit, parent, check)
        supervision.begin(exited)
        if parent is not None:
            tasks.start(_stop_after(parent, supervision))
        yield supervision


async def _guard(run: RunRequest, manager: Manager, stack: AsyncExitStack) -> Guard:
    """Return the guard of this process, which ends after the run, if no other run has it."""
    from scoperun.supervision.guard import shared_guard  # noqa: PLC0415  most commands do not need it

    return await stack.enter_async_context(shared_guard(manager, system=run.system))


async def _release(processes: Processes, unit: Unit, parent: Parent | None, check: Callable[[], None] | None) -> None:
    """Let the command run, if it still may."""
    if parent is not None:
        parent.see_alive("before the command had started")
    if check is not None:
        check()
    await processes.workload.release(unit.invocation_id)


async def _stop_after(parent: Parent, supervision: Supervision) -> None:
    await parent.ended()
    supervision.parent_has_ended = supervision.runs_on
    await supervision.stop_or_kill()


def _requested(run: RunRequest, guard: Guard | None) -> ScopeRequest:
    name = run.unit or generated_unit_name(run.command[0], os.getpid(), os.urandom(4).hex())
    asked = tuple(run.scope_properties(inherited_slice=_inherited_slice(run)))
    if guard is not None:
        from scoperun.spec.guard import bound_to  # noqa: PLC0415  as above

        asked = (*asked, *bound_to(guard.unit))
    return scope_request(name, asked)


def _inherited_slice(run: RunRequest) -> str | None:
    if not run.slice_inherit:
        return None
    from scoperun.kernel.cgroup import cgroup_of  # noqa: PLC0415  the other modules that use it are imported later

    return cgroup_of(os.getpid()).slice_of_manager(system=run.system)


async def _feed_exit(workload: Workload, feed: Feed) -> None:
    feed.put(await workload.wait())


async def _stand(run: RunRequest, unit: Unit, processes: Processes, feed: Feed, watches: AsyncExitStack) -> Handles:
    """Have systemd start the scope with both processes in it, and return its handles once it is started."""
    await unit.start([processes.workload.pid, processes.keeper.pid])
    try:
        # The kernel usually takes longer to move the processes than these imports take: they cost no extra time here.
        from scoperun.supervision.standing import stand  # noqa: PLC0415
    except OSError as error:  # e.g. too few descriptors
        await until_started(unit, feed, system=run.system)
        raise ScoperunError(f"cannot watch the scope: {error.strerror}") from None
    await until_started(unit, feed, system=run.system)
    return await stand(run, unit, processes, feed, watches)


@contextmanager
def _explained(unit: Unit, processes: Processes, feed: Feed) -> Iterator[None]:
    """Say so if something has ended the command's process before the command runs: errors name only what followed."""
    try:
        yield
    except ScoperunError:
        if not processes.workload.ended:
            raise
        is_over = "its time limit was over" if feed.invocation.result == "timeout" else "something has killed it"
        raise ScopeFailed(
            f"Failed to start scope {unit.name!r}: the process ended before it could execute the command: {is_over}"
        ) from None


@asynccontextmanager
async def cleared_away(run: RunRequest, unit: Unit, processes: Processes, feed: Feed) -> AsyncIterator[None]:
    """On exit kill both processes, then wait for the end of the scope if systemd still announces it.

    If systemd might start the scope later, it is told to stop it, unless another unit could have its name by then.
    Raises ScopeFailed if the scope has other processes in it.
    """
    is_name_ours = run.unit is None
    try:
        yield
    finally:
        try:
            if not processes.workload.released:
                await _started(unit, feed, within=LAST_MOMENT if is_name_ours else unit.timeout)
                with suppress(*UNANSWERED):
                    if _is_there(unit, feed):
                        from scoperun.supervision.strangers import see_no_strangers  # noqa: PLC0415  almost never needed

                        await see_no_strangers(unit, processes)
        finally:
            processes.keeper.end()
            processes.workload.kill()
            if unit.is_starting or (unit.is_unanswered and is_name_ours):
                unit.post_stop()
        with suppress(*UNANSWERED):
            if _is_there(unit, feed):
                await feed.until(lambda invocation: invocation.over, within=unit.timeout)
                await unit.unref()
        if unit.is_ours:  # it was not waited for, or in vain
            unit.post_unref()


async def _started(unit: Unit, feed: Feed, *, within: float) -> None:
    """Wait until systemd has put the processes into the scope: it never notices the end of a scope of dead ones.

    within: the seconds that it has to accept or refuse the request.
    """
    with suppress(ScoperunError, TimeoutError):
        async with asyncio.timeout(within):
            await unit.answered()
        if unit.is_ours:
            await feed.until(lambda invocation: invocation.started, within=LAST_MOMENT)


def _is_there(unit: Unit, feed: Feed) -> bool:
    """Tell whether the scope is loaded and systemd announces its changes to us."""
    return feed.invocation.active_state is not None and unit.is_ours
