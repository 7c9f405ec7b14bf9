"""Put running processes into a new scope: look at them, have systemd move them, and read back that they are there."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self

from scoperun.errors import LimitNotEnforced, ManagerError, ScopeFailed, ScoperunError
from scoperun.evidence.events import ConnectionLost
from scoperun.kernel.cgroup import cgroup_of
from scoperun.kernel.scope_cgroup import ScopeCgroup
from scoperun.record import dataclass
from scoperun.spec.properties import Property
from scoperun.spec.scope import generated_unit_name, scope_request, unit_path, with_keeper
from scoperun.supervision.candidates import Mover, place, why_never, why_not
from scoperun.supervision.enforcement import unavailable, unenforced
from scoperun.supervision.feed import Feed
from scoperun.supervision.herd import Herd
from scoperun.supervision.order import until_started
from scoperun.supervision.strangers import let_go
from scoperun.supervision.tasks import Tasks
from scoperun.systemd.manager import UNANSWERED, connect
from scoperun.systemd.unit import Unit
from scoperun.systemd.unit_files import ATTACHED, OURS, folder, transient_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from scoperun.kernel.cgroup import Cgroup
    from scoperun.kernel.process_facts import ProcessFacts
    from scoperun.spec.request import RunRequest
    from scoperun.supervision.herd import Member
    from scoperun.systemd.manager import Manager

_SERVICE = "org.freedesktop.systemd1.Service"

_MOST_STARTS = 5
"""The most times that a scope is started, if one of its processes has ended meanwhile each time."""

_MOST_PASSES = 20
"""The most times that descendants which were born meanwhile are moved."""

_DOCUMENTATION = Property(name="Documentation", signature="as", value=[OURS, ATTACHED], asked=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to attach. run: the scope; its command is only what the description says.

    pids: of the processes. tree: their descendants too. force: also what `why_not` warns of.
    """

    run: RunRequest
    pids: tuple[int, ...]
    tree: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """Processes in their new scope.

    unit: the scope, to which we have a reference. cgroup: None if all processes have ended.
    properties: what was asked for, TasksMax= with room for a keeper.
    moved: the processes that are in it, as they were before. ended: the PIDs of those that have ended before.
    outside: those that could not be moved, by PID, with the reason. void: limits that are not in force, as text.
    feed: takes what systemd announces about the scope.
    """

    unit: Unit
    cgroup: Cgroup | None
    properties: tuple[Property, ...]
    moved: tuple[ProcessFacts, ...]
    ended: tuple[int, ...]
    outside: dict[int, str]
    void: tuple[str, ...]
    feed: Feed


class CannotMove(ScoperunError):
    """Processes cannot be moved; `reasons` has one for each, by PID. Nothing was moved."""

    def __init__(self, reasons: dict[int, str], names: dict[int, str]) -> None:
        """names: those of the processes, by PID."""
        super().__init__("nothing was attached")
        self.reasons = reasons
        self.names = names


class NoneLeft(ScoperunError):
    """All processes have ended."""


@asynccontextmanager
async def attached(manager: Manager, wanted: Wanted) -> AsyncIterator[Attached]:
    """Move the processes into a new scope, to which we have a reference in the context; they live on after it.

    Raises CannotMove, NoneLeft, LimitNotEnforced, ScopeFailed or another ScoperunError.
    """
    async with AsyncExitStack() as stack:
        herd = stack.enter_context(Herd())
        managers = await stack.enter_async_context(_Managers(manager, system=wanted.run.system))
        tasks = await stack.enter_async_context(Tasks())
        attaching = _Attaching(managers, wanted, herd, tasks)
        yield await attaching.done()


class _Managers:
    """The manager that is asked for the scope, and the system's, which is connected to when it is needed."""

    def __init__(self, own: Manager, *, system: bool) -> None:
        self.own = own
        self.is_system = system
        self._stack = AsyncExitStack()
        self._of_system: Manager | None = own if system else None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def of_system(self) -> Manager:
        """Return the system's manager; raises BusUnavailable."""
        if self._of_system is None:
            self._of_system = await self._stack.enter_async_context(connect(os.environ, system=True))
        return self._of_system

    async def of_user(self, user: int | None) -> Manager | None:
        """Return the manager of a user, or the system's for None; None if it cannot be asked here."""
        if user is None:
            with suppress(ScoperunError):
                return await self.of_system()
        return self.own if user == os.geteuid() and not self.is_system else None


class _Attaching:
    """One attachment, step by step."""

    def __init__(self, managers: _Managers, wanted: Wanted, herd: Herd, tasks: Tasks) -> None:
        self._managers = managers
        self._manager = managers.own
        self._wanted = wanted
        self._run = wanted.run
        self._herd = herd
        self._tasks = tasks
        self._ended: list[int] = []
        asked = (_DOCUMENTATION, *self._run.scope_properties())
        self._properties = tuple(map(with_keeper, scope_request("x.scope", asked, has_keeper=False).properties))
        self._request = scope_request("x.scope", asked, has_keeper=False)

    async def done(self) -> Attached:
        """Do all of it."""
        mover = await self._see_processes()
        await self._see_controllers()
        unit, feed = await self._started()
        await unit.identify()
        cgroup = self._cgroup(unit)
        outside: dict[int, str] = {}
        void: tuple[str, ...] = ()
        if cgroup is not None:
            void = await self._void(unit, cgroup)
            outside = await self._gather(cgroup, mover)
        self._ended += [member.pid for member in self._herd.members.values() if not member.lives]
        gone = {*outside, *self._ended}
        return Attached(
            unit=unit,
            cgroup=cgroup,
            properties=self._properties,
            moved=tuple(each.facts for each in self._herd.members.values() if each.pid not in gone),
            ended=tuple(pid for pid in self._ended if pid in self._wanted.pids),
            outside=outside,
            void=void,
            feed=feed,
        )

    async def _see_processes(self) -> Mover:
        """Hold the processes; raise CannotMove if one cannot be moved."""
        found = {pid: self._herd.add(pid) for pid in self._wanted.pids}
        self._ended += [pid for pid, facts in found.items() if facts is None]
        facts = [each for each in found.values() if each is not None]
        if not facts:
            raise NoneLeft("none of these processes is there any more")
        if self._wanted.tree:
            self._herd.add_descendants(leave_out=os.getpid(), see=facts.append)
        mover = await self._mover(facts)
        if reasons := {each.pid: reason for each in facts if (reason := self._why_not(each, mover)) is not None}:
            raise CannotMove(reasons, {each.pid: each.name for each in facts})
        return mover

    def _why_not(self, process: ProcessFacts, mover: Mover) -> str | None:
        if reason := why_never(process, mover):
            return reason
        reason = None if self._wanted.force else why_not(process, mover)
        return reason and f"{reason} (--force moves it all the same)"

    async def _mover(self, processes: Iterable[ProcessFacts]) -> Mover:
        """Return what decides about these processes: ask the managers for the main processes of services."""
        places = {place(each.cgroup) for each in processes}
        mains: dict[int, str] = {}
        watched: set[str] = set()
        for unit, user in ((each.unit, each.user) for each in places):
            if unit is None:
                continue
            if unit.endswith(".service") and (manager := await self._managers.of_user(user)) is not None:
                with suppress(*UNANSWERED):
                    mains[int(await manager.get(unit_path(unit), _SERVICE, "MainPID"))] = unit
            elif unit.endswith(".scope") and (file := transient_file(_folder(user), unit)) and file.has_keeper:
                watched.add(unit)
        return Mover(
            pid=os.getpid(),
            uid=None if self._run.system and os.geteuid() == 0 else os.geteuid(),
            mains=mains,
            watched=frozenset(watched),
        )

    async def _see_controllers(self) -> None:
        """Raise LimitNotEnforced if the manager lacks a controller that a limit needs: later it could not be undone."""
        if self._run.require_limits:
            for error in unavailable(self._properties, await self._manager.control_group()):
                raise error

    async def _started(self) -> tuple[Unit, Feed]:
        """Have the scope started with the processes; again, if one of them has ended meanwhile and it failed."""
        tries = 0
        while True:
            tries += 1
            living = self._herd.living()
            if not living:
                raise NoneLeft("all of these processes have ended")
            feed = Feed()
            unit = self._unit(living[0].facts, feed)
            try:
                await unit.start([each.pid for each in living], pidfds=[each.pidfd for each in living])
                self._tasks.start(_feed_loss(self._manager, feed))
                await until_started(self._run, unit, feed)
            except (ManagerError, ScopeFailed) as error:
                unit.forget()
                is_free = isinstance(error, ManagerError) or self._run.unit is None  # the name can be used again
                if is_free and tries < _MOST_STARTS and any(not each.lives for each in living):
                    continue
                raise self._failed(unit, error) from None
            else:
                return unit, feed

    def _unit(self, first: ProcessFacts, feed: Feed) -> Unit:
        name = self._run.unit or generated_unit_name(first.name, first.pid, os.urandom(4).hex())
        return Unit(self._manager, scope_request(name, self._request.properties, has_keeper=False), feed.put)

    def _failed(self, unit: Unit, error: ScoperunError) -> ScoperunError:
        """Return the error, with the processes that are in the failed unit's cgroup: systemd has moved some."""
        cgroups = {each.pid: each.cgroup() for each in self._herd.living()}
        stuck = [pid for pid, cgroup in cgroups.items() if place(cgroup).unit == unit.name]
        if not stuck:
            return error
        error.message += (
            f"; these processes were moved all the same, and run on under its limits in {cgroups[stuck[0]]}: "
            f"{self._herd.named(stuck)}; stopping it does nothing"
        )
        error.hint = f"scopectl attach {' '.join(map(str, stuck))} moves them on into another scope"
        return error

    def _cgroup(self, unit: Unit) -> Cgroup | None:
        """Return the scope's cgroup, None if all processes have ended; raise ScopeFailed if it has none of them."""
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

    async def _void(self, unit: Unit, cgroup: Cgroup) -> tuple[str, ...]:
        """Return the limits that are not in force; raise LimitNotEnforced if they are required, without limits then."""
        found = tuple(
            f"{limit} is not enforced: {reason}"
            for limit, reason in unenforced(self._properties, ScopeCgroup(cgroup, 0), cgroup.limits())
        )
        if not found or not self._run.require_limits:
            return found
        lifted = "lifted again" if await let_go(unit) else "not lifted"
        raise LimitNotEnforced(
            f"{'; '.join(found)}; the processes are in {unit.name} now, where all limits were {lifted}",
            hint="`require_limits=False` attaches them anyway",
        )

    async def _gather(self, cgroup: Cgroup, mover: Mover) -> dict[int, str]:
        """Move what is still outside, until nothing is; return what stays outside, with the reason."""
        reasons: dict[int, str] = {}
        failure = ""
        for _ in range(_MOST_PASSES):
            new: list[ProcessFacts] = []
            if self._wanted.tree:
                self._herd.add_descendants(leave_out=os.getpid(), see=new.append)
            if new:
                mover = await self._mover(each.facts for each in self._herd.living())
            reasons |= {each.pid: reason for each in new if (reason := self._why_not(each, mover)) is not None}
            outside = [each for each in self._herd.outside(cgroup.name) if each.pid not in reasons]
            if not outside:
                break
            failure = await self._moved(outside, cgroup)
        else:
            reasons |= {each.pid: failure or "it was born meanwhile" for each in self._herd.outside(cgroup.name)}
        return {pid: reason for pid, reason in reasons.items() if self._herd.members[pid].lives}

    async def _moved(self, members: list[Member], cgroup: Cgroup) -> str:
        """Have the system's systemd move processes into our scope; return why that failed, "" if it did not.

        The user's own systemd does that only for scopes with Delegate=.
        """
        if self._managers.is_system:
            return "the system's systemd adds no process to a scope that runs"
        whole = await self._manager.control_group()
        user = os.path.basename(whole)
        pids = [each.pid for each in members if each.lives]
        try:
            manager = await self._managers.of_system()
            await manager.call("AttachProcessesToUnit", "ssau", user, cgroup.name.removeprefix(whole), pids)
        except (ManagerError, ScoperunError) as error:
            return error.message
        return ""


async def _feed_loss(manager: Manager, feed: Feed) -> None:
    feed.put(ConnectionLost(await manager.lost()))


def _folder(user: int | None) -> str:
    """Return the folder with the files of transient units of a user's manager, or of the system's for None."""
    environment = os.environ if user == os.geteuid() else {"XDG_RUNTIME_DIR": f"/run/user/{user}"}
    return folder(environment, system=user is None)


async def ended(attached: Attached) -> None:
    """Wait until the scope has ended, or systemd is lost."""
    await asyncio.shield(attached.feed.until(lambda invocation: invocation.over))
