"""The socket that scoperun takes for its bus: it forwards messages to the dbus-daemon, records the calls, interferes.

It can refuse a call to the daemon itself (AddMatch) or leave it unanswered, and it can cut the connection at a given
call, before the daemon has seen it. Only the wire, not the daemon, knows the PID of a client.
"""

from __future__ import annotations

import asyncio
import io
import socket
import struct
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from dbus_next._private.unmarshaller import Unmarshaller
from dbus_next.constants import MessageType

from .steps import answer, something_changed, step_of, until

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import AsyncIterator

    from dbus_next.message import Message

    from .steps import Action


class Wire:
    """The connections that go through the socket."""

    def __init__(self, daemon: str) -> None:
        self.calls: list[Message] = []
        self.at: dict[str, Action] = {}
        self.replies = 0
        self._daemon = daemon
        self.refusals = 0
        self._handed_back = bytearray()
        self._clients: list[StreamWriter] = []
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def steps(self) -> list[str]:
        """The calls in their order; AddMatch is numbered: AddMatch 1, AddMatch 2."""
        return [self._numbered(index) for index in range(len(self.calls))]

    async def called(self, step: str) -> None:
        """Return once `step` has been called."""
        await until(lambda: step in self.steps)

    async def handed_back(self, word: str) -> None:
        """Return once the daemon has sent `word` and it is in the client's socket."""
        await until(lambda: word.encode() in self._handed_back)

    def cut(self, _: Message | None = None) -> None:
        """Close every connection; as the action at a step, the call is lost too."""
        for client in self._clients:
            client.close()

    def serve(self, reader: StreamReader, client: StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, client))
        self._connections.add(connection)
        connection.add_done_callback(self._ended)

    async def idle(self) -> None:
        """Return once no client is connected."""
        await until(lambda: not self._connections)

    async def refused(self, count: int) -> None:
        """Return once so many more connections were closed because there is no daemon."""
        before = self.refusals
        await until(lambda: self.refusals >= before + count)

    async def close(self) -> None:
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _ended(self, connection: asyncio.Task[None]) -> None:
        self._connections.discard(connection)
        something_changed()

    def _numbered(self, index: int) -> str:
        step = step_of(self.calls[index])
        if step != "AddMatch":
            return step
        return f"AddMatch {[call.member for call in self.calls[: index + 1]].count('AddMatch')}"

    async def _serve(self, reader: StreamReader, client: StreamWriter) -> None:
        self._clients.append(client)
        async with _closing(client):
            try:
                from_daemon, to_daemon = await asyncio.open_unix_connection(self._daemon)
            except OSError:  # it was killed
                self.refusals += 1
                something_changed()
                return
            async with _closing(to_daemon), asyncio.TaskGroup() as both:
                both.create_task(self._hand_back(from_daemon, client))
                both.create_task(self._hand_on_all(reader, client, to_daemon))

    async def _hand_on_all(self, reader: StreamReader, client: StreamWriter, to_daemon: StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await _hand_on_authentication(reader, to_daemon)
            while True:
                await self._hand_on(reader, client, to_daemon)
        to_daemon.close()

    async def _hand_on(self, reader: StreamReader, client: StreamWriter, to_daemon: StreamWriter) -> None:
        raw = await _message(reader)
        message = Unmarshaller(io.BytesIO(raw)).unmarshall()
        if message.message_type is MessageType.METHOD_CALL:
            self.calls.append(message)
            something_changed()
            if action := self.at.get(self.steps[-1], _of_the_client(client).get(message.member)):
                if reply := action(message):
                    reply.serial = 1
                    client.write(reply._marshall())  # noqa: SLF001
                return
        else:
            self.replies += 1
        to_daemon.write(raw)

    async def _hand_back(self, from_daemon: StreamReader, client: StreamWriter) -> None:
        """Forward the daemon's bytes to the client, until the daemon closes the connection."""
        with suppress(ConnectionError):
            while some := await from_daemon.read(1 << 16):
                client.write(some)
                self._handed_back += some
                something_changed()
        client.close()


@asynccontextmanager
async def wire(path: str, daemon: str) -> AsyncIterator[Wire]:
    """Listen at `path` for clients of the dbus-daemon at `daemon`."""
    tapped = Wire(daemon)
    server = await asyncio.start_unix_server(tapped.serve, path)
    try:
        yield tapped
    finally:
        server.close()
        await tapped.close()
        await server.wait_closed()


def _of_the_client(client: StreamWriter) -> dict[str, Action]:
    """Return the replies that the daemon would give if the client were connected to it directly."""
    credentials = client.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    (pid,) = struct.unpack_from("i", credentials)
    return {"GetConnectionUnixProcessID": lambda call: answer(call, "u", pid)}


async def _hand_on_authentication(reader: StreamReader, to_daemon: StreamWriter) -> None:
    line = b""
    while line != b"BEGIN\r\n":
        line = await reader.readuntil(b"\r\n")
        to_daemon.write(line)


async def _message(reader: StreamReader) -> bytes:
    """Return the bytes of one message: a fixed part, the header's fields, padding to 8 bytes, the body."""
    fixed = await reader.readexactly(16)
    body, _, fields = struct.unpack("<III", fixed[4:])
    return fixed + await reader.readexactly((fields + 7) // 8 * 8 + body)


@asynccontextmanager
async def _closing(writer: StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
