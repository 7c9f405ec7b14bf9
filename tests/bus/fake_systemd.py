"""A fake org.freedesktop.systemd1: by default it answers as systemd does; it can also refuse, stall, lie and leave.

Its scopes have no cgroup: it knows the processes that it was given, notices their end and can kill them, but it does
not list them as processes of the unit. What is bound to a scope that ends is stopped, and what is in a slice with it.
A test changes what it does at a step (`at`, `when_started`, `when_ended`) or what it reports (`Unit`).
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import count
from typing import TYPE_CHECKING, Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import MessageType
from dbus_next.message import Message
from dbus_next.signature import Variant

from .steps import answer, refusal, something_changed, step_of, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .steps import Action

NAME = "org.freedesktop.systemd1"
PATH = "/org/freedesktop/systemd1"
MANAGER = f"{NAME}.Manager"
UNIT = f"{NAME}.Unit"
SCOPE = f"{NAME}.Scope"
PROPERTIES = "org.freedesktop.DBus.Properties"

NO_LIMIT = 2**64 - 1

_OF_THE_MANAGER = {"Version": "257.9-1", "ControlGroup": "/no/such/manager"}


_TIMES = {"ActiveEnterTimestampMonotonic": "became_active", "ActiveExitTimestampMonotonic": "left_active"}


@dataclass(kw_only=True)
class Unit:
    """A scope or a slice: the properties that were asked for, and what the fake reports about it.

    owner: the bus name that holds a reference, None if none does. running: the PIDs of its processes that have not
    ended. became_active, left_active: monotonic times in microseconds, 0 before. strangers: PIDs that GetUnitProcesses
    lists. job: the number of its start job, if that is still queued when systemd is asked for it. number: that of its
    start job. stops: those of stop jobs that have not ended. is_over: it was active, and is no longer.
    """

    name: str
    properties: dict[str, Variant]
    owner: str | None
    invocation_id: bytes = field(default_factory=lambda: os.urandom(16))
    result: str = "success"
    became_active: int = 0
    left_active: int = 0
    timeout_stop: Variant = field(default_factory=lambda: Variant("t", 90_000_000))
    running: set[int] = field(default_factory=set)
    scope_properties: dict[str, Variant] = field(default_factory=dict)
    strangers: list[int] = field(default_factory=list)
    job: int = 0
    number: int = 1
    stops: list[int] = field(default_factory=list)
    is_over: bool = False

    @property
    def path(self) -> str:
        escaped = "".join(each if each.isalnum() else f"_{ord(each):02x}" for each in self.name)
        return f"{PATH}/unit/{escaped}"

    @property
    def pids(self) -> list[int]:
        return self.properties["PIDs"].value if "PIDs" in self.properties else []  # with PIDFDs= they are not known

    @property
    def is_slice(self) -> bool:
        return self.name.endswith(".slice")

    @property
    def state(self) -> str:
        return "inactive" if self.is_over else "deactivating" if self.stops else "active"

    def depends_on(self, name: str) -> bool:
        """Tell whether it is stopped with another unit."""
        bound = self.properties.get("BindsTo", Variant("as", [])).value
        return name in bound or name == self.properties.get("Slice", Variant("s", "")).value

    def get_all(self) -> dict[str, Variant]:
        """Return the properties of the interface Scope, as GetAll replies."""
        times = {"TimeoutStopUSec": self.timeout_stop, "RuntimeMaxUSec": Variant("t", NO_LIMIT)}
        asked = {name: self.properties.get(name, default) for name, default in times.items()}
        said = {"Result": Variant("s", self.result), "OOMPolicy": Variant("s", "stop")}
        said |= {"KillMode": Variant("s", "control-group"), "SendSIGKILL": Variant("b", True)}
        return said | asked | self.scope_properties


class FakeSystemd:
    """The manager: the calls that it has received, and its units."""

    def __init__(self, address: str) -> None:
        self.bus: MessageBus
        self._address = address
        self._buses: list[MessageBus] = []
        self._joining: set[asyncio.Task[None]] = set()
        self._unsent: list[Message] = []
        self.calls: list[Message] = []
        self.units: dict[str, Unit] = {}
        self.at: dict[str, Action] = {}
        self.unknown_properties: set[str] = set()
        self.announces_invocation = True
        self.takes_descriptors = False
        self.when_started: Callable[[Unit], None] = self.announce_start
        self.when_ended: Callable[[Unit], None] = self.announce_end
        self._pidfds: dict[int, int] = {}
        self._left: set[str] = set()
        self._jobs = count(1)

    @property
    def steps(self) -> list[str]:
        return [step_of(call) for call in self.calls]

    @property
    def unit(self) -> Unit:
        """The only unit."""
        (unit,) = self.units.values()
        return unit

    async def called(self, step: str) -> None:
        """Return once `step` has been called."""
        await until(lambda: step in self.steps)

    async def gone(self) -> None:
        """Return once no unit is left, or the bus is gone, with which nothing is known of units."""
        await until(lambda: not self.units or not self.bus.connected)

    async def heard_all(self) -> None:
        """Return once the last caller has left the bus, which passes on all its calls before it says so."""
        await until(lambda: self.calls[-1].sender in self._left)

    # Its signals.

    def announce_start(self, unit: Unit) -> None:
        unit.became_active = time.monotonic_ns() // 1000
        self.result_changed(unit)
        self.state_changed(unit, "active")
        self.job_removed(unit, "done")

    def announce_end(self, unit: Unit) -> None:
        self.result_changed(unit)
        self.state_changed(unit, "inactive" if unit.result == "success" else "failed")

    def result_changed(self, unit: Unit, result: str | None = None) -> None:
        self._changed(unit, SCOPE, {"Controller": Variant("s", ""), "Result": Variant("s", result or unit.result)})

    def state_changed(self, unit: Unit, state: str) -> None:
        if state not in {"active", "activating"} and not unit.left_active:
            unit.left_active = time.monotonic_ns() // 1000
        changed = {
            "ActiveState": Variant("s", state),
            "InvocationID": Variant("ay", unit.invocation_id if self.announces_invocation else b""),
            "ActiveExitTimestampMonotonic": Variant("t", unit.left_active),
        }
        self._changed(unit, UNIT, changed)

    def job_removed(self, unit: Unit, result: str, number: int | None = None) -> None:
        """Announce the end of a job, by default that of the unit's start."""
        number = number or unit.number
        self._emit(PATH, MANAGER, "JobRemoved", "uoss", [number, _job(number), unit.name, result])

    def _changed(self, unit: Unit, interface: str, changed: dict[str, Variant]) -> None:
        self._emit(unit.path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, changed, []])

    def _emit(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
        signal = Message.new_signal(path, interface, member, signature, body)
        if self.bus.connected:
            self.bus.send(signal)
        else:
            self._unsent.append(signal)

    async def join(self) -> None:
        """Connect to the bus, take systemd's name, and announce what has happened since it left."""
        bus = await _Bus(self._address, negotiate_unix_fd=self.takes_descriptors).connect()
        self._buses.append(bus)
        bus.add_message_handler(self.handle)
        rule = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'"
        await bus.call(
            Message(
                destination="org.freedesktop.DBus",
                path="/org/freedesktop/DBus",
                interface="org.freedesktop.DBus",
                member="AddMatch",
                signature="s",
                body=[rule],
            )
        )
        await bus.request_name(NAME)
        self.bus = bus
        for each in self._unsent:
            bus.send(each)
        self._unsent.clear()
        something_changed()

    async def left(self) -> None:
        """Return once it is disconnected."""
        await self._buses[-1].wait_for_disconnect()

    async def lost(self) -> None:
        """Return once it has noticed that the bus was killed."""
        await until(lambda: not self.bus.connected)

    def reexecute(self, _: Message | None = None) -> None:
        """Leave the bus and come back with all units; as the action at a step, without a reply to the call."""
        self.bus.disconnect()
        joining = asyncio.get_running_loop().create_task(self.join())
        self._joining.add(joining)
        joining.add_done_callback(self._joining.discard)

    # Its replies.

    def leave(self, _: Message | None = None) -> None:
        """Disconnect from the bus; as the action at a step, without a reply to the call."""
        self.bus.disconnect()

    def handle(self, message: Message) -> Message | bool:
        if message.member == "NameOwnerChanged":
            name, _, owner = message.body
            self._forget_references_of(name)
            if not owner:
                self._left.add(name)
                something_changed()
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        self.calls.append(message)
        something_changed()
        return self.at.get(step_of(message), self.honest)(message) or True

    def honest(self, message: Message) -> Message:
        match message.member, message.body:
            case "StartTransientUnit", [name, "fail", properties, []]:
                return self._start(message, name, {each: value for each, value in properties})  # noqa: C416
            case "Get", [_, "Version" | "ControlGroup" as name]:
                return answer(message, "v", Variant("s", _OF_THE_MANAGER[name]))
            case "Get", [_, "InvocationID"]:
                return answer(message, "v", Variant("ay", self._at_path(message).invocation_id))
            case "Get", [_, "Job"]:
                return answer(message, "v", Variant("(uo)", [self._at_path(message).job, "/"]))
            case "Get", [_, "ActiveState"]:
                return answer(message, "v", Variant("s", "active"))
            case "Get", [_, "TimeoutStopUSec" | "RuntimeMaxUSec" as name]:
                return answer(message, "v", self._at_path(message).get_all()[name])
            case "Get", [_, "ActiveEnterTimestampMonotonic" | "ActiveExitTimestampMonotonic" as name]:
                return answer(message, "v", Variant("t", getattr(self._by_invocation(message), _TIMES[name])))
            case "SetUnitProperties", [name, True, properties]:
                self.units[name].properties |= {each: value for each, value in properties}  # noqa: C416
                return answer(message)
            case "GetAll", ["org.freedesktop.systemd1.Scope"]:
                return self._get_all(message)
            case _:
                return self._about_a_unit(message)

    def _about_a_unit(self, message: Message) -> Message:
        match message.member, message.body:
            case "GetUnit", [name] if name in self.units:
                return answer(message, "o", self.units[name].path)
            case "GetUnit", [name]:
                return refusal(f"{NAME}.NoSuchUnit", f"Unit {name} not loaded.")(message)
            case "GetUnitProcesses", [name]:
                return answer(message, "a(sus)", [["/a.scope", pid, "not ours"] for pid in self.units[name].strangers])
            case "AbandonScope", [_]:
                return answer(message)
            case "StopUnit", [name, "replace"] if name in self.units:
                number = next(self._jobs)
                asyncio.get_running_loop().call_soon(self.stop, self.units[name], number)
                return answer(message, "o", _job(number))
            case "StopUnit", [name, "replace"]:
                return refusal(f"{NAME}.NoSuchUnit", f"Unit {name} not loaded.")(message)
            case "ListUnitsByPatterns", [[], patterns]:
                return answer(message, "a(ssssssouso)", self._rows(patterns))
            case "KillUnit", [name, "all", number]:
                self.kill(self.units[name], number)
                return answer(message)
            case "UnrefUnit", [name]:
                self.units[name].owner = None
                self._collect(self.units[name])
                return answer(message)
            case _:
                return refusal("org.freedesktop.DBus.Error.UnknownMethod", f"no {message.member}")(message)

    def _start(self, message: Message, name: str, properties: dict[str, Variant]) -> Message:
        for unknown in self.unknown_properties & properties.keys():
            text = f"Cannot set property {unknown}, or unknown property."
            return refusal("org.freedesktop.DBus.Error.PropertyReadOnly", text)(message)
        if name in self.units:
            text = f"Unit {name} was already loaded or has a fragment file."
            return refusal(f"{NAME}.UnitExists", text)(message)
        owner = message.sender if "AddRef" in properties else None
        unit = Unit(name=name, properties=properties, owner=owner, number=next(self._jobs))
        if any(each.stops and unit.depends_on(each.name) for each in self.units.values()):
            text = f"Transaction for {name}/start is destructive."
            return refusal(f"{NAME}.TransactionIsDestructive", text)(message)
        self.units[name] = unit
        for pid in unit.pids:
            self._watch(unit, pid)
        # Later, so that the reply comes first: it is queued when this method returns.
        asyncio.get_running_loop().call_soon(self.when_started, unit)
        return answer(message, "o", _job(unit.number))

    def _rows(self, patterns: list[str]) -> list[list[Any]]:
        """Return the rows of ListUnits for the units with one of these names."""
        return [
            [unit.name, "a unit", "loaded", unit.state, "running", "", unit.path, 0, "", "/"]
            for unit in self.units.values()
            if any(fnmatchcase(unit.name, pattern) for pattern in patterns)
        ]

    def _get_all(self, message: Message) -> Message:
        unit = self._by_invocation(message)
        if unit is None:
            return refusal(f"{NAME}.NoUnitForInvocationID", "no unit of that invocation")(message)
        return answer(message, "a{sv}", unit.get_all())

    def _by_invocation(self, message: Message) -> Unit | None:
        for unit in self.units.values():
            by_invocation = unit.invocation_id.hex()
            if message.path.endswith((by_invocation, f"_{ord(by_invocation[0]):02x}{by_invocation[1:]}")):
                return unit
        return None

    def _at_path(self, message: Message) -> Unit:
        return next(unit for unit in self.units.values() if unit.path == message.path)

    # The lives of its units.

    def _watch(self, unit: Unit, pid: int) -> None:
        unit.running.add(pid)
        pidfd = self._pidfds[pid] = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(pidfd, self._process_ended, unit, pid)

    def _process_ended(self, unit: Unit, pid: int) -> None:
        self._unwatch(pid)
        unit.running.discard(pid)
        if not unit.running:
            self._ended(unit)
        something_changed()

    def stop(self, unit: Unit, number: int | None = None) -> None:
        """Stop a unit, after all that depends on it: SIGTERM, and SIGKILL after TimeoutStopUSec."""
        if number is not None:
            unit.stops.append(number)
        for each in self._dependents(unit):
            self.stop(each, next(self._jobs))
        self.kill(unit, signal.SIGTERM)
        timeout: int = unit.get_all()["TimeoutStopUSec"].value
        asyncio.get_running_loop().call_later(timeout / 1e6, self.kill, unit, signal.SIGKILL)
        if not unit.running and not self._dependents(unit):
            self._ended(unit)

    def _dependents(self, unit: Unit) -> list[Unit]:
        return [each for each in self.units.values() if not each.is_over and each.depends_on(unit.name)]

    def _ended(self, unit: Unit) -> None:
        """Announce the end of a unit, stop what is bound to it, and end the slice that waits for it."""
        if unit.is_over:
            return
        unit.is_over = True
        self.when_ended(unit)
        for number in unit.stops:
            self.job_removed(unit, "done", number)
        unit.stops.clear()
        for each in self._dependents(unit):
            self.stop(each, next(self._jobs))
        self._collect(unit)
        for each in [*self.units.values()]:
            if each.stops and not each.running and unit.depends_on(each.name) and not self._dependents(each):
                self._ended(each)

    def _unwatch(self, pid: int) -> None:
        pidfd = self._pidfds.pop(pid)
        asyncio.get_running_loop().remove_reader(pidfd)
        os.close(pidfd)

    def kill(self, unit: Unit, number: int) -> None:
        for pid in unit.running:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfds[pid], number)

    def _collect(self, unit: Unit) -> None:
        """Remove a unit that has ended and has no reference (CollectMode=inactive-or-failed)."""
        if not unit.running and unit.owner is None and (unit.is_over or not unit.is_slice):
            self.units.pop(unit.name, None)
            something_changed()

    def _forget_references_of(self, name: str) -> None:
        for unit in [each for each in self.units.values() if each.owner == name]:
            unit.owner = None
            self._collect(unit)

    def forget_clients(self) -> None:
        """Drop all references, as when the bus itself has ended."""
        for unit in [*self.units.values()]:
            unit.owner = None
            self._collect(unit)

    def close(self) -> None:
        """Kill the remaining processes; only a test that fails leaves any."""
        for unit in self.units.values():
            self.kill(unit, signal.SIGKILL)
        for pid in list(self._pidfds):
            self._unwatch(pid)

    async def disconnect(self) -> None:
        """Close every connection that it has had."""
        await asyncio.gather(*self._joining, return_exceptions=True)
        for bus in self._buses:
            bus.disconnect()
            with suppress(Exception):  # the bus might have been killed
                await bus.wait_for_disconnect()
            bus._stream.close()  # noqa: SLF001  the library leaves both to the garbage collector
            bus._sock.close()  # noqa: SLF001


def _job(number: int) -> str:
    return f"{PATH}/job/{number}"


class _Bus(MessageBus):
    def send(self, msg: Message) -> asyncio.Future[None]:
        """Send, and fetch the exception if the bus has been killed: asyncio would complain about an unread one."""
        sent = super().send(msg)
        sent.add_done_callback(lambda future: future.cancelled() or future.exception())
        return sent

    def _finalize(self, err: Exception | None = None) -> None:
        super()._finalize(err)
        something_changed()


@asynccontextmanager
async def fake_systemd(address: str) -> AsyncIterator[FakeSystemd]:
    """Run a fake manager, with systemd's name, on the bus at `address`."""
    systemd = FakeSystemd(address)
    await systemd.join()
    try:
        yield systemd
    finally:
        systemd.close()
        await systemd.disconnect()
