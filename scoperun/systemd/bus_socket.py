"""The socket of a message bus: connected, authenticated, read in small bites, written without waiting."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

_BITE = 1 << 16
"""Bytes read at a time: all else has its turn between two bites, so a large message holds nothing up."""

_LONGEST_LINE = 1 << 14

_CREDENTIALS = struct.Struct("iII")


class Refused(Exception):
    """The other side does not authenticate us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The process at the other end of a socket by the numbers of our namespaces: pid 0 is one that has none there."""

    pid: int
    uid: int

    @classmethod
    def of_peer(cls, connected: socket.socket) -> Credentials:
        """Return those of the process that listened there, or made the pair: the kernel's word (SO_PEERCRED)."""
        raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _ = _CREDENTIALS.unpack(raw)
        return cls(pid=pid, uid=uid)


def own_credentials() -> Credentials:
    """Return ours as the kernel tells them, whatever getuid(2) has been replaced by, as under fakeroot(1)."""
    one, other = socket.socketpair()
    with one, other:
        return Credentials.of_peer(one)


class BusSocket:
    """A connection to a message bus. lost: set once the connection has broken, with the reason."""

    def __init__(self, name: bytes) -> None:
        """Connect to the socket of that name, without waiting for room in its backlog; raise OSError if that fails."""
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[Exception] = self._loop.create_future()
        self._unsent = bytearray()
        self._read: Callable[[bytes], None] = lambda _: None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.connect(name)
            self.peer = Credentials.of_peer(self._socket)
        except BaseException:
            self._socket.close()
            raise

    async def authenticate(self) -> None:
        """Authenticate as the user that the kernel says we are; raise Refused or EOFError.

        No number is sent: in a user namespace the same user can have another number than on the bus's side.
        https://dbus.freedesktop.org/doc/dbus-specification.html#auth-mechanisms-external
        """
        await self._loop.sock_sendall(self._socket, b"\0AUTH EXTERNAL\r\nDATA\r\n")
        words = ["DATA"]
        received = bytearray()
        while words[0] == "DATA":
            words = (await self._line(received)).split(" ")
        if words[0] != "OK":
            raise Refused("authentication failed: " + " ".join(words))
        await self._loop.sock_sendall(self._socket, b"BEGIN\r\n")

    async def _line(self, received: bytearray) -> str:
        """Return the next line of the authentication; what came with it remains in `received`."""
        while (end := received.find(b"\r\n")) < 0:
            part = await self._loop.sock_recv(self._socket, 4096)
            if not part:
                raise EOFError
            received += part
            if len(received) > _LONGEST_LINE:
                raise Refused("authentication failed: it sends a line without an end")
        line = received[:end].decode(errors="replace")
        del received[: end + 2]
        return line

    def start(self, read: Callable[[bytes], None]) -> None:
        """Have what comes in given to `read` from now on; an exception of its ends the connection."""
        self._read = read
        self._loop.add_reader(self._socket, self._readable)

    def write(self, data: bytes) -> None:
        """Send `data`, or keep it until there is room."""
        self._unsent += data
        if len(self._unsent) == len(data):
            self._writable()

    @property
    def unsent(self) -> int:
        """How many bytes wait for room."""
        return len(self._unsent)

    def close(self) -> None:
        """Close the socket, if it is not closed yet."""
        self._break(ConnectionError("closed"))
        self._socket.close()

    def _readable(self) -> None:
        try:
            data = self._socket.recv(_BITE)
            if not data:
                raise EOFError
            self._read(data)
        except BlockingIOError:
            pass
        except Exception as error:
            self._break(error)

    def _writable(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._break(error)
            return
        del self._unsent[:sent]
        if self._unsent:
            self._loop.add_writer(self._socket, self._writable)
        else:
            self._loop.remove_writer(self._socket)

    def _break(self, error: Exception) -> None:
        """Listen no more, and say why."""
        with suppress(ValueError):  # it is closed
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
        if not self.lost.done():
            self.lost.set_result(error)
