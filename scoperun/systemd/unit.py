"""One scope as systemd's manager knows it: start it, follow it, read it, change it, kill it, release it."""

from __future__ import annotations

import asyncio
import math
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scoperun.errors import BusLost, BusUnavailable, ManagerError, PropertyRefused, ScopeFailed
from scoperun.evidence.events import JobRemoved, StateChanged
from scoperun.spec.scope import unit_path
from scoperun.systemd import answers, bus
from scoperun.systemd.answers import LEFT_ACTIVE, SCOPE, UNIT
from scoperun.systemd.manager import MOST_TRIES, Unfinished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from scoperun.evidence.events import Event, LeftActive, ScopeProperties
    from scoperun.spec.properties import Property
    from scoperun.spec.scope import ScopeRequest
    from scoperun.systemd.manager import Manager

_MOST_DESCRIPTORS = 16
"""The most that dbus-daemon passes on with a message on the system's bus; with more it closes the connection."""

_NOT_SUPPORTED = "org.freedesktop.DBus.Error.NotSupported"
"""The bus says that the other end does not take descriptors."""

_NOT_RUNNING = "org.freedesktop.systemd1.ScopeNotRunning"
_NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit"


class Unit:
    """A scope unit, from its request on. Each method that asks systemd can raise one of manager.UNANSWERED.

    request: the request, after `start` as systemd accepted it.
    counted_from: the moment from which systemd counts the scope's time, in seconds on the monotonic clock: when systemd
        was asked for it, which is a little earlier, until `learn_when_active` was called.
    invocation_id: 32 hexadecimal digits, empty until it is announced or `identify` was called.
    manager: the connection to systemd.
    is_ours: systemd has accepted the request, and we have a reference: the unit of this name is this scope, and systemd
        announces its changes to us.
    """

    def __init__(
        self, manager: Manager, request: ScopeRequest, give: Callable[[Event], None], *, is_guard: bool = False
    ) -> None:
        """request: not sent to systemd yet. give: called with each event that is announced about the scope.

        is_guard: the scope is a guard's, beside that of a command.
        """
        self.request = request
        self.counted_from = math.nan
        self.invocation_id = ""
        self.is_ours = False
        self.manager = manager
        self._give = give
        self._is_guard = is_guard
        self._is_started = asyncio.Event()
        self._is_heard = False
        self._starting: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The unit's full name."""
        return self.request.unit

    @property
    def timeout(self) -> float:
        """Seconds after which a wait for systemd ends."""
        return self.manager.timeout

    @property
    def is_starting(self) -> bool:
        """Whether the unit of this name is this scope, and its start is not over."""
        return self.is_ours and not self._is_started.is_set()

    @property
    def is_unanswered(self) -> bool:
        """Whether systemd was asked for the scope and has not answered, so that it might start it later."""
        if self._starting is None:
            return False
        return not self._starting.done() or isinstance(self._starting.exception(), BusUnavailable)

    async def start(self, pids: list[int], *, pidfds: Sequence[int] = ()) -> None:
        """Queue the start of the scope with the processes `pids` in it.

        pidfds: of the same processes. They are sent instead if the bus passes on descriptors and systemd takes them
        (PIDFDs=, since 255): a PID can be reused meanwhile.
        The job's result is announced as JobRemoved, the unit's changes as ResultChanged and StateChanged.
        Properties that the user did not ask for, and that this systemd does not know, are left out.
        If it is cancelled, systemd might start the scope all the same; `answered` waits for that.
        """
        await self.manager.listen(self.request, pids[0], self._take, is_guard=self._is_guard)
        self.counted_from = time.monotonic()
        self._starting = asyncio.create_task(self._start(pids, pidfds))
        await self.answered()

    async def answered(self) -> None:
        """Wait until systemd has answered what `start` has asked; raises what that raises."""
        if self._starting is not None:
            await asyncio.wait([self._starting])  # not shield(): Python 3.14 complains of errors that come after it
            self._starting.result()

    async def identify(self) -> None:
        """Learn the invocation ID of the running scope, if it was not announced; raise ScopeFailed if it has none.

        If a condition is not met, systemd skips the scope, and still reports its start job as done.
        """
        if self.invocation_id:
            return
        name = "InvocationID"
        self.invocation_id = answers.identifier(name, await self.manager.get(self.request.path, UNIT, name))
        if not self.invocation_id:
            raise ScopeFailed(f"Failed to start scope {self.name!r}: it was skipped because a condition is not met")

    async def read(self) -> ScopeProperties:
        """Return the scope's properties.

        The path with the invocation ID exists as long as this invocation is loaded. The path with the unit's name
        always answers: if the unit is gone, systemd loads an empty one, whose Result= is success.
        """
        return answers.scope_properties(await self.manager.get_all(unit_path(self.invocation_id), SCOPE))

    async def state(self) -> StateChanged:
        """Return the unit's ActiveState=, as the event that would announce it."""
        name = "ActiveState"
        return StateChanged(answers.word(name, await self.manager.get(unit_path(self.invocation_id), UNIT, name)))

    async def _state_by_name(self) -> StateChanged:
        name = "ActiveState"
        return StateChanged(answers.word(name, await self.manager.get(self.request.path, UNIT, name)))

    async def learn_when_active(self) -> None:
        """Learn when the scope became active, from which its time limit counts."""
        usec = await self.manager.get(unit_path(self.invocation_id), UNIT, "ActiveEnterTimestampMonotonic")
        self.counted_from = answers.moment(usec, ahead=self.manager.ahead) or self.counted_from

    async def left_active(self) -> list[LeftActive]:
        """Return when the scope began to end, as the event that would announce it; [] if it has not begun."""
        usec = await self.manager.get(unit_path(self.invocation_id), UNIT, LEFT_ACTIVE)
        return answers.left_active(usec, ahead=self.manager.ahead)

    async def runtime_max(self) -> float | None:
        """Return the seconds after which systemd ends the scope (RuntimeMaxSec=), None if it does not.

        A drop-in for scopes can override the time that was asked for.
        """
        limit = await self._time("RuntimeMaxUSec")
        return None if limit == math.inf else limit

    async def timeout_stop(self) -> float:
        """Return the seconds that the scope has to end when it is stopped (TimeoutStopSec=), math.inf for no limit."""
        return await self._time("TimeoutStopUSec")

    async def set_properties(self, properties: Iterable[Property]) -> None:
        """Set properties of the running scope, until its end."""
        # systemctl set-property --runtime UNIT NAME=VALUE...
        await self.manager.call("SetUnitProperties", "sba(sv)", self.name, True, _variants(properties))

    async def kill(self, number: int = signal.SIGKILL) -> None:
        """Send signal `number` to every process of the scope, once, unless it is SIGKILL."""
        call = self.manager.call if number == signal.SIGKILL else self.manager.call_once
        await call("KillUnit", "ssi", self.name, "all", number)

    async def freeze(self) -> None:
        """Freeze the scope's processes; return when they are frozen."""
        await self.manager.call("FreezeUnit", "s", self.name)

    async def thaw(self) -> None:
        """Let the scope's frozen processes run again."""
        await self.manager.call("ThawUnit", "s", self.name)

    async def stop(self) -> None:
        """Queue the stop of the scope: SIGTERM, then after TimeoutStopSec= SIGKILL."""
        await self.manager.call("StopUnit", "ss", self.name, "replace", answer="o")

    def post_stop(self) -> None:
        """Ask for that without waiting for an answer. systemd reads it after the start that it was asked for before."""
        with suppress(BusLost):
            self.manager.post("StopUnit", "ss", self.name, "replace")

    async def unref(self) -> None:
        """Release the reference that AddRef took. Without it, systemd unloads the scope once that has ended."""
        self.is_ours = False
        await self.manager.call("UnrefUnit", "s", self.name)
        self._is_heard = False

    def post_unref(self) -> None:
        """Do the same without waiting for an answer."""
        self.is_ours = self._is_heard = False
        with suppress(BusLost):
            self.manager.post("UnrefUnit", "s", self.name)

    async def processes(self) -> list[int]:
        """Return the PIDs of the scope's processes in systemd's PID namespace."""
        (processes,) = await self.manager.call("GetUnitProcesses", "s", self.name, answer="a(sus)")
        return [pid for _, pid, _ in processes]

    async def abandon(self) -> None:
        """Have systemd leave the scope's processes alone from now on, whatever its time limit or OOM policy."""
        try:
            await self.manager.call("AbandonScope", "s", self.name)
        except ManagerError as error:
            if error.name != _NOT_RUNNING:  # its start has failed, so there is nothing to abandon
                raise

    def forget(self) -> None:
        """Receive no more signals of the scope, and wait no more for an answer."""
        self.manager.forget(self.name)
        if self._starting is not None and not self._starting.cancel() and not self._starting.cancelled():
            self._starting.exception()  # else asyncio complains that nothing has looked at it

    def _take(self, member: str | None, body: list[Any]) -> None:
        """Handle a signal. The last invocation ID that is announced before the end of the start job is this scope's.

        What is announced before systemd has accepted the request is about an earlier unit of this name, and what comes
        after `unref` can be about a later one.
        """
        if not self._is_heard:
            return
        for event in answers.events(member, body, ahead=self.manager.ahead):
            if isinstance(event, JobRemoved):
                self._is_started.set()
            self._give(event)
        if not self._is_started.is_set():
            self.invocation_id = answers.invocation(member, body) or self.invocation_id

    async def _time(self, name: str) -> float:
        return answers.time(name, await self.manager.get(self.request.path, SCOPE, name))

    async def _start(self, pids: list[int], pidfds: Sequence[int]) -> None:
        """Have the scope started with these processes, by pidfds if these can be sent and systemd takes them."""
        if self.manager.passes_descriptors and 0 < len(pidfds) <= _MOST_DESCRIPTORS:
            try:
                processes = ["PIDFDs", bus.variant("ah", list(range(len(pidfds))))]
                await self._start_without_unknown_properties(processes, pids, tuple(pidfds))
            except ManagerError as error:
                if not _is_about_descriptors(error):
                    raise
            else:
                return
        await self._start_without_unknown_properties(["PIDs", bus.variant("au", pids)], pids)

    async def _start_without_unknown_properties(
        self, processes: list[object], pids: list[int], descriptors: tuple[int, ...] = ()
    ) -> None:
        """Have the scope started with `processes`, which are `pids`; ask again if systemd left the bus meanwhile."""
        tries = 1
        while True:
            try:
                await self._start_transient_unit(processes, descriptors)
            except PropertyRefused as refusal:
                self.request = _without_refused(self.request, refusal)
            except Unfinished:
                if await self._was_started(pids):
                    return
                if tries == MOST_TRIES:
                    raise
                tries += 1
            else:
                return

    async def _was_started(self, pids: list[int]) -> bool:
        """Tell whether systemd has started the scope although it left the bus without an answer.

        If there is no such unit, systemd can be asked again. Only a unit with our processes in it is ours: raise
        ScopeFailed if there is one without them, BusLost if its start does not end.
        """
        try:
            await self.manager.call("GetUnit", "s", self.name, answer="o")
        except ManagerError as error:
            if error.name == _NO_SUCH_UNIT:
                return False
            raise
        self._is_heard = True
        await self._job_is_over()
        if pids[0] not in await self.processes():
            raise ScopeFailed(
                f"Failed to start scope {self.name!r}: systemd restarted, and our processes are not in that unit now"
            )
        self.is_ours = True
        if not self._is_started.is_set():  # the announcements came before systemd was back
            self._is_started.set()
            self._give(await self._state_by_name())
            self._give(JobRemoved("done"))
        return True

    def _accepted(self) -> None:
        self.is_ours = self._is_heard = True

    async def _job_is_over(self) -> None:
        """Wait for the end of the start job, if there still is one."""
        if self._is_started.is_set() or not answers.job(await self.manager.get(self.request.path, UNIT, "Job")):
            return
        try:
            async with asyncio.timeout(self.timeout):
                await self._is_started.wait()
        except TimeoutError:
            raise BusLost(f"systemd said nothing more about the scope within {self.timeout:g} s") from None

    async def _start_transient_unit(self, processes: list[object], descriptors: tuple[int, ...]) -> None:
        # systemd-run --scope --unit=UNIT -p NAME=VALUE... COMMAND
        properties = [processes, *_variants(self.request.properties)]
        arguments: tuple[object, ...] = (self.name, "fail", properties, [])
        try:
            await self.manager.call_once(
                "StartTransientUnit",
                "ssa(sv)a(sa(sv))",
                *arguments,
                answer="o",
                descriptors=descriptors,
                when_answered=self._accepted,
            )
        except OSError as error:  # descriptors could not be sent
            raise ManagerError(str(error), name=_NOT_SUPPORTED) from None
        except ManagerError as error:
            # From the bus, which has no unit to activate systemd with, if it is not about a unit that was asked for.
            if error.name == _NO_SUCH_UNIT and not self.request.mentions_unit_in(error.message):
                raise self.manager.no_systemd(error.message) from None
            error.message = f"Failed to start scope {self.name!r}: {error.message}"
            raise


def _variants(properties: Iterable[Property]) -> list[list[object]]:
    return [[each.name, bus.variant(each.signature, each.value)] for each in properties]


def _is_about_descriptors(error: ManagerError) -> bool:
    """Tell whether the descriptors of processes could not be sent, or whether this systemd does not take them."""
    if isinstance(error, PropertyRefused):
        return error.property_name == "PIDFDs"
    return error.name == _NOT_SUPPORTED


def _without_refused(request: ScopeRequest, refusal: PropertyRefused) -> ScopeRequest:
    """Leave out a property that this systemd does not know; raise PropertyRefused if the user asked for it."""
    refused = [each for each in request.properties if each.name == refusal.property_name and not each.asked]
    if not refused:
        raise refusal
    return request.without(refusal.property_name)
