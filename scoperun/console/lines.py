"""Lines that are written to a descriptor one after the other, without blocking the event loop.

A pipe, a socket or a terminal can stay full for as long as its reader likes, and a write that blocks would delay the
signals that we pass on. O_NONBLOCK cannot be set: all processes with the same open file share it.
"""

from __future__ import annotations

import asyncio
import os
import select
import stat
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PTY_MASTER = os.makedev(5, 2)  # /dev/ptmx: a second open() makes another terminal


class Lines:
    """A descriptor and the lines that are still to be written to it."""

    def __init__(self, fd: int) -> None:
        """Take ownership of descriptor `fd`."""
        self._closing = ExitStack()
        self._closing.callback(os.close, fd)
        self._fd = fd
        self._send = self._way_to_send()
        self._waiting: list[str] = []
        self._task: asyncio.Task[None] | None = None

    def put(self, line: str) -> None:
        """Write `line` after those before it; return at once."""
        self._waiting.append(line)
        if self._task is None:
            self._task = asyncio.create_task(self._write_all())

    async def written(self) -> None:
        """Return when all lines are written. Raises OSError if one cannot be."""
        if self._task is not None:
            await self._task

    def close(self) -> None:
        """Close the descriptor; lines that are not written yet are dropped."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError, asyncio.InvalidStateError):
                self._task.exception()  # written() has raised it, or it comes too late
        self._closing.close()

    async def _write_all(self) -> None:
        while self._waiting:
            rest = memoryview(f"{self._waiting[0]}\n".encode())
            while rest:
                rest = rest[await self._written(rest) :]
            del self._waiting[0]
        self._task = None

    async def _written(self, rest: memoryview) -> int:
        """Wait until there is room, write as much as fits, and return how many bytes that was."""
        while True:
            try:
                return self._send(rest)
            except BlockingIOError:
                await _writable(self._fd)

    def _way_to_send(self) -> Callable[[memoryview], int]:
        """Return a function that writes without waiting, or raises BlockingIOError."""
        mode = os.fstat(self._fd).st_mode
        if stat.S_ISSOCK(mode):
            import socket  # noqa: PLC0415  asyncio has it already

            ours = self._closing.enter_context(socket.socket(fileno=os.dup(self._fd)))
            return lambda rest: ours.send(rest, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        if stat.S_ISFIFO(mode) or _is_terminal(self._fd):
            # A second open() has flags of its own. It fails for another user's file, and for a FIFO without a reader.
            with suppress(OSError):
                self._fd = os.open(
                    f"/proc/self/fd/{self._fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
                )
                self._closing.callback(os.close, self._fd)
                return lambda rest: os.write(self._fd, rest)
        # The most that fits for sure once poll() says writable, unless another writer is quicker; a file takes all.
        most = select.PIPE_BUF if stat.S_ISFIFO(mode) else 1 if os.isatty(self._fd) else None
        return lambda rest: self._send_if_there_is_room(rest[:most])

    def _send_if_there_is_room(self, part: memoryview) -> int:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        if not poll.poll(0):
            raise BlockingIOError
        return os.write(self._fd, part)


def _is_terminal(fd: int) -> bool:
    return os.isatty(fd) and os.fstat(fd).st_rdev != _PTY_MASTER


async def _writable(fd: int) -> None:
    """Return when `fd` is writable, or broken."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(fd, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(fd)
