"""The socket of a message bus: connect, authenticate, read in small pieces, write without waiting."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BITE = 1 << 16
"""Bytes read at a time. Other tasks run between two reads, so a large message does not hold them up."""

_LONGEST_LINE = 1 << 14

_CREDENTIALS = struct.Struct("iII")


class Refused(Exception):
    """The bus refuses to authenticate us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A process by its numbers in our namespaces. pid: 0 if it has none in our PID namespace. uid: its user."""

    pid: int
    uid: int

    @classmethod
    def of_peer(cls, connected: socket.socket) -> Credentials:
        """Return those of the process that listens at the other end, or made the pair (SO_PEERCRED)."""
        raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _ = _CREDENTIALS.unpack(raw)
        return cls(pid=pid, uid=uid)


def own_credentials() -> Credentials:
    """Return ours as the kernel has them, even if getuid(2) is replaced, e.g. by fakeroot(1)."""
    one, other = socket.socketpair()
    with one, other:
        return Credentials.of_peer(one)


class BusSocket:
    """A connection to a message bus. peer: the process that listens. lost: done once broken, with the reason.

    passes_descriptors: the bus has agreed to pass on descriptors.
    """

    def __init__(self, name: bytes) -> None:
        """Connect to the socket `name`; raise OSError if that fails, at once if its backlog is full."""
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[Exception] = self._loop.create_future()
        self.passes_descriptors = False
        self._unsent = bytearray()
        self._read: Callable[[bytes], None] = lambda _: None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.connect(name)
            self.peer = Credentials.of_peer(self._socket)
        except BaseException:
            self._socket.close()
            raise

    async def authenticate(self, *, ask_for_descriptors: bool = False) -> None:
        """Authenticate as the user that the kernel says we are; raise Refused, EOFError or OSError.

        ask_for_descriptors: ask the bus to pass on descriptors, which needs another answer.

        No UID is sent, because in a user namespace the same user can have a different UID than on the bus's side.
        https://dbus.freedesktop.org/doc/dbus-specification.html#auth-mechanisms-external
        """
        await self._loop.sock_sendall(self._socket, b"\0AUTH EXTERNAL\r\nDATA\r\n")
        words = ["DATA"]
        received = bytearray()
        while words[0] == "DATA":
            words = (await self._line(received)).split(" ")
        if words[0] != "OK":
            raise Refused("authentication failed: " + " ".join(words))
        if ask_for_descriptors:
            await self._loop.sock_sendall(self._socket, b"NEGOTIATE_UNIX_FD\r\n")
            self.passes_descriptors = (await self._line(received)).startswith("AGREE_UNIX_FD")
        await self._loop.sock_sendall(self._socket, b"BEGIN\r\n")

    async def _line(self, received: bytearray) -> str:
        """Return the next line of the authentication; bytes after it stay in `received`."""
        while (end := received.find(b"\r\n")) < 0:
            part = await self._loop.sock_recv(self._socket, 4096)
            if not part:
                raise EOFError
            received += part
            if len(received) > _LONGEST_LINE:
                raise Refused("authentication failed: it sent an endless line")
        line = received[:end].decode(errors="replace")
        del received[: end + 2]
        return line

    def start(self, read: Callable[[bytes], None]) -> None:
        """Call `read` with the data that comes in from now on; if it raises, the connection ends."""
        self._read = read
        self._loop.add_reader(self._socket, self._readable)

    def write(self, data: bytes) -> None:
        """Send `data`; what does not fit is sent once there is room."""
        self._unsent += data
        if len(self._unsent) == len(data):
            self._writable()

    def write_with(self, descriptors: Sequence[int], data: bytes) -> None:
        """Send `data` with descriptors, which go with its first byte; raise OSError if nothing can be sent now."""
        if self._unsent:
            raise BlockingIOError(errno.EAGAIN, "the bus does not read")
        sent = socket.send_fds(self._socket, [data], descriptors)
        if rest := data[sent:]:
            self.write(rest)

    @property
    def unsent(self) -> int:
        """The number of bytes that are not sent yet."""
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
        """Stop listening, and set `lost`."""
        with suppress(ValueError):  # the socket is closed
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
        if not self.lost.done():
            self.lost.set_result(error)
