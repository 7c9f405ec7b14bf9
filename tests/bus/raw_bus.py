"""A server that is not a message bus, or a faulty one: for behaviour that a dbus-daemon does not show.

Each script below plays the server's part of one connection.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from dbus_next.constants import MessageType
from dbus_next.message import Message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator


class Peer:
    """The server's end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection

    async def hear(self, words: bytes) -> None:
        """Return once the client has sent `words`. Raises EOFError."""
        heard = b""
        while words not in heard:
            some = await asyncio.get_running_loop().sock_recv(self.socket, 4096)
            if not some:
                raise EOFError
            heard += some

    async def say(self, words: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, words)

    async def closed(self) -> None:
        """Return once the client has closed the connection."""
        while await asyncio.get_running_loop().sock_recv(self.socket, 4096):
            pass


async def silent(peer: Peer) -> None:
    """Accept, and send nothing."""
    await peer.closed()


async def gone_in_authentication(peer: Peer) -> None:
    """End the stream in the middle of a line."""
    await peer.hear(b"AUTH EXTERNAL")
    await peer.say(b"OK 1234")


async def rejecting(peer: Peer) -> None:
    await peer.hear(b"AUTH EXTERNAL")
    await peer.say(b"REJECTED EXTERNAL\r\n")
    await peer.closed()


async def babbling(peer: Peer) -> None:
    """Send bytes that are not a line of the authentication, and not even text."""
    await peer.hear(b"AUTH EXTERNAL")
    await peer.say(b"\xff\xfe\r\n")
    await peer.closed()


async def silent_to_hello(peer: Peer) -> None:
    await _authenticate(peer)
    await peer.closed()


async def refusing_hello(peer: Peer) -> None:
    await _authenticate(peer)
    await peer.say(_to_hello(MessageType.ERROR, "too many connections"))
    await peer.closed()


async def refusing_hello_without_a_word(peer: Peer) -> None:
    await _authenticate(peer)
    await peer.say(_to_hello(MessageType.ERROR))
    await peer.closed()


async def gone_at_hello(peer: Peer) -> None:
    await _authenticate(peer)


async def garbage(peer: Peer) -> None:
    """Send bytes that are not a message."""
    await _authenticate(peer)
    await peer.say(b"\xff" * 64)
    await peer.closed()


async def half_a_bus(peer: Peer) -> None:
    """Greet as a bus does, and then close the read side, so that the next write fails with EPIPE."""
    await greet(peer)
    peer.socket.shutdown(socket.SHUT_RD)


async def greet(peer: Peer) -> None:
    """Act as a bus until the client has its name."""
    await _authenticate(peer)
    await peer.say(_to_hello(MessageType.METHOD_RETURN, ":1.1"))


@asynccontextmanager
async def raw_bus(path: str, script: Callable[[Peer], Awaitable[None]]) -> AsyncIterator[None]:
    """Run `script` for the only client that connects to the socket `path`; the end of the context cancels it."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.setblocking(False)
        listening.bind(path)
        listening.listen()
        play = asyncio.create_task(_play(listening, script))
        try:
            yield
        finally:
            play.cancel()
            await asyncio.gather(play, return_exceptions=True)


@contextmanager
def full_backlog(path: str) -> Iterator[None]:
    """Listen at `path` without accepting, with a full backlog, so that the next client cannot connect."""
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as first:
        listening.bind(path)
        listening.listen(0)
        first.connect(path)
        yield


async def _play(listening: socket.socket, script: Callable[[Peer], Awaitable[None]]) -> None:
    connection, _ = await asyncio.get_running_loop().sock_accept(listening)
    connection.setblocking(False)
    with connection:
        await script(Peer(connection))
        if script is half_a_bus:
            await asyncio.Event().wait()


async def _authenticate(peer: Peer) -> None:
    await peer.hear(b"\r\n")
    await peer.say(b"OK 0123456789abcdef0123456789abcdef\r\n")
    await peer.hear(b"Hello\0")


def _to_hello(kind: MessageType, *words: str) -> bytes:
    answer = Message(
        message_type=kind,
        serial=1,
        reply_serial=1,
        error_name="org.freedesktop.DBus.Error.LimitsExceeded" if kind is MessageType.ERROR else None,
        signature="s" * len(words),
        body=list(words),
    )
    return answer._marshall()  # noqa: SLF001
