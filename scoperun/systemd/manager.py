"""systemd's Manager over D-Bus: start a scope, hear of it, read it, kill it (org.freedesktop.systemd1(5))."""

from __future__ import annotations

import asyncio
import math
import re
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from scoperun.errors import (
    BusLost,
    BusUnavailable,
    InvalidValue,
    ManagerError,
    PropertyRefused,
    ScopeFailed,
    ScoperunError,
    UnitExists,
)
from scoperun.evidence.events import StateChanged
from scoperun.spec.scope import unit_path
from scoperun.spec.sizes import parse_time
from scoperun.systemd import answers, bus
from scoperun.systemd.answers import LEFT_ACTIVE, SCOPE, UNIT
from scoperun.systemd.bus_address import Surroundings, user
from scoperun.systemd.pid_namespace import see_same_numbers
from scoperun.time_namespace import monotonic_ahead

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from scoperun.evidence.events import Event, LeftActive, ScopeProperties
    from scoperun.spec.scope import ScopeRequest

_SYSTEMD = "org.freedesktop.systemd1"
_PATH = "/org/freedesktop/systemd1"
_MANAGER = "org.freedesktop.systemd1.Manager"
_PROPERTIES = "org.freedesktop.DBus.Properties"

_PROPERTY_READ_ONLY = "org.freedesktop.DBus.Error.PropertyReadOnly"
_UNIT_EXISTS = "org.freedesktop.systemd1.UnitExists"
_DENIED = {
    "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
    "org.freedesktop.DBus.Error.AccessDenied",
}
_NO_SYSTEMD = {
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.Spawn.ChildExited",
}
_NOT_RUNNING = "org.freedesktop.systemd1.ScopeNotRunning"
_NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit"

SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"
"""Not from the environment: with --system it is root who connects."""

DEFAULT_TIMEOUT = 25.0
"""Seconds for one answer, as in libsystemd; $SYSTEMD_BUS_TIMEOUT is another."""

UNANSWERED = (BusUnavailable, ManagerError)
"""What a question to systemd may raise: once the command runs, none of it is the command's concern."""


class Manager:
    """A connection to a systemd manager; see `connect`.

    announces: what becomes of the scope is announced, as long as it is referred to.
    """

    def __init__(self, connection: bus.Connection, *, system: bool = False, ahead: float = 0.0) -> None:
        """Use a connection to the message bus that the manager is on, the user's or the system's.

        ahead: seconds by which our monotonic clock is ahead of the manager's.
        """
        self.announces = True
        self._ahead = ahead
        self._connection = connection
        self._check = f"check: systemctl{'' if system else ' --user'} is-system-running"

    @property
    def timeout(self) -> float:
        """Seconds after which a wait for systemd has an end."""
        return self._connection.timeout

    async def version(self) -> str:
        """Return systemd's version, as 257.9-1."""
        return answers.word("Version", await self._get(_PATH, _MANAGER, "Version"))

    async def start(self, request: ScopeRequest, *, pids: list[int]) -> ScopeRequest:
        """Queue the start of the scope with the processes `pids` in it.

        Returns the request as systemd took it: without those properties that nobody asked for and it does not know.
        What becomes of the job is announced as JobRemoved, and the unit's changes as ResultChanged and StateChanged.
        """
        await self._prepare(request, pids[0])
        while True:
            try:
                await self._start_transient_unit(request, pids)
            except PropertyRefused as refusal:
                request = _without_refused(request, refusal)
            else:
                return request

    async def invocation_id(self, request: ScopeRequest) -> str:
        """Return the invocation ID of the running scope, 32 hexadecimal digits; raise ScopeFailed if it has none.

        Where a condition is not met systemd skips the scope, and calls the job of its start done all the same.
        """
        name = "InvocationID"
        invocation_id = answers.identifier(name, await self._get(request.path, UNIT, name))
        if not invocation_id:
            raise ScopeFailed(f"Failed to start scope {request.unit!r}: it was skipped, for a condition is not met")
        return invocation_id

    async def read(self, invocation_id: str) -> ScopeProperties:
        """Return the scope's properties.

        The path with the invocation ID is there for as long as this invocation is loaded. The path with the unit's
        name always answers: when the unit is gone systemd loads an empty one, whose Result= is success.
        """
        method = bus.Method(_SYSTEMD, unit_path(invocation_id), _PROPERTIES, "GetAll", "s", "a{sv}")
        (properties,) = await self._call(method, SCOPE)
        return answers.scope_properties(properties)

    async def left_active(self, invocation_id: str) -> list[LeftActive]:
        """Return when the scope began to end, as what would have been announced; nothing if it has not."""
        usec = await self._get(unit_path(invocation_id), UNIT, LEFT_ACTIVE)
        return answers.left_active(usec, ahead=self._ahead)

    async def runtime_max(self, request: ScopeRequest) -> float | None:
        """Return the seconds after which systemd ends the scope (RuntimeMaxSec=), None if it does not.

        A drop-in for scopes may have put another time in place of the one that was asked for.
        """
        limit = answers.time("RuntimeMaxUSec", await self._get(request.path, SCOPE, "RuntimeMaxUSec"))
        return None if limit == math.inf else limit

    async def timeout_stop(self, request: ScopeRequest) -> float:
        """Return the seconds that the scope has to end when it is stopped (TimeoutStopSec=)."""
        return answers.time("TimeoutStopUSec", await self._get(request.path, SCOPE, "TimeoutStopUSec"))

    async def kill(self, request: ScopeRequest, signal: int) -> None:
        """Send `signal` to every process of the scope."""
        await self._call(bus.Method(_SYSTEMD, _PATH, _MANAGER, "KillUnit", "ssi"), request.unit, "all", signal)

    async def set_properties(self, changes: ScopeRequest) -> None:
        """Set properties of a scope that runs, for as long as it does."""
        # systemctl set-property --runtime UNIT NAME=VALUE...
        method = bus.Method(_SYSTEMD, _PATH, _MANAGER, "SetUnitProperties", "sba(sv)")
        await self._call(method, changes.unit, True, _variants(changes))

    async def freeze(self, request: ScopeRequest) -> None:
        """Freeze the scope's processes; returns when they are frozen."""
        await self._call(bus.Method(_SYSTEMD, _PATH, _MANAGER, "FreezeUnit", "s"), request.unit)

    async def thaw(self, request: ScopeRequest) -> None:
        """Let the scope's frozen processes run again."""
        await self._call(bus.Method(_SYSTEMD, _PATH, _MANAGER, "ThawUnit", "s"), request.unit)

    async def state(self, invocation_id: str) -> StateChanged:
        """Return the unit's ActiveState=, as what would have been announced."""
        name = "ActiveState"
        return StateChanged(answers.word(name, await self._get(unit_path(invocation_id), UNIT, name)))

    async def stop(self, unit: str) -> None:
        """Queue the stop of the scope: SIGTERM, and after TimeoutStopSec= SIGKILL."""
        await self._call(bus.Method(_SYSTEMD, _PATH, _MANAGER, "StopUnit", "ss", "o"), unit, "replace")

    async def unref(self, request: ScopeRequest) -> None:
        """Give up the reference that AddRef took; once the scope has ended nothing of it remains then."""
        self.announces = False
        await self._call(bus.Method(_SYSTEMD, _PATH, _MANAGER, "UnrefUnit", "s"), request.unit)

    async def processes(self, request: ScopeRequest) -> list[int]:
        """Return the processes of the scope, by systemd's numbers."""
        method = bus.Method(_SYSTEMD, _PATH, _MANAGER, "GetUnitProcesses", "s", "a(sus)")
        (processes,) = await self._call(method, request.unit)
        return [pid for _, pid, _ in processes]

    async def abandon(self, request: ScopeRequest) -> None:
        """Have systemd leave the scope's processes alone from now on, whatever time limit or OOM policy it has."""
        try:
            await self._call(bus.Method(_SYSTEMD, _PATH, _MANAGER, "AbandonScope", "s"), request.unit)
        except ManagerError as error:
            if error.name != _NOT_RUNNING:  # its start has failed: it is left alone
                raise

    async def lost(self) -> str:
        """Return why the connection broke, once it has."""
        return await self._connection.lost()

    async def _prepare(self, request: ScopeRequest, pid: int) -> None:
        # Before the call, or the first signals are missed. With AddRef they come without Subscribe(), which would
        # have every scoperun on the machine woken by every other.
        unit = f"path='{request.path}',interface='{_PROPERTIES}'"
        job = f"path='{_PATH}',interface='{_MANAGER}',member='JobRemoved',arg2='{request.unit}'"
        rules = [f"type='signal',sender='{_SYSTEMD}',{what}" for what in (unit, job)]
        try:
            await asyncio.gather(*map(self._connection.match, rules), see_same_numbers(self._connection, pid))
        except bus.ErrorReply as error:
            raise self._error(error) from None

    async def _start_transient_unit(self, request: ScopeRequest, pids: list[int]) -> None:
        # systemd-run --scope --unit=UNIT -p NAME=VALUE... COMMAND
        method = bus.Method(_SYSTEMD, _PATH, _MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))", "o")
        properties = [["PIDs", bus.variant("au", pids)], *_variants(request)]
        try:
            await self._call(method, request.unit, "fail", properties, [])
        except ManagerError as error:
            if error.name == _NO_SUCH_UNIT:  # the bus's word: it has no unit to start systemd by
                raise self._no_systemd(error.message) from None
            error.message = f"Failed to start scope {request.unit!r}: {error.message}"
            raise

    async def _get(self, path: str, interface: str, name: str) -> Any:
        method = bus.Method(_SYSTEMD, path, _PROPERTIES, "Get", "ss", "v")
        (value,) = await self._call(method, interface, name)
        return value

    async def _call(self, method: bus.Method, *arguments: object) -> list[Any]:
        try:
            return await self._connection.call(method, *arguments)
        except bus.ErrorReply as error:
            raise self._error(error) from None

    def _error(self, error: bus.ErrorReply) -> ScoperunError:
        return self._no_systemd(error.text) if error.name in _NO_SYSTEMD else _manager_error(error)

    def _no_systemd(self, text: str) -> BusUnavailable:
        return BusUnavailable(f"no systemd on this bus: {text}", hint=self._check)


@asynccontextmanager
async def connect(
    environment: Mapping[str, str], feed: Callable[[Event], None], *, system: bool = False
) -> AsyncIterator[Manager]:
    """Connect to the user's or the system's manager; events of the scopes started with it are given to `feed`."""
    ahead = monotonic_ahead()

    def on_signal(signal: bus.Signal) -> None:
        for event in answers.events(signal, ahead=ahead):
            feed(event)

    timeout = _bus_timeout(environment)
    if system:
        opened = bus.connect(SYSTEM_BUS, timeout=timeout, on_signal=on_signal)
    else:
        opened = _users_bus(Surroundings.of(environment), timeout=timeout, on_signal=on_signal)
    async with opened as connection:
        yield Manager(connection, system=system, ahead=ahead)


@asynccontextmanager
async def _users_bus(
    surroundings: Surroundings, *, timeout: float, on_signal: Callable[[bus.Signal], None]
) -> AsyncIterator[bus.Connection]:
    """Connect to the bus of this user: root can connect to everybody's, but no manager there takes root's processes."""
    async with AsyncExitStack() as stack:
        try:
            address = surroundings.bus()
            connection = await stack.enter_async_context(bus.connect(address, timeout=timeout, on_signal=on_signal))
            if connection.peer.uid != surroundings.uid:
                raise BusUnavailable(f"the bus at {address} belongs to {user(connection.peer.uid)}")
        except BusUnavailable as error:
            error.hint = error.hint or surroundings.remedy()
            raise
        yield connection


def _variants(request: ScopeRequest) -> list[list[object]]:
    return [[each.name, bus.variant(each.signature, each.value)] for each in request.properties]


def _bus_timeout(environment: Mapping[str, str]) -> float:
    text = environment.get("SYSTEMD_BUS_TIMEOUT")
    try:
        return (parse_time(text) if text else 0) or DEFAULT_TIMEOUT
    except InvalidValue as error:
        raise InvalidValue(f"SYSTEMD_BUS_TIMEOUT: {error.message}", hint=error.hint) from None


def _without_refused(request: ScopeRequest, refusal: PropertyRefused) -> ScopeRequest:
    """Drop a property that this systemd does not know, if nobody asked for it."""
    refused = [each for each in request.properties if each.name == refusal.property_name and not each.asked]
    if not refused:
        raise refusal
    return request.without(refusal.property_name)


def _manager_error(error: bus.ErrorReply) -> ScoperunError:
    if error.name == "org.freedesktop.DBus.Error.NoReply":
        return BusLost(f"systemd did not answer: {error.text}")
    if error.name in _DENIED:
        hint = "--system is for root; without it scoperun asks your own systemd, which allows it"
        return ManagerError(f"polkit does not allow this user to start units: {error.text}", name=error.name, hint=hint)
    if error.name == _UNIT_EXISTS:
        return UnitExists("a unit of that name is there already", name=error.name)
    named = re.search(r"Cannot set property (\w+)", error.text)
    if error.name == _PROPERTY_READ_ONLY and named:
        message = f"this systemd has no {named[1]}= for scopes"
        return PropertyRefused(message, name=error.name, property_name=named[1])
    return ManagerError(error.text or error.name, name=error.name)
