"""The guard: one scope for all runs of a process that are to end with it, whatever ends it.

Their scopes have BindsTo= and After= with the guard's. So when the guard's process ends, for which see
scoperun.process.guard, systemd stops them: SIGTERM, and SIGKILL after TimeoutStopSec=.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from scoperun.errors import BusUnavailable, ManagerError, ScopeFailed, ScoperunError
from scoperun.kernel.cgroup import Cgroup, cgroup_of
from scoperun.kernel.process_table import name_of
from scoperun.process import guard
from scoperun.spec.guard import guard_request, owner_of
from scoperun.supervision.feed import Feed, feed_loss, until_started
from scoperun.supervision.tasks import Tasks
from scoperun.systemd.manager import UNANSWERED
from scoperun.systemd.shared import Shared, sharing
from scoperun.systemd.unit import Unit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractContextManager

    from scoperun.process.guard import GuardProcess
    from scoperun.systemd.manager import Manager

_GUARDS: WeakKeyDictionary[Manager, dict[bool, Shared[Guard]]] = WeakKeyDictionary()
"""The guard of each connection, which is that of one event loop."""


class Guard:
    """A guard in its scope, as long as the context of `shared_guard` lasts."""

    def __init__(self, unit: Unit, process: GuardProcess, feed: Feed) -> None:
        """Take a guard whose scope is started."""
        self._unit = unit
        self._process = process
        self._feed = feed

    @property
    def unit(self) -> str:
        """The full name of its scope. systemd stops a unit with BindsTo= and After= it when this process ends."""
        return self._unit.name

    @property
    def was_lost(self) -> bool:
        """Whether its process has ended although we did not end it; systemd is stopping what is bound to it then."""
        return self._process.was_lost or (self._feed.invocation.ended and not self._process.was_ended)

    def told(self, cgroup: str) -> AbstractContextManager[None]:
        """Have it kill a cgroup that is frozen when this process ends, which systemd does not stop.

        cgroup: the path of the folder of a bound unit. Enter the context before anything runs in that unit.
        """
        return self._process.told(cgroup)

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Say so if the guard was lost before the command runs; systemd's own error would name only its scope."""
        try:
            yield
        except (ManagerError, ScopeFailed, BusUnavailable):
            if self.was_lost:
                raise self._loss() from None
            raise
        if self.was_lost:
            raise self._loss()

    def _loss(self) -> ScoperunError:
        return ScopeFailed(
            "the guard of `die_with_scoperun` was killed before the command had started", hint=f"it was {self.unit}"
        )


@asynccontextmanager
async def shared_guard(manager: Manager, *, system: bool) -> AsyncIterator[Guard]:
    """Give the guard of this process at a manager; the first run starts it, and the last ends it.

    If it was lost, the next run starts a new one. system: the manager is the system's.
    Raises ScoperunError, with nothing left behind, if it cannot be started.
    """
    guards = _GUARDS.setdefault(manager, {})
    opening = partial(_guard, manager, system=system)
    async with sharing(guards, system, opening, is_usable=lambda guard: not guard.was_lost) as shared:
        yield shared


@asynccontextmanager
async def _guard(manager: Manager, *, system: bool) -> AsyncIterator[Guard]:
    process, feed = guard.spawn(), Feed()
    request = guard_request(os.getpid(), name_of(os.getpid()), os.urandom(4).hex())
    unit = Unit(manager, request, feed.put, is_guard=True)
    try:
        async with Tasks() as tasks:
            tasks.start(feed_loss(manager, feed))
            try:
                await _start(unit, process, feed, system=system)
                _stop_empty_ones(manager, process.pid)
                yield Guard(unit, process, feed)
            finally:
                process.end()
                await _over(unit, feed)
    finally:
        unit.forget()
        process.close()


async def _start(unit: Unit, process: GuardProcess, feed: Feed, *, system: bool) -> None:
    try:
        await unit.start([process.pid])
        await until_started(unit, feed, system=system)
        if process.was_lost:
            raise ScopeFailed("it was killed")
    except BaseException as error:
        # It might be dead before systemd moves it, and systemd would never notice the end of such a scope.
        unit.post_stop()
        if isinstance(error, ManagerError | ScopeFailed):
            error.message = f"cannot start the guard of `die_with_scoperun`: {error.message}"
        raise


def _stop_empty_ones(manager: Manager, guard: int) -> None:
    """Have systemd stop the scopes of guards that were killed, with their owners, while systemd moved them.

    systemd does not notice the end of such a scope: no event follows. They are beside our own. One whose owner lives
    might be just about to start.
    """
    with suppress(ScoperunError):
        own = cgroup_of(guard)
        for each in Cgroup(os.path.dirname(own.name), os.path.dirname(own.path)).directly_below():
            unit = os.path.basename(each.name)
            owner = owner_of(unit)
            if owner is None or os.path.exists(f"/proc/{owner}"):
                continue
            if (each.table("cgroup.events") or {}).get("populated") == 0:
                manager.post("StopUnit", "ss", unit, "replace")


async def _over(unit: Unit, feed: Feed) -> None:
    """Wait until its scope has ended, if systemd still announces that."""
    with suppress(*UNANSWERED):
        if feed.invocation.active_state is not None and unit.is_ours:
            await feed.until(lambda invocation: invocation.over, within=unit.timeout)
            await unit.unref()
