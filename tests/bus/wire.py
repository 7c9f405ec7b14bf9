"""The socket that scoperun finds as its bus: hands every message on to the dbus-daemon, notes the calls, interferes.

What the daemon itself is asked (AddMatch) can be refused or left unanswered here, and here the line can be cut at a
given call, before the daemon has seen it. Which process a client is only the wire knows, not the daemon.
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
        self._handed_back = bytearray()
        self._clients: list[StreamWriter] = []
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def steps(self) -> list[str]:
        """The calls in their order; AddMatch is numbered: AddMatch 1, AddMatch 2."""
        return [self._numbered(index) for index in range(len(self.calls))]

    async def called(self, step: str) -> None:
        """Return once `step` was called."""
        await until(lambda: step in self.steps)

    async def handed_back(self, word: str) -> None:
        """Return once `word` was in what the daemon had to say, and is in the socket to be read."""
        await until(lambda: word.encode() in self._handed_back)

    def cut(self, _: Message | None = None) -> None:
        """Break every connection; with a call, as the action at a step, that call is lost too."""
        for client in self._clients:
            client.close()

    def serve(self, reader: StreamReader, client: StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, client))
        self._connections.add(connection)
        connection.add_done_callback(self._ended)

    async def idle(self) -> None:
        """Return once nobody is connected."""
        await until(lambda: not self._connections)

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
            from_daemon, to_daemon = await asyncio.open_unix_connection(self._daemon)
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
        """Hand the daemon's words back; its end is the client's end too."""
        with suppress(ConnectionError):
            while some := await from_daemon.read(1 << 16):
                client.write(some)
                self._handed_back += some
                something_changed()
        client.close()


@asynccontextmanager
async def wire(path: str, daemon: str) -> AsyncIterator[Wire]:
    """Listen at `path` for those who want to talk to the dbus-daemon at `daemon`."""
    tapped = Wire(daemon)
    server = await asyncio.start_unix_server(tapped.serve, path)
    try:
        yield tapped
    finally:
        server.close()
        await tapped.close()
        await server.wait_closed()


def _of_the_client(client: StreamWriter) -> dict[str, Action]:
    """Return what the daemon would answer if the client were connected to it itself."""
    credentials = client.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    (pid,) = struct.unpack_from("i", credentials)
    return {"GetConnectionUnixProcessID": lambda call: answer(call, "u", pid)}


async def _hand_on_authentication(reader: StreamReader, to_daemon: StreamWriter) -> None:
    line = b""
    while line != b"BEGIN\r\n":
        line = await reader.readuntil(b"\r\n")
        to_daemon.write(line)


async def _message(reader: StreamReader) -> bytes:
    """One message as it is on the wire: a fixed part, the fields of its header, padding to 8 bytes, its body."""
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
