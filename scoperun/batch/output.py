"""What jobs print: it goes to files, never through our memory, and is printed whole when a job has ended.

A writer that waits for a reader must not keep us from noticing that jobs end: a pipe and a terminal are written to when
they can take something.
"""

from __future__ import annotations

import asyncio
import errno
import heapq
import os
import re
import select
from collections import deque
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, NamedTuple

from scoperun.batch.events import Finished
from scoperun.batch.streams import CannotKeep, CannotRead, Streams
from scoperun.printable import one_line
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from scoperun.batch.events import Event
    from scoperun.batch.job import Job
    from scoperun.batch.results import Results
    from scoperun.batch.state import State

_PIECE = 4096
"""Bytes that a pipe takes at once or not at all (PIPE_BUF)."""

_BITE = 1 << 16
_WITHOUT_WAITING = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NAMES = ("out", "err")
_OWNERS_ALONE = 0o600

_FILE = re.compile(r"([0-9]{1,18})-([0-9]{1,9})\.(?:out|err)", re.ASCII)


class _Printed(NamedTuple):
    """What a job has printed.

    seq, number: of the job and of its attempt. is_in_results: its files are in the folder of --results.
    has_run: its command has, so that both files have to be there.
    """

    seq: int
    number: int
    tag: str
    is_in_results: bool = False
    has_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How it is printed.

    is_tagged: with the job's tag before each line. order: the numbers of jobs in whose order they are printed, None for
    that of their ends. is_silent: not at all.
    """

    is_tagged: bool = False
    order: Iterable[int] | None = None
    is_silent: bool = False


class Output:
    """The files that jobs print to, and the task that copies them to our standard output and error."""

    def __init__(
        self,
        folder: int,
        *,
        undo: Callable[[], None],
        way: Way,
        results: Results | None = None,
    ) -> None:
        """Take the folder for the files.

        undo: as in Streams. results: where the files are kept instead.
        aside: a context in which something is printed on the terminal.
        unreadable: why what jobs have printed could not be read again, by their numbers.
        """
        self._folder = folder
        self._undo = undo
        self._way = way
        self._turns = None if way.order is None else _Turns(way.order)
        self._results = results
        self.aside: Callable[[], AbstractContextManager[None]] = nullcontext
        self.unreadable: dict[int, str] = {}
        self._ready: deque[_Printed | bytes] = deque()
        self._has_more = asyncio.Event()
        self._is_closing = False

    def recover(self, state: State) -> None:
        """Print first what an earlier runner has not: that of jobs whose end it kept; and remove the rest."""
        ours = filter(None, map(_FILE.fullmatch, os.listdir(self._folder)))
        for seq, number in sorted({(int(each[1]), int(each[2])) for each in ours}):
            if not self._way.is_silent and state.has_ended(seq, number):
                # It might have been printed, and one of its files removed.
                self._ready.append(_Printed(seq, number, state.job(seq).tag if self._way.is_tagged else ""))
            else:
                self._remove(seq, number)

    def put(self, line: str) -> None:
        """Print a line of our own, in turn."""
        self._ready.append(f"{line}\n".encode(errors="backslashreplace"))
        self._has_more.set()

    def streams(self, job: Job, number: int) -> Streams:
        """Open the files of an attempt. Raises CannotKeep."""
        try:
            fds = self._opened(job.seq, number) if self._results is None else self._results.opened(job.seq)
        except OSError as error:
            raise CannotKeep(f"cannot keep what job {job.seq} prints: {error.strerror}") from None
        return Streams(*fds, undo=self._undo)

    def take(self, event: Event) -> None:
        """Print what a job has printed once it has ended for good; what earlier attempts printed is removed."""
        if not isinstance(event, Finished):
            return
        if self._results is not None:
            self._results.take(event)
        ended = _Printed(
            event.job.seq,
            event.attempt.number,
            event.job.tag if self._way.is_tagged else "",
            is_in_results=self._results is not None,
            has_run=event.attempt.verdict is not None,
        )
        if not event.is_final or self._way.is_silent:
            self._remove(ended.seq, ended.number)
        elif self._turns is None:
            self._ready.append(ended)
        else:
            self._ready.extend(self._turns.after(ended))
        self._has_more.set()

    def close(self) -> None:
        """Let `print_all` return when everything is printed."""
        if self._turns is not None:
            self._ready.extend(self._turns.rest())
        self._is_closing = True
        self._has_more.set()

    async def print_all(self) -> None:
        """Print until `close`. Raises OSError if our own output cannot be written, e.g. BrokenPipeError."""
        while self._ready or not self._is_closing:
            while self._ready:
                match self._ready.popleft():
                    case bytes(line):
                        await self._write(1, line)
                    case printed:
                        await self._print_files(printed)
            if not self._is_closing:
                await self._has_more.wait()
            self._has_more.clear()

    async def _print_files(self, printed: _Printed) -> None:
        for name, ours in zip(_NAMES, (1, 2), strict=True):
            try:
                file = self._reopened(printed, name)
            except CannotRead as error:
                if printed.has_run:
                    self.unreadable.setdefault(printed.seq, error.message)
            else:
                await self._print(file, ours, printed.tag)
        self._remove(printed.seq, printed.number)

    async def _print(self, file: int, ours: int, tag: str) -> None:
        try:
            for piece in _tagged(_pieces(file), f"{one_line(tag)}\t".encode() if self._way.is_tagged else b""):
                await self._write(ours, piece)
        finally:
            os.close(file)

    async def _write(self, fd: int, text: bytes) -> None:
        """Write all of a text when the descriptor can take it."""
        rest = memoryview(text)
        with _opened_for_some(fd) as some:
            while rest:
                await _writable(some)
                with self.aside() if os.isatty(fd) else nullcontext():
                    rest = _unwritten(some, rest)

    def _reopened(self, printed: _Printed, name: str) -> int:
        """Open a file of a job that has ended. Raises CannotRead if it is lost, OSError if it can be opened later."""
        if self._results is not None and printed.is_in_results:
            return self._results.reopened(printed.seq, name)
        path = _file(printed.seq, printed.number, name)
        try:
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder)
        except FileNotFoundError as error:
            raise CannotRead(f"{error.strerror}") from None

    def _opened(self, seq: int, number: int) -> tuple[int, int]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        output = os.open(_file(seq, number, "out"), flags, _OWNERS_ALONE, dir_fd=self._folder)
        try:
            return output, os.open(_file(seq, number, "err"), flags, _OWNERS_ALONE, dir_fd=self._folder)
        except BaseException:
            os.close(output)
            raise

    def _remove(self, seq: int, number: int) -> None:
        """Remove the files of an attempt, but not those of --results."""
        for name in _NAMES:
            with suppress(FileNotFoundError):
                os.unlink(_file(seq, number, name), dir_fd=self._folder)


class _Turns:
    """Gives jobs out in the order of their numbers, whatever the order of their ends is."""

    def __init__(self, order: Iterable[int]) -> None:
        self._order = iter(order)
        self._next = next(self._order, None)
        self._early: list[_Printed] = []

    def after(self, ended: _Printed) -> Iterator[_Printed]:
        """Take a job that has ended, and yield those whose turn it is now."""
        heapq.heappush(self._early, ended)
        while self._early and self._early[0][0] == self._next:
            yield heapq.heappop(self._early)
            self._next = next(self._order, None)

    def rest(self) -> Iterator[_Printed]:
        """Yield the jobs that have ended and whose turn has not come, because others before them have not."""
        while self._early:
            yield heapq.heappop(self._early)


def _file(seq: int, number: int, name: str) -> str:
    return f"{seq}-{number}.{name}"


def _pieces(fd: int) -> Iterator[bytes]:
    while piece := os.read(fd, _BITE):
        yield piece


def _tagged(pieces: Iterable[bytes], tag: bytes) -> Iterator[bytes]:
    """Put the tag at the beginning of each line; a last line without an end gets one then."""
    is_at_start = True
    for piece in pieces:
        if tag:
            text = piece.replace(b"\n", b"\n" + tag)
            yield (tag if is_at_start else b"") + (text.removesuffix(tag) if piece.endswith(b"\n") else text)
            is_at_start = piece.endswith(b"\n")
        else:
            yield piece
    if tag and not is_at_start:
        yield b"\n"


@contextmanager
def _opened_for_some(fd: int) -> Iterator[int]:
    """Yield a descriptor by which as much of a text can be written as there is room for.

    A terminal that can take something waits until it has taken all, unless it is opened anew so that it never waits.
    """
    some = fd
    if os.isatty(fd):
        with suppress(OSError):  # it is another user's, or of another mount namespace
            some = os.open(f"/proc/self/fd/{fd}", _WITHOUT_WAITING)
    try:
        yield some
    finally:
        if some != fd:
            os.close(some)


def _unwritten(fd: int, text: memoryview) -> memoryview:
    """Write as much of a text as a descriptor takes without waiting, and return the rest."""
    room = select.poll()
    room.register(fd, select.POLLOUT)
    with suppress(BlockingIOError):
        while text and room.poll(0):
            text = text[os.write(fd, text[:_PIECE]) :]
    return text


async def _writable(fd: int) -> None:
    """Return when a descriptor can be written to without waiting, as a regular file always can."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    try:
        loop.add_writer(fd, lambda: None if ready.done() else ready.set_result(None))
    except OSError as error:
        if error.errno != errno.EPERM:  # a regular file has no queue
            raise
        await asyncio.sleep(0)  # the rest of the program has its turn all the same
        return
    try:
        await ready
    finally:
        loop.remove_writer(fd)
