"""A D-Bus connection on which every wait for an answer has an end.

dbus-next 0.2.3 is unmaintained, and its MessageBus is not used. Its connect() blocks, spins at the end of the stream,
and takes an error for a name. Its calls have no time limit, and hang on a lost connection. It unmarshals every message
from any process on the bus, and logs the odd ones. tests/bus has a test for each of these. One more problem is solved
in dbus.py: dbus_next cannot be imported without typing.no_type_check_decorator, which Python 3.15 does not have.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from scoperun.errors import BusLost, BusUnavailable
from scoperun.record import dataclass
from scoperun.systemd import frames
from scoperun.systemd.bus_address import addresses
from scoperun.systemd.bus_socket import BusSocket
from scoperun.systemd.dbus import Message, MessageType, Variant, body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Container

    from scoperun.systemd.bus_address import Address
    from scoperun.systemd.bus_socket import Credentials
    from scoperun.systemd.frames import Frame

NAME = "org.freedesktop.DBus"
PATH = "/org/freedesktop/DBus"
"""The name of the bus itself, which is also that of its interface, and the path of its object."""

_DAEMON = (NAME, PATH, NAME)

_MOST_UNSENT = 1 << 16
"""Bytes waiting to be sent above which calls to us are no longer answered."""


ANY = "*"
"""In place of the signature of an answer: any will do."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method to call.

    destination, path, interface, member: the method's D-Bus address and name.
    signature, answer: the D-Bus signatures of its arguments and of its answer.
    wanted: the keys of dictionaries that matter in its answer; None is all.
    descriptors: those that go with the call; arguments of type h are positions in this list.
    when_answered: called when an answer that is no error comes in, before the messages after it are looked at.
    """

    destination: str
    path: str
    interface: str
    member: str
    signature: str = ""
    answer: str = ""
    wanted: Container[str] | None = None
    descriptors: tuple[int, ...] = ()
    when_answered: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal that came in. Its body is read only on request: for most signals the path is enough."""

    frame: Frame

    @property
    def path(self) -> str | None:
        """The path of the object that sent it."""
        return self.frame.path

    @property
    def member(self) -> str | None:
        """Its name."""
        return self.frame.member

    def body(self, wanted: Container[str] | None = None) -> list[Any]:
        """Return its arguments as plain Python, with variants replaced by their contents; [] if it cannot be read.

        wanted: the keys of dictionaries that matter; None is all.
        """
        try:
            return _read(self.frame, wanted)
        except _Unreadable:
            return []


class ErrorReply(Exception):
    """The other side answered with an error."""

    def __init__(self, name: str, text: str) -> None:
        """name: the error's D-Bus name. text: its message, which is put on one line."""
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = " ".join(text.splitlines())


class Connection:
    """A connection to a message bus; every wait for an answer ends after `timeout` seconds.

    name: our name on the bus, e.g. :1.42. peer: the process that listens on the bus's socket.
    on_signal: called with each signal that a rule matches.
    """

    name: str

    def __init__(self, socket: BusSocket, timeout: float) -> None:
        """Use an authenticated socket; see `connect`."""
        self.timeout = timeout
        self.peer: Credentials = socket.peer
        self._socket = socket
        self.on_signal: Callable[[Signal], None] = _drop
        self._heard = 0
        self._silent = False
        self._serial = 0
        self._answers: dict[int, asyncio.Future[Frame]] = {}
        self._when_answered: dict[int, Callable[[], None]] = {}
        self._answered: dict[str, str | None] = {}
        self._frames = frames.Frames(self._answers.__contains__)
        socket.start(self._take)
        socket.lost.add_done_callback(self._answer_no_more)

    @property
    def is_usable(self) -> bool:
        """Whether it is neither lost nor silent, i.e. nothing has come in since a call that got no answer in time."""
        return not (self._silent or self._socket.lost.done())

    async def greet(self) -> None:
        """Get our name from the bus."""
        (self.name,) = await self._ask(Method(*_DAEMON, "Hello", answer="s"))

    async def call(self, method: Method, *arguments: object) -> list[Any]:
        """Return the body of the answer as plain Python.

        Raises ErrorReply if the answer is an error, BusLost if there is no readable answer in time, OSError if
        descriptors cannot be sent.
        """
        heard_before = self._heard
        if not self.is_usable:
            raise BusLost("the connection to the bus was lost")
        try:
            async with asyncio.timeout(self.timeout):
                return await self._ask(method, *arguments)
        except TimeoutError:
            self._silent = self._heard == heard_before  # then further calls fail at once
            raise BusLost(f"{method.member}: no answer within {self.timeout:g} s") from None
        except _Broken as broken:
            raise BusLost(f"{method.member}: the connection to the bus broke: {broken}") from None
        except _Unreadable as answer:
            raise BusLost(f"{method.member}: the answer {answer}") from None

    def post(self, method: Method, *arguments: object) -> None:
        """Send a call and do not wait for its answer, even if nothing answers any more. Raises BusLost."""
        if self._socket.lost.done():
            raise BusLost("the connection to the bus was lost")
        self._send(self._message(method, *arguments))

    async def match(self, rule: str) -> None:
        """Have the bus send us the signals that match `rule`; raises what `call` raises."""
        await self.call(Method(*_DAEMON, "AddMatch", "s"), rule)

    async def pid_of(self, name: str) -> int:
        """Return the PID that the bus has for the owner of a name; raises what `call` raises."""
        (pid,) = await self.call(Method(*_DAEMON, "GetConnectionUnixProcessID", "s", "u"), name)
        return int(pid)

    def answered_last(self, name: str) -> str | None:
        """Return the unique name of the process behind a name that has answered last, None if none has yet.

        A process that takes the name anew, as systemd does after daemon-reexec, has another one.
        """
        return self._answered.get(name)

    def close(self) -> None:
        """Close the socket; data that is not sent yet is dropped."""
        self._socket.close()

    async def lost(self) -> str:
        """Wait until the connection breaks and return why."""
        return _reason(await asyncio.shield(self._socket.lost))

    async def _ask(self, method: Method, *arguments: object) -> list[Any]:
        message = self._message(method, *arguments)
        answer = self._answers[message.serial] = asyncio.get_running_loop().create_future()
        if method.when_answered is not None:
            self._when_answered[message.serial] = method.when_answered
        try:
            self._send(message)
            frame = await answer
            self._answered[method.destination] = frame.sender
            return _answer(frame, method)
        finally:
            del self._answers[message.serial]
            self._when_answered.pop(message.serial, None)

    def _message(self, method: Method, *arguments: object) -> Message:
        return Message(
            destination=method.destination,
            path=method.path,
            interface=method.interface,
            member=method.member,
            signature=method.signature,
            body=list(arguments),
            unix_fds=list(method.descriptors),
            serial=self._next_serial(),
        )

    def _next_serial(self) -> int:
        self._serial += 1
        return self._serial

    @property
    def passes_descriptors(self) -> bool:
        """Whether the bus passes on descriptors."""
        return self._socket.passes_descriptors

    def _send(self, message: Message) -> None:
        data = bytes(message._marshall(bool(message.unix_fds)))  # type: ignore[no-untyped-call]  # noqa: SLF001
        if message.unix_fds:
            self._socket.write_with(message.unix_fds, data)
        else:
            self._socket.write(data)

    def _take(self, data: bytes) -> None:
        self._heard += 1
        self._silent = False
        for frame in self._frames.take(data):
            if frame.kind == frames.SIGNAL:
                self._take_signal(frame)
            elif frame.kind in {frames.METHOD_RETURN, frames.ERROR}:
                self._take_answer(frame)
            elif frame.expects_reply and frame.sender and self._socket.unsent < _MOST_UNSENT:
                self._refuse(frame.serial, frame.sender)

    def _take_answer(self, frame: Frame) -> None:
        serial = frame.reply_serial or 0
        answer = self._answers.get(serial)
        if answer is None or answer.done():
            return
        answer.set_result(frame)
        if frame.kind == frames.METHOD_RETURN and serial in self._when_answered:
            self._when_answered[serial]()

    def _take_signal(self, frame: Frame) -> None:
        # A signal that is addressed to us bypasses our match rules, and with them the sender, path and unit that they
        # name: any process on the bus can send one. systemd's announcements are broadcasts, for which the bus checks
        # sender= against the current owner of systemd's name.
        if frame.destination is not None:
            return
        self.on_signal(Signal(frame))

    def _refuse(self, serial: int, caller: str) -> None:
        """Answer a call to us with an error, because we have no methods."""
        self._send(
            Message(
                message_type=MessageType.ERROR,
                destination=caller,
                reply_serial=serial,
                error_name="org.freedesktop.DBus.Error.UnknownMethod",
                signature="s",
                body=["scoperun offers no methods"],
                serial=self._next_serial(),
            )
        )

    def _answer_no_more(self, lost: asyncio.Future[Exception]) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(_Broken(_reason(lost.result())))


@asynccontextmanager
async def connect(address: str, *, timeout: float, passes_descriptors: bool = False) -> AsyncIterator[Connection]:
    """Connect to the bus at `address`, e.g. unix:path=/run/user/1000/bus, or to the first of several that works.

    Every wait for an answer ends after `timeout` seconds. passes_descriptors: ask the bus to pass on descriptors, to
    which it need not agree. Raises BusUnavailable, or its subclass BusLost after `timeout`.
    """
    connection = await _first_that_works(addresses(address), timeout, passes_descriptors)
    try:
        yield connection
    finally:
        connection.close()


async def _first_that_works(listed: list[Address], timeout: float, passes_descriptors: bool) -> Connection:
    failures: list[BusUnavailable] = []
    for address in listed:
        try:
            return await _connected(address, timeout, passes_descriptors)
        except BusUnavailable as failure:
            failures.append(failure)
    raise failures[0] if len(failures) == 1 else BusUnavailable("; ".join(each.message for each in failures))


async def _connected(address: Address, timeout: float, passes_descriptors: bool) -> Connection:
    try:
        socket = BusSocket(address.socket_name())
    except (OSError, ValueError) as error:
        raise BusUnavailable(f"cannot connect to the bus at {address}: {_reason(error)}") from None
    with ExitStack() as on_error:
        on_error.callback(socket.close)
        try:
            async with asyncio.timeout(timeout):
                await socket.authenticate(ask_for_descriptors=passes_descriptors)
                connection = Connection(socket, timeout)
                await connection.greet()
        except TimeoutError:
            raise BusLost(f"the bus at {address} did not answer within {timeout:g} s") from None
        except Exception as error:
            raise BusUnavailable(f"the bus at {address} refused the connection: {_reason(error)}") from None
        on_error.pop_all()
    return connection


def _drop(_signal: Signal) -> None:
    """Drop a signal: there is no receiver yet."""


def variant(signature: str, value: object) -> Variant:
    """Return `value` as a D-Bus variant of the type `signature`."""
    return Variant(signature, value)


class _Broken(Exception):
    """The connection broke while we waited for an answer."""


class _Unreadable(Exception):
    """A message that we cannot read."""


def _read(frame: Frame, wanted: Container[str] | None = None) -> list[Any]:
    """Return a message's arguments as plain Python; raise _Unreadable."""
    if frame.raw is None:
        raise _Unreadable("is longer than any message of systemd")
    try:
        return body(frame, wanted)
    except (EOFError, struct.error):
        raise _Unreadable("cannot be read: end of message") from None
    except Exception as error:
        raise _Unreadable(f"cannot be read: {_reason(error)}") from None


def _answer(frame: Frame, method: Method) -> list[Any]:
    """Return the arguments of an answer; raise ErrorReply if it is an error, _Unreadable if it has another type."""
    if frame.kind == frames.ERROR:
        said = next(iter(_read(frame)), "")
        raise ErrorReply(frame.error_name or "", said if isinstance(said, str) else "")
    if method.answer not in {frame.signature, ANY}:
        raise _Unreadable(f"is of type {frame.signature!r}, not {method.answer!r}")
    return _read(frame, method.wanted)


def _reason(error: BaseException) -> str:
    if isinstance(error, EOFError):
        return "end of stream"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
