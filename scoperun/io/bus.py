"""A D-Bus connection that ends in time: dbus-next behind fences. The only import of dbus_next.

dbus-next 0.2.3 is unmaintained. What it does not do by itself is done here, and each has a test in tests/bus:

* it cannot be imported where typing.no_type_check_decorator is gone (Python 3.15);
* its connect() blocks, spins at the end of the stream during authentication, and takes an error for a name;
* a call has no time limit, returns errors as if they were answers, and hangs on a lost connection;
* when the connection breaks, message handlers are dropped in silence;
* the socket stays open after disconnect().
"""

from __future__ import annotations

import asyncio
import socket
import typing
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

from scoperun.dataclass import dataclass
from scoperun.errors import BusLost, BusUnavailable

if not hasattr(typing, "no_type_check_decorator"):
    typing.no_type_check_decorator = lambda decorator: decorator

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import MessageType
from dbus_next.errors import InvalidAddressError
from dbus_next.message import Message
from dbus_next.signature import Variant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_DAEMON = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")


@dataclass(frozen=True, slots=True)
class Method:
    """A method to call: where it is, and the D-Bus signature of its arguments."""

    destination: str
    path: str
    interface: str
    member: str
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal that came in, its body as plain Python: variants are what they contain."""

    path: str
    interface: str
    member: str
    body: list[Any]


class ErrorReply(Exception):
    """The other side answered with an error."""

    def __init__(self, name: str, text: str) -> None:
        """Take the error's D-Bus name and what it says, which is put on one line."""
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = " ".join(text.splitlines())


class Connection:
    """A connection to a message bus; `timeout` seconds are the end of every wait for an answer."""

    def __init__(self, bus: MessageBus, timeout: float) -> None:
        """Wrap a connected bus; see `connect`."""
        self._bus = bus
        self._silent = False
        self.timeout = timeout

    async def call(self, method: Method, *arguments: object) -> list[Any]:
        """Return the body of the answer as plain Python; raise ErrorReply, or BusLost if there is none in time."""
        if self._silent or not self._bus.connected:
            raise BusLost("the connection to the bus is lost")
        message = Message(
            destination=method.destination,
            path=method.path,
            interface=method.interface,
            member=method.member,
            signature=method.signature,
            body=list(arguments),
        )
        try:
            async with asyncio.timeout(self.timeout):
                reply = cast("Message", await self._bus.call(message))
        except TimeoutError:
            self._silent = True  # who did not answer once is not waited for again
            raise BusLost(f"{method.member}: no answer within {self.timeout:g} s") from None
        except Exception as error:
            # Whatever ended the reader is handed to every call that waits; with the connection up it is our mistake.
            if self._bus.connected:
                raise
            raise BusLost(f"{method.member}: the connection to the bus broke: {_reason(error)}") from None
        return _body(reply)

    async def match(self, rule: str) -> None:
        """Have the bus send us the signals that match `rule`; raises as `call` does."""
        await self.call(Method(*_DAEMON, "AddMatch", "s"), rule)

    async def lost(self) -> str:
        """Return why the connection broke, once it has."""
        try:
            await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        except Exception as error:
            return _reason(error)
        return "closed"


@asynccontextmanager
async def connect(address: str, *, timeout: float, on_signal: Callable[[Signal], None]) -> AsyncIterator[Connection]:
    """Connect to the message bus at `address`, such as unix:path=/run/user/1000/bus.

    Every wait for an answer ends after `timeout` seconds; every signal that a rule matches is given to `on_signal`.
    """
    try:
        bus = _Bus(address)
    except (OSError, InvalidAddressError) as error:
        raise BusUnavailable(f"cannot connect to the bus at {address}: {_reason(error)}") from None
    try:
        await _greet(bus, address, timeout)
        bus.add_message_handler(_handler(on_signal))
        yield Connection(bus, timeout)
    finally:
        bus.close()


def variant(signature: str, value: object) -> Variant:
    """Return `value` as a D-Bus variant of that type."""
    return Variant(signature, value)


def _handler(on_signal: Callable[[Signal], None]) -> Callable[[Message], None]:
    def handle(message: Message) -> None:  # anything but None would swallow the message
        # One that is addressed to us has come past our rules, and so past the sender, path and unit that they name:
        # anybody on the bus can send it. What systemd announces is for all, and the bus follows who owns its name.
        if message.message_type is MessageType.SIGNAL and message.destination is None:
            body = [_plain(value) for value in message.body]
            on_signal(Signal(message.path, message.interface, message.member, body))

    return handle


async def _greet(bus: _Bus, address: str, timeout: float) -> None:
    try:
        async with asyncio.timeout(timeout):
            await bus.connect()
    except TimeoutError:
        raise BusLost(f"the bus at {address} does not answer within {timeout:g} s") from None
    except Exception as error:
        raise BusUnavailable(f"the bus at {address} refuses the connection: {_reason(error)}") from None


class _Bus(MessageBus):
    """MessageBus with a connect() that neither blocks nor spins."""

    def _setup_socket(self) -> None:
        transport, options = self._bus_address[0]
        name = options.get("path") or "\0" + options.get("abstract", "")
        if transport != "unix" or name == "\0":
            raise InvalidAddressError("only unix:path= and unix:abstract= are understood")
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._sock.connect(name)
        except OSError:
            self._sock.close()
            raise
        self._stream = self._sock.makefile("rwb")
        self._fd = self._sock.fileno()

    async def connect(self) -> _Bus:
        """Authenticate and say Hello, whose answer may be an error, and one without a text."""
        await self._authenticate()  # type: ignore[no-untyped-call]
        answer: asyncio.Future[Message] = self._loop.create_future()

        def on_answer(reply: Message | None, error: BaseException | None) -> None:
            if reply is not None and not answer.done():
                answer.set_result(reply)
            elif not answer.done():
                answer.set_exception(error or EOFError())

        destination, path, interface = _DAEMON
        serial = self.next_serial()
        hello = Message(destination, path, interface, member="Hello", serial=serial)
        self._method_return_handlers[serial] = on_answer
        self._loop.add_reader(self._fd, self._message_reader)
        await self._loop.sock_sendall(self._sock, hello._marshall())  # type: ignore[no-untyped-call]  # noqa: SLF001
        self.unique_name = _body(await answer)[0]
        return self

    async def _auth_readline(self) -> str:
        line = b""
        while not line.endswith(b"\r\n"):
            part = await self._loop.sock_recv(self._sock, 4096)  # there is no more than a line before we answer it
            if not part:
                raise EOFError
            line += part
        return line[:-2].decode(errors="replace")

    def send(self, msg: Message) -> asyncio.Future[None]:  # type: ignore[override]
        """Send, and look at the outcome, which the library drops: asyncio would complain on stderr."""
        sent: asyncio.Future[None] = super().send(msg)
        sent.add_done_callback(lambda future: future.cancelled() or future.exception())
        return sent

    def disconnect(self) -> None:
        """Shut the socket down, without the library's warning if it is down already."""
        self._user_disconnect = True
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Disconnect, and close the socket, which the library leaves to the garbage collector."""
        self.disconnect()
        self._finalize()  # type: ignore[no-untyped-call]
        with suppress(OSError):  # bytes that were not sent yet, to nobody
            self._stream.close()
        self._sock.close()
        if self._disconnect_future.done() and not self._disconnect_future.cancelled():
            self._disconnect_future.exception()


def _body(reply: Message) -> list[Any]:
    """Return what an answer says as plain Python; raise ErrorReply if it is an error."""
    if reply.message_type is MessageType.ERROR:
        raise ErrorReply(reply.error_name, str(reply.body[0]) if reply.body else "")
    return [_plain(value) for value in reply.body]


def _plain(value: Any) -> Any:
    """Return `value` with variants replaced by what they contain."""
    if isinstance(value, Variant):
        return _plain(value.value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def _reason(error: BaseException) -> str:
    if isinstance(error, EOFError):
        return "end of stream"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
