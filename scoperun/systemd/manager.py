"""systemd's Manager over D-Bus (org.freedesktop.systemd1(5)): one connection for any number of scopes."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from scoperun.errors import (
    BusLost,
    BusUnavailable,
    ManagerError,
    PropertyRefused,
    ScoperunError,
    UnitExists,
)
from scoperun.systemd import answers, bus
from scoperun.systemd.bus_address import user
from scoperun.systemd.pid_namespace import see_bus, see_listener, see_proc
from scoperun.systemd.signals import MANAGER, PATH, PROPERTIES, SYSTEMD, Signals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container

    from scoperun.spec.scope import ScopeRequest
    from scoperun.systemd.signals import Overhear, Take

_NO_REPLY = "org.freedesktop.DBus.Error.NoReply"
"""The bus says that systemd left before it replied: it read the call and did what was asked, or did not read it."""

MOST_TRIES = 5
"""The most times that a call is made, if systemd leaves the bus each time."""

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

UNANSWERED = (BusUnavailable, ManagerError)
"""What a call to systemd can raise. Once the command runs, none of these must affect it."""


class Unfinished(BusLost):
    """systemd left the bus before it replied to a call, and is back. It might have done what was asked."""


class Manager:
    """A connection to a systemd manager, shared by any number of scopes; see `connecting.connect`."""

    def __init__(self, connection: bus.Connection, *, system: bool = False, ahead: float = 0.0) -> None:
        """Use a connection to the message bus that the manager is on, the user's or the system's.

        ahead: seconds by which our monotonic clock is ahead of the manager's.
        """
        self.ahead = ahead
        self._connection = connection
        self._system = system
        self._check = f"check: systemctl{'' if system else ' --user'} is-system-running"
        self._signals = Signals(connection)
        self._same_numbers: asyncio.Future[None] | None = None
        self._has_answered = False
        self._version: tuple[str | None, str] | None = None

    @property
    def timeout(self) -> float:
        """Seconds after which a wait for systemd ends."""
        return self._connection.timeout

    @property
    def is_usable(self) -> bool:
        """Whether the connection works, as far as is known."""
        return self._connection.is_usable

    @property
    def connection(self) -> bus.Connection:
        """The connection to the bus, for calls to other programs on it."""
        return self._connection

    @property
    def passes_descriptors(self) -> bool:
        """Whether calls can have descriptors."""
        return self._connection.passes_descriptors

    async def version(self) -> str:
        """Return systemd's version, e.g. 257.9-1; raise one of UNANSWERED.

        It is asked once, and again if another process has systemd's name by now (daemon-reexec).
        """
        here = self._connection.answered_last(SYSTEMD)
        if self._version is None or self._version[0] != here:
            version = answers.word("Version", await self.get(PATH, MANAGER, "Version"))
            self._version = (self._connection.answered_last(SYSTEMD), version)
        return self._version[1]

    async def control_group(self) -> str:
        """Return the name of the manager's cgroup, empty for the root; raise one of UNANSWERED."""
        value = await self.get(PATH, MANAGER, "ControlGroup")
        return "" if value in {"", "/"} else answers.word("ControlGroup", value)

    async def default_tasks_max(self) -> int | None:
        """Return DefaultTasksMax=, None if it is not known; raise BusUnavailable."""
        try:
            value = await self.get(PATH, MANAGER, "DefaultTasksMax")
        except ManagerError:
            return None
        return value if isinstance(value, int) else None

    @property
    def description(self) -> str:
        """Whose bus it is, as text for people."""
        return "the system's bus" if self._system else f"the bus of {user(self._connection.peer.uid)}"

    async def lost(self) -> str:
        """Wait until the connection breaks and return why."""
        return await self._connection.lost()

    async def heard(self, event: asyncio.Event) -> None:
        """Wait until `event` is set, and clear it; raise BusLost if the connection breaks first."""
        waits = [asyncio.create_task(event.wait()), asyncio.create_task(self.lost())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if not event.is_set():
                raise BusLost(f"the connection to the bus was lost: {waits[1].result()}")
        finally:
            for wait in waits:
                wait.cancel()
        event.clear()

    async def listen(self, request: ScopeRequest, pid: int, take: Take, *, is_guard: bool = False) -> None:
        """Hand the signals of a scope, and of no other unit, to `take`; raises what `call` raises.

        Call it before the scope's start, or the first announcements are missed.
        pid: a process of ours that will be in the scope. is_guard: it is a guard's scope.
        Raises BusUnavailable if systemd would read PIDs in another PID namespace.
        """
        rules = self._signals.listen(request.path, request.unit, take, is_guard=is_guard)
        await self._added(asyncio.gather(rules, self.see_same_numbers(pid)))

    async def follow(self, unit: str, take: Take) -> None:
        """Do what `Signals.follow` does; raises what `call` raises."""
        await self._added(self._signals.follow(unit, take))

    async def hear_jobs(self, unit: str, take: Take) -> None:
        """Do what `Signals.hear_jobs` does; raises what `call` raises."""
        await self._added(self._signals.hear_jobs(unit, take))

    async def overhear(self, take: Overhear) -> None:
        """Do what `Signals.overhear` does; raises what `call` raises."""
        await self._added(self._signals.overhear(take))

    def forget(self, unit: str) -> None:
        """Stop handing on the signals of a unit."""
        self._signals.forget(unit)

    async def _added(self, rules: Awaitable[object]) -> None:
        try:
            await rules
        except bus.ErrorReply as error:
            if error.name in _DENIED:
                raise ManagerError(f"the bus lets this user hear nothing: {error.text}", name=error.name) from None
            raise self._error(error) from None

    async def see_same_numbers(self, pid: int) -> None:
        """Raise BusUnavailable if systemd would read PIDs in another PID namespace.

        /proc is checked for each run; the bus is asked only once, because its answer is the same for every run.
        pid: of this process or of a child.
        """
        see_listener(self._connection)
        see_proc(pid)
        if self._same_numbers is None:
            self._same_numbers = asyncio.ensure_future(see_bus(self._connection))
        await asyncio.shield(self._same_numbers)

    async def call(self, member: str, signature: str, *arguments: object, answer: str = "") -> list[Any]:
        """Call a method of the manager and return its answer; raise one of UNANSWERED.

        It is called again if systemd leaves the bus before it replies (daemon-reexec): use it only for what can be done
        twice.
        """
        method = bus.Method(SYSTEMD, PATH, MANAGER, member, signature, answer)
        return await self._call(method, *arguments)

    async def call_object(
        self, path: str, interface: str, member: str, signature: str, *arguments: object, once: bool = False
    ) -> list[Any]:
        """Call a method of the object at `path` and return its answer, which can be of any type; as in `call`.

        once: raise Unfinished if it is not known whether systemd did what was asked, as in `call_once`.
        """
        method = bus.Method(SYSTEMD, path, interface, member, signature, bus.ANY)
        return await (self._call_once if once else self._call)(method, *arguments)

    def post_object(self, path: str, interface: str, member: str) -> None:
        """Call a method without arguments of the object at `path`, and do not wait for its answer. Raises BusLost."""
        self._connection.post(bus.Method(SYSTEMD, path, interface, member, "", bus.ANY))

    def post(self, member: str, signature: str, *arguments: object) -> None:
        """Call a method of the manager, and do not wait for its answer. Raises BusLost."""
        self._connection.post(bus.Method(SYSTEMD, PATH, MANAGER, member, signature, bus.ANY), *arguments)

    async def call_once(
        self,
        member: str,
        signature: str,
        *arguments: object,
        answer: str = "",
        descriptors: tuple[int, ...] = (),
        when_answered: Callable[[], None] | None = None,
    ) -> list[Any]:
        """Do the same as `call`, but raise Unfinished if it is not known whether systemd did what was asked.

        descriptors: those that go with the call, if `passes_descriptors`; raises OSError if they cannot be sent.
        when_answered: called when systemd has done it, before what it announces afterwards is taken in.
        """
        method = bus.Method(
            SYSTEMD, PATH, MANAGER, member, signature, answer, descriptors=descriptors, when_answered=when_answered
        )
        return await self._call_once(method, *arguments)

    async def _call_once(self, method: bus.Method, *arguments: object) -> list[Any]:
        try:
            return await self._answer(method, *arguments)
        except bus.ErrorReply as error:
            if error.name == _NO_REPLY and await self._signals.back():
                raise Unfinished(self._error(error).message) from None
            raise self._error(error, method.member) from None

    async def get(self, path: str, interface: str, name: str) -> Any:
        """Return a property of the object at `path`; raise one of UNANSWERED."""
        (value,) = await self._call(bus.Method(SYSTEMD, path, PROPERTIES, "Get", "ss", "v"), interface, name)
        return value

    async def get_all(
        self, path: str, interface: str, wanted: Container[str] | None = answers.WANTED
    ) -> dict[str, Any]:
        """Return the properties that an interface of the object at `path` has; raise one of UNANSWERED.

        wanted: the names of those that matter, None for all.
        """
        (values,) = await self._call(bus.Method(SYSTEMD, path, PROPERTIES, "GetAll", "s", "a{sv}", wanted), interface)
        return dict(values)

    def no_systemd(self, text: str) -> BusUnavailable:
        """Return the error for a bus without a manager."""
        return BusUnavailable(f"no systemd on this bus: {text}", hint=self._check)

    async def _call(self, method: bus.Method, *arguments: object) -> list[Any]:
        """Call a method that can be called again, and do so if systemd leaves the bus meanwhile."""
        for tries in range(1, MOST_TRIES + 1):
            try:
                return await self._answer(method, *arguments)
            except bus.ErrorReply as error:
                if tries == MOST_TRIES or not (self._is_absent(error) and await self._signals.back()):
                    raise self._error(error, method.member) from None
        raise AssertionError  # the last try returns or raises

    async def _answer(self, method: bus.Method, *arguments: object) -> list[Any]:
        answer = await self._connection.call(method, *arguments)
        self._has_answered = True
        return answer

    def _is_absent(self, error: bus.ErrorReply) -> bool:
        """Tell whether an error says that systemd is not on the bus although it was."""
        return error.name == _NO_REPLY or (error.name in _NO_SYSTEMD and self._has_answered)

    def _error(self, error: bus.ErrorReply, member: str = "") -> ScoperunError:
        """Return what an error means as the answer to a call of `member`."""
        if error.name in _NO_SYSTEMD:
            return self.no_systemd(error.text)
        if error.name in _DENIED:
            return self._denied(error, member)
        return _manager_error(error)

    def _denied(self, error: bus.ErrorReply, member: str) -> ManagerError:
        who, what, hint = "systemd", "do that", None
        if self._system:
            who, hint = "polkit", "`system=True` requires root"
            if member == "StartTransientUnit":
                what, hint = "start units", f"{hint}; without it, scoperun asks your own systemd, which allows it"
        message = f"{who} does not allow this user to {what}: {error.text or error.name}"
        return ManagerError(message, name=error.name, hint=hint)


def _manager_error(error: bus.ErrorReply) -> ScoperunError:
    if error.name == _NO_REPLY:
        return BusLost(f"systemd did not answer: {error.text}")
    if error.name == _UNIT_EXISTS:
        return UnitExists("a unit with that name already exists", name=error.name)
    named = re.search(r"Cannot set property (\w+)", error.text)
    if error.name == _PROPERTY_READ_ONLY and named:
        message = f"this systemd has no {named[1]}= for scopes"
        return PropertyRefused(message, name=error.name, property_name=named[1])
    return ManagerError(error.text or error.name, name=error.name)
