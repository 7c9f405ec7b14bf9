"""One scope as systemd's manager knows it: started, heard of, read, changed, killed, let go of."""

from __future__ import annotations

import math
import signal
import time
from typing import TYPE_CHECKING, Any

from scoperun.errors import ManagerError, PropertyRefused, ScopeFailed
from scoperun.evidence.events import JobRemoved, StateChanged
from scoperun.spec.scope import unit_path
from scoperun.systemd import answers, bus
from scoperun.systemd.answers import LEFT_ACTIVE, SCOPE, UNIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scoperun.evidence.events import Event, LeftActive, ScopeProperties
    from scoperun.spec.properties import Property
    from scoperun.spec.scope import ScopeRequest
    from scoperun.systemd.manager import Manager

_NOT_RUNNING = "org.freedesktop.systemd1.ScopeNotRunning"
_NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit"


class Unit:
    """A scope unit, from its request on. Whatever asks systemd raises one of manager.UNANSWERED if there is no answer.

    request: as systemd took it. asked: when it was asked, in seconds on the monotonic clock.
    invocation_id: 32 hexadecimal digits, empty before `identify`.
    manager: the connection that it is asked over.
    is_announced: what becomes of the scope is announced, as long as it is referred to.
    """

    def __init__(self, manager: Manager, request: ScopeRequest, give: Callable[[Event], None]) -> None:
        """Take a request that systemd has not been asked for yet; `give` takes what is announced of the scope."""
        self.request = request
        self.asked = math.nan
        self.invocation_id = ""
        self.is_announced = True
        self.manager = manager
        self._give = give
        self._is_started = False

    @property
    def name(self) -> str:
        """The unit's full name."""
        return self.request.unit

    @property
    def timeout(self) -> float:
        """Seconds after which a wait for systemd has an end."""
        return self.manager.timeout

    async def start(self, pids: list[int]) -> None:
        """Queue the start of the scope with the processes `pids` in it.

        What becomes of the job is announced as JobRemoved, and the unit's changes as ResultChanged and StateChanged.
        Properties that were not asked for, and that this systemd does not know, are left out.
        """
        await self.manager.listen(self.request, pids[0], self._take)
        self.asked = time.monotonic()
        while True:
            try:
                await self._start_transient_unit(pids)
            except PropertyRefused as refusal:
                self.request = _without_refused(self.request, refusal)
            else:
                return

    async def identify(self) -> None:
        """Learn the invocation ID of the running scope, if it was not announced; raise ScopeFailed if it has none.

        Where a condition is not met systemd skips the scope, and calls the job of its start done all the same.
        """
        if self.invocation_id:
            return
        name = "InvocationID"
        self.invocation_id = answers.identifier(name, await self.manager.get(self.request.path, UNIT, name))
        if not self.invocation_id:
            raise ScopeFailed(f"Failed to start scope {self.name!r}: it was skipped, for a condition is not met")

    async def read(self) -> ScopeProperties:
        """Return the scope's properties.

        The path with the invocation ID is there for as long as this invocation is loaded. The path with the unit's
        name always answers: when the unit is gone systemd loads an empty one, whose Result= is success.
        """
        return answers.scope_properties(await self.manager.get_all(unit_path(self.invocation_id), SCOPE))

    async def state(self) -> StateChanged:
        """Return the unit's ActiveState=, as what would have been announced."""
        name = "ActiveState"
        return StateChanged(answers.word(name, await self.manager.get(unit_path(self.invocation_id), UNIT, name)))

    async def left_active(self) -> list[LeftActive]:
        """Return when the scope began to end, as what would have been announced; nothing if it has not."""
        usec = await self.manager.get(unit_path(self.invocation_id), UNIT, LEFT_ACTIVE)
        return answers.left_active(usec, ahead=self.manager.ahead)

    async def runtime_max(self) -> float | None:
        """Return the seconds after which systemd ends the scope (RuntimeMaxSec=), None if it does not.

        A drop-in for scopes may have put another time in place of the one that was asked for.
        """
        limit = await self._time("RuntimeMaxUSec")
        return None if limit == math.inf else limit

    async def timeout_stop(self) -> float:
        """Return the seconds that the scope has to end when it is stopped (TimeoutStopSec=), math.inf for no end."""
        return await self._time("TimeoutStopUSec")

    async def set_properties(self, properties: Iterable[Property]) -> None:
        """Set properties while the scope runs, for as long as it does."""
        # systemctl set-property --runtime UNIT NAME=VALUE...
        await self.manager.call("SetUnitProperties", "sba(sv)", self.name, True, _variants(properties))

    async def kill(self, number: int = signal.SIGKILL) -> None:
        """Send signal `number` to every process of the scope."""
        await self.manager.call("KillUnit", "ssi", self.name, "all", number)

    async def freeze(self) -> None:
        """Freeze the scope's processes; returns when they are frozen."""
        await self.manager.call("FreezeUnit", "s", self.name)

    async def thaw(self) -> None:
        """Let the scope's frozen processes run again."""
        await self.manager.call("ThawUnit", "s", self.name)

    async def stop(self) -> None:
        """Queue the stop of the scope: SIGTERM, and after TimeoutStopSec= SIGKILL."""
        await self.manager.call("StopUnit", "ss", self.name, "replace", answer="o")

    async def unref(self) -> None:
        """Give up the reference that AddRef took; once the scope has ended nothing of it remains then."""
        self.is_announced = False
        await self.manager.call("UnrefUnit", "s", self.name)

    async def processes(self) -> list[int]:
        """Return the processes of the scope, by systemd's numbers."""
        (processes,) = await self.manager.call("GetUnitProcesses", "s", self.name, answer="a(sus)")
        return [pid for _, pid, _ in processes]

    async def abandon(self) -> None:
        """Have systemd leave the scope's processes alone from now on, whatever time limit or OOM policy it has."""
        try:
            await self.manager.call("AbandonScope", "s", self.name)
        except ManagerError as error:
            if error.name != _NOT_RUNNING:  # its start has failed: it is left alone
                raise

    def forget(self) -> None:
        """Hear nothing more of the scope."""
        self.manager.forget(self.request)

    def _take(self, member: str | None, body: list[Any]) -> None:
        """Take a signal. The last invocation ID that is announced before the start job is over is this scope's."""
        for event in answers.events(member, body, ahead=self.manager.ahead):
            self._is_started |= isinstance(event, JobRemoved)
            self._give(event)
        if not self._is_started:
            self.invocation_id = answers.invocation(member, body) or self.invocation_id

    async def _time(self, name: str) -> float:
        return answers.time(name, await self.manager.get(self.request.path, SCOPE, name))

    async def _start_transient_unit(self, pids: list[int]) -> None:
        # systemd-run --scope --unit=UNIT -p NAME=VALUE... COMMAND
        properties = [["PIDs", bus.variant("au", pids)], *_variants(self.request.properties)]
        signature = "ssa(sv)a(sa(sv))"
        try:
            await self.manager.call("StartTransientUnit", signature, self.name, "fail", properties, [], answer="o")
        except ManagerError as error:
            if error.name == _NO_SUCH_UNIT:  # the bus's word: it has no unit to start systemd by
                raise self.manager.no_systemd(error.message) from None
            error.message = f"Failed to start scope {self.name!r}: {error.message}"
            raise


def _variants(properties: Iterable[Property]) -> list[list[object]]:
    return [[each.name, bus.variant(each.signature, each.value)] for each in properties]


def _without_refused(request: ScopeRequest, refusal: PropertyRefused) -> ScopeRequest:
    """Leave out a property that this systemd does not know, unless it was asked for."""
    refused = [each for each in request.properties if each.name == refusal.property_name and not each.asked]
    if not refused:
        raise refusal
    return request.without(refusal.property_name)
