"""Put running processes into a new scope: look at them, have systemd move them, and read back that they are there."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

from scoperun.errors import BusUnavailable, LimitNotEnforced, ManagerError, ScopeFailed, ScoperunError
from scoperun.kernel.cgroup import Cgroup, cgroup_of, hierarchy_of_this_machine
from scoperun.kernel.scope_cgroup import ScopeCgroup
from scoperun.process import keeper as keepers
from scoperun.process.processes import Processes
from scoperun.record import replace
from scoperun.report.conclusion import conclude
from scoperun.spec.properties import Property
from scoperun.spec.scope import generated_unit_name, scope_request, with_keeper
from scoperun.supervision.adopted import Adopted
from scoperun.supervision.attachment import Attached, CannotMove, NoneLeft
from scoperun.supervision.candidates import place, why_refused
from scoperun.supervision.enforcement import unavailable, unenforced
from scoperun.supervision.feed import Feed, feed_loss, until_started
from scoperun.supervision.gathering import gathered
from scoperun.supervision.herd import Herd
from scoperun.supervision.movers import Managers, mover_of
from scoperun.supervision.settling import Settling
from scoperun.supervision.standing import stand
from scoperun.supervision.strangers import let_go
from scoperun.supervision.tasks import Tasks
from scoperun.systemd.answers import SCOPE
from scoperun.systemd.manager import UNANSWERED
from scoperun.systemd.unit import Unit
from scoperun.systemd.unit_files import ATTACHED, OURS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from scoperun.kernel.process_facts import ProcessFacts
    from scoperun.process.keeper import Keeper
    from scoperun.report.report import Report
    from scoperun.supervision.attachment import Wanted
    from scoperun.supervision.candidates import Mover
    from scoperun.supervision.handles import Handles
    from scoperun.supervision.herd import Member
    from scoperun.systemd.manager import Manager

_MOST_STARTS = 5
"""The most times that a scope is started, if one of its processes has ended meanwhile each time."""

_DOCUMENTATION = Property(name="Documentation", signature="as", value=[OURS, ATTACHED], asked=False)


@asynccontextmanager
async def attached(manager: Manager, wanted: Wanted, *, starts: Callable[[str], None]) -> AsyncIterator[Attached]:
    """Move the processes into a new scope, to which we have a reference in the context; they live on after it.

    starts: called with the scope's name before systemd is asked to start it.
    Raises CannotMove, NoneLeft, LimitNotEnforced, ScopeFailed or another ScoperunError.
    """
    async with AsyncExitStack() as stack:
        herd = stack.enter_context(Herd())
        managers = await stack.enter_async_context(Managers(manager, system=wanted.run.system))
        watches = await stack.enter_async_context(AsyncExitStack())
        tasks = await stack.enter_async_context(Tasks())
        keeper = None
        if wanted.wait:
            keeper = keepers.spawn()
            stack.callback(keeper.close)
        now = await _Attaching(managers, wanted, herd, keeper, starts).done(tasks, watches)
        with _named(now.unit):
            yield now


async def report(now: Attached) -> Report | None:
    """Wait until all processes have ended, and return how the first of them did; None if all ended before.

    The report's status is that of the process if anything tells it; its parent alone is sure to learn it.
    """
    handles = now.handles
    if handles is None:
        return None
    handles.feed.put(await handles.workload.wait())
    await Settling(handles, asyncio.Event()).settle()
    return conclude(handles.run.command, handles.start, handles.invocation)


@contextmanager
def _named(unit: Unit) -> Iterator[None]:
    """Have each error in the context name the scope that the processes are in."""
    try:
        yield
    except ScoperunError as error:
        if unit.name not in error.message:
            error.message += f"; the processes are in {unit.name} now"
        raise


class _Attaching:
    """One attachment, step by step."""

    def __init__(
        self, managers: Managers, wanted: Wanted, herd: Herd, keeper: Keeper | None, starts: Callable[[str], None]
    ) -> None:
        self._managers = managers
        self._manager = managers.own
        self._wanted = wanted
        self._run = wanted.run
        self._herd = herd
        self._keeper = keeper
        self._starts = starts
        self._ended: list[int] = []
        own = () if keeper is not None else (_DOCUMENTATION,)
        asked = (*own, *self._run.scope_properties())
        self._request = scope_request("x.scope", asked, has_keeper=keeper is not None)
        self._properties = tuple(
            self._request.properties if keeper is not None else map(with_keeper, self._request.properties)
        )

    async def done(self, tasks: Tasks, watches: AsyncExitStack) -> Attached:
        """Attach the processes, step by step. The watches on the scope are closed with `watches`."""
        mover = await self._see_processes()
        await self._see_controllers()
        unit, feed, first = await self._started(tasks)
        with _named(unit):
            return await self._looked_after(unit, feed, first, mover, watches)

    async def _looked_after(
        self, unit: Unit, feed: Feed, first: Member, mover: Mover, watches: AsyncExitStack
    ) -> Attached:
        """Read back what the scope has, and gather what is still outside."""
        await unit.identify()
        cgroup, handles = self._cgroup(unit), None
        outside: dict[int, str] = {}
        void: tuple[str, ...] = ()
        if cgroup is None:
            await self._stop_if_empty(unit)
        else:
            void = await self._void(unit, cgroup)
            if self._keeper is not None:
                handles = await self._handles(unit, feed, Adopted(first), watches)
            outside = await gathered(self._herd, cgroup, self._wanted, managers=self._managers, mover=mover)
        waited_for = None if handles is None else first.pid  # the report tells of its end
        dead = [each.pid for each in self._herd.members.values() if not each.lives]
        self._ended += [pid for pid in dead if pid != waited_for]
        gone = {*outside, *self._ended}
        return Attached(
            unit=unit,
            cgroup=cgroup,
            properties=self._properties,
            moved=tuple(each.facts for each in self._herd.members.values() if each.pid not in gone),
            ended=tuple(pid for pid in self._ended if pid in self._wanted.pids),
            outside=outside,
            void=void,
            handles=handles,
        )

    async def _handles(self, unit: Unit, feed: Feed, adopted: Adopted, watches: AsyncExitStack) -> Handles:
        """Begin to watch the scope, which the keeper holds: the workload might have ended."""
        run = replace(self._run, wait=True, require_limits=False)  # they have been read back already
        processes = Processes(self._keeper, self._keeper)  # type: ignore[arg-type]  # what is asked of both is the PID
        handles = await stand(run, unit, processes, feed, watches)
        version = await self._manager.version()
        start = replace(handles.start, pid=adopted.pid, cwd=adopted.working_directory, systemd=version)
        return replace(handles, workload=adopted, start=start)

    async def _see_processes(self) -> Mover:
        """Hold the processes; raise CannotMove if one cannot be moved."""
        found = {pid: self._herd.add(pid) for pid in self._wanted.pids}
        self._ended += [pid for pid, facts in found.items() if facts is None]
        facts = [each for each in found.values() if each is not None]
        if not facts:
            raise NoneLeft("none of these processes is there any more")
        if self._wanted.tree:
            self._herd.add_descendants(leave_out=os.getpid(), see=facts.append)
        mover = await mover_of(self._managers, facts)
        reasons = {each.pid: why_refused(each, mover, force=self._wanted.force) for each in facts}
        if refused := {pid: reason for pid, reason in reasons.items() if reason is not None}:
            raise CannotMove(refused, {each.pid: each.name for each in facts})
        return mover

    async def _see_controllers(self) -> None:
        """Raise LimitNotEnforced if the manager lacks a controller that a limit needs: later it could not be undone."""
        if self._run.require_limits:
            for error in unavailable(self._properties, await self._manager.control_group()):
                raise error

    async def _started(self, tasks: Tasks) -> tuple[Unit, Feed, Member]:
        """Have the scope started with the processes; again, if one of them has ended meanwhile and it failed.

        Return the first of the processes that lived then, too.
        """
        tries = 0
        while True:
            tries += 1
            living = self._first()
            if not living:
                raise NoneLeft("all of these processes have ended")
            feed = Feed()
            unit = self._unit(living[0].facts, feed)
            self._starts(unit.name)
            try:
                await self._start(unit, living)
                tasks.start(feed_loss(self._manager, feed))
                await until_started(unit, feed, system=self._run.system)
            except BusUnavailable as error:
                error.message += f"; systemd might have put the processes into {unit.name} all the same"
                raise
            except (ManagerError, ScopeFailed) as error:
                unit.forget()
                failure = self._failed(unit, error)
                is_free = failure is None or self._run.unit is None  # no process holds the name
                if is_free and tries < _MOST_STARTS and any(not each.lives for each in living):
                    with suppress(*UNANSWERED):
                        await unit.unref()
                    continue
                raise failure or error from None
            else:
                return unit, feed, living[0]

    def _first(self) -> list[Member]:
        """Return the processes with which the scope is started.

        With the user's manager these are those that were named: the start fails if one of its processes ends
        meanwhile, and descendants can be short-lived. They are moved afterwards, which only the user's scopes allow.
        """
        living = self._herd.living()
        if self._managers.is_system:
            return living
        return [each for each in living if each.pid in self._wanted.pids]

    async def _start(self, unit: Unit, members: list[Member]) -> None:
        pids, pidfds = [each.pid for each in members], [each.pidfd for each in members]
        with ExitStack() as stack:
            if self._keeper is not None:
                pids.append(self._keeper.pid)
                pidfds.append(os.pidfd_open(self._keeper.pid))
                stack.callback(os.close, pidfds[-1])
            await unit.start(pids, pidfds=pidfds)

    def _unit(self, first: ProcessFacts, feed: Feed) -> Unit:
        name = self._run.unit or generated_unit_name(first.name, first.pid, os.urandom(4).hex())
        return Unit(self._manager, scope_request(name, self._request.properties, has_keeper=False), feed.put)

    def _failed(self, unit: Unit, error: ScoperunError) -> ScoperunError | None:
        """Return the error with the processes that are in the failed unit's cgroup: systemd has moved some. Or None."""
        came = [each for each in self._herd.living() if place(each.facts.cgroup).unit != unit.name]
        cgroups = {each.pid: each.cgroup() for each in came}
        stuck = [pid for pid, cgroup in cgroups.items() if place(cgroup).unit == unit.name]
        if not stuck:
            return None
        error.message += (
            f"; these processes were moved all the same, and run on under its limits in {cgroups[stuck[0]]}: "
            f"{self._herd.named(stuck)}; stopping it does nothing"
        )
        error.hint = f"scopectl attach {' '.join(map(str, stuck))} moves them on into another scope"
        return error

    def _cgroup(self, unit: Unit) -> Cgroup | None:
        """Return the scope's cgroup, None if all processes have ended; raise ScopeFailed if it has none of them."""
        if self._keeper is not None and (found := cgroup_of(self._keeper.pid).of_unit(unit.name)) is not None:
            return found
        places = []
        for member in self._herd.living():
            with suppress(ScoperunError):
                cgroup = cgroup_of(member.pid)
                places.append(cgroup.name)
                if (found := cgroup.of_unit(unit.name)) is not None and member.lives:
                    return found
        if self._herd.living():
            raise ScopeFailed(f"Failed to start scope {unit.name!r}: the processes are still in {', '.join(places)}")
        return None

    async def _stop_if_empty(self, unit: Unit) -> None:
        """Stop a scope in which no process is left: if the last was a zombie by then, systemd does not notice that."""
        with suppress(*UNANSWERED):
            name = str(await self._manager.get(unit.request.path, SCOPE, "ControlGroup"))
            events = Cgroup(name, f"{hierarchy_of_this_machine()[0]}{name}").table("cgroup.events") if name else None
            if events is not None and not events.get("populated"):
                await unit.stop()

    async def _void(self, unit: Unit, cgroup: Cgroup) -> tuple[str, ...]:
        """Return the limits that are not in force; raise LimitNotEnforced if they are required, without limits then."""
        scope = ScopeCgroup(cgroup, 0 if self._keeper is None else self._keeper.pid)
        limits = cgroup.limits() if self._keeper is None else scope.limits()
        found = tuple(
            f"{limit} is not enforced: {reason}" for limit, reason in unenforced(self._properties, scope, limits)
        )
        if not found or not self._run.require_limits:
            return found
        lifted = "lifted again" if await let_go(unit) else "not lifted"
        raise LimitNotEnforced(
            f"{'; '.join(found)}; the processes are in {unit.name} now, where all limits were {lifted}",
            hint="`require_limits=False` attaches them anyway",
        )
