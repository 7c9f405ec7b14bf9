"""Batch: many commands that share a machine's memory, for programs."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Self

from scoperun.batch.batches import new_id
from scoperun.batch.descriptors import most_slots, usual_slots
from scoperun.batch.events import Finished
from scoperun.batch.job import Job
from scoperun.batch.memory_total import out_of_reach, usual_total
from scoperun.batch.plan import Plan, Stage
from scoperun.batch.retry import Policy
from scoperun.batch.rows import Header
from scoperun.batch.runner import Runner
from scoperun.batch.state import State
from scoperun.batch.streams import CannotKeep, Streams
from scoperun.console.files import Destination
from scoperun.errors import InvalidValue
from scoperun.record import dataclass, replace
from scoperun.spec.request import RunRequest, words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from types import TracebackType
    from typing import Unpack

    from scoperun.batch.events import Event
    from scoperun.report.report import Report
    from scoperun.spec.limits import Limits
    from scoperun.supervision.launch import RunOptions

_FULL = {errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT}
"""Why no file can be opened, whatever its path is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """How a job ended for good.

    seq: what `submit` returned. command: its words.
    ending: `done`, `failed`, `out-of-memory`, `timeout` or `not-executed`.
    attempts: how often it was begun. memory_max: bytes of the last attempt.
    report: of the last attempt; None if its command could not be executed. error: then, why.
    """

    seq: int
    command: tuple[str, ...]
    ending: str
    attempts: int
    memory_max: int
    report: Report | None
    error: str | None


class Batch:
    """Commands that are run when there is memory for them, each in a scope with a limit of its own.

        async with scoperun.Batch(memory_total=8 * scoperun.GiB, retries=2) as batch:
            for name in names:
                batch.submit(["./work", name], memory=scoperun.GiB)
            async for result in batch.results():
                print(result.command, result.ending)

    Each command runs in a session of its own, reads nothing, and has the program's standard output and error, or
    files. A command that runs out of memory is tried again with more, if `retries` allows it. Leaving the context kills
    what still runs, and everything ends with this process. `scopectl batch` does the same with files of jobs, and
    keeps its state on disk.
    """

    def __init__(  # noqa: PLR0913  each is an option
        self,
        *,
        slots: int | None = None,
        memory_total: int | None = None,
        retries: int = 0,
        retry_factor: float = 2.0,
        retry_max: int | None = None,
        system: bool = False,
    ) -> None:
        """Nothing is started yet.

        slots: how many commands run at once at most; the number of processors by default. Each takes up to 24
        descriptors of this process: raise RLIMIT_NOFILE for many.
        memory_total: bytes for all together; 80 % of what is available by default, and if a slice above allows less.
        retries: further attempts of a command that ran out of memory. retry_factor: times as much memory for each.
        retry_max: the most bytes for an attempt; memory_total by default. system: use the system's manager.
        Raises InvalidValue.
        """
        most = most_slots(can_raise=False)
        self._slots = usual_slots(can_raise=False) if slots is None else slots
        if self._slots < 1:
            raise InvalidValue(f"`slots={slots!r}` is not a number of commands at once")
        if self._slots > most:
            hint = "resource.setrlimit(resource.RLIMIT_NOFILE, ...) before"
            raise InvalidValue(f"`slots={slots}`: there are descriptors for {most} commands at once", hint=hint)
        for name, size in (("memory_total", memory_total), ("retry_max", retry_max)):
            if size is not None:
                _see_size(name, size)
        self._total = memory_total
        self._policy = Policy(retries=retries, factor=retry_factor, most=retry_max)
        self._system = system
        self._requests: dict[int, tuple[RunRequest, str | None, str | None]] = {}
        self._ends: asyncio.Queue[BatchResult | None] = asyncio.Queue()
        self._last = 0
        self._open = 0

    async def __aenter__(self) -> Self:
        """Make the slice that all commands share. Raises ScoperunError."""
        total = self._total
        if total is None or await out_of_reach(total, system=self._system):
            total = await usual_total(system=self._system)
        self._total = total
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._state = State(self._connection)
        header = Header(id=new_id(), created=time.time(), cwd=os.getcwd())
        self._state.make(header, ())
        plan = Plan(
            batch=header.id,
            total=total,
            policy=self._policy,
            request=self._request,
            streams=self._streams,
            take=self._take,
            system=self._system,
        )
        self._runner = Runner(self._state, plan, slots=self._slots, is_open=True)
        self._running = asyncio.create_task(self._run())
        begun = asyncio.create_task(self._runner.begun())
        try:
            await asyncio.wait([begun, self._running], return_when=asyncio.FIRST_COMPLETED)
            if self._running.done():
                self._running.result()
        except BaseException:
            self._running.cancel()
            await self._over()
            raise
        finally:
            begun.cancel()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Kill what still runs, and wait until nothing of it is left."""
        self._runner.end(Stage.KILLING)
        await self._over()

    async def _over(self) -> None:
        """Wait for the end of the runner, whose failure `results` raises if anything asks."""
        await asyncio.wait([self._running])
        self._connection.close()
        if not self._running.cancelled():
            self._running.exception()

    def submit(
        self,
        command: Sequence[str],
        *,
        memory: int,
        stdout: str | os.PathLike[str] | None = None,
        stderr: str | os.PathLike[str] | None = None,
        **options: Unpack[RunOptions],
    ) -> int:
        """Have a command run when there is room for it, and return its number.

        memory: bytes that it may use; memory_max of `limits` is not used. stdout, stderr: paths of files, which can be
        the same: each attempt puts a new one there, with the mode that the umask leaves; or /dev/null; None for the
        program's own. A FIFO or another device is refused, and so is a link of another user. The other options are
        those of `run`.
        Raises InvalidValue, also for a command that could never run.
        """
        _see_size("memory", memory)
        output, errors = _path("stdout", stdout), _path("stderr", stderr)
        if self._total is not None and memory > self._total:
            raise InvalidValue(f"`memory={memory}` is more than all commands may have together: {self._total}")
        request = _limited(RunRequest(command=words(command), **options), memory)
        job = Job(seq=self._last + 1, command=request.command, memory=memory)
        self._state.add(job)
        self._requests[job.seq] = (request, output, errors)
        self._last += 1
        self._open += 1
        self._runner.look_again()
        return job.seq

    async def results(self) -> AsyncIterator[BatchResult]:
        """Yield how commands ended, as they do, until every one that was submitted has.

        Raises ScoperunError if the batch itself has failed, e.g. because systemd refuses scopes.
        """
        while self._open:
            result = await self._ends.get()
            if result is None:
                self._ends.put_nowait(None)  # for the next that asks
                break
            self._open -= 1
            yield result
        if self._runner.failure is not None:
            raise self._runner.failure
        if self._running.done():
            self._running.result()

    async def _run(self) -> None:
        try:
            await self._runner.run()
        finally:
            self._ends.put_nowait(None)

    def _request(self, job: Job, memory: int, unit: str, slice: str) -> RunRequest:  # noqa: A002  as its field
        request, *_ = self._requests[job.seq]
        return replace(
            _limited(request, memory),
            unit=unit,
            slice=slice,
            system=self._system,
            kill_leftovers=True,
            die_with_scoperun=True,
        )

    def _streams(self, job: Job, _number: int) -> Streams:
        _, stdout, stderr = self._requests[job.seq]
        output = _opened(stdout, 1)
        try:
            return Streams(output, _opened(None, output) if _are_same(stdout, stderr) else _opened(stderr, 2))
        except BaseException:
            os.close(output)
            raise

    def _take(self, event: Event) -> None:
        if not isinstance(event, Finished) or not event.is_final:
            return
        del self._requests[event.job.seq]
        attempt = event.attempt
        self._ends.put_nowait(
            BatchResult(
                seq=event.job.seq,
                command=event.job.command,
                ending=event.state,
                attempts=attempt.number,
                memory_max=attempt.memory,
                report=event.report,
                error=attempt.error,
            )
        )


def _see_size(name: str, size: int) -> None:
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise InvalidValue(f"`{name}={size!r}` is not a number of bytes", hint="e.g. 40 * scoperun.MiB")


def _path(name: str, path: str | os.PathLike[str] | None) -> str | None:
    if path is None:
        return None
    if isinstance(path, bytes | int) or not isinstance(path, str | os.PathLike):
        raise InvalidValue(f"`{name}={path!r}` is not a path")
    return os.fspath(path)


def _limited(request: RunRequest, memory: int) -> RunRequest:
    """Return the request with a limit on memory, in bytes. Raises InvalidValue."""
    limits: Limits = replace(request.limits, memory_max=memory)
    return replace(request, limits=limits)


def _opened(path: str | None, ours: int) -> int:
    """Begin a file, or copy our own descriptor. Raises CannotKeep, or InvalidValue for a path."""
    try:
        if path is None:
            return os.dup(ours)
        if path == os.devnull:
            return os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        with closing(Destination(path, mode=0o666 & ~_umask())) as file:
            return file.begin()
    except OSError as error:
        kind = CannotKeep if path is None or error.errno in _FULL else InvalidValue
        raise kind(f"cannot write {'/dev/stdout' if path is None else path!r}: {error.strerror}") from None
    except ValueError:
        raise InvalidValue(f"cannot write {path!r}: it has a NUL byte") from None


def _are_same(one: str | None, other: str | None) -> bool:
    """Tell whether two paths lead to one file: if both were begun, the second would take the place of the first."""
    with suppress(ValueError):  # a NUL byte, which is refused when it is opened
        return one is not None and other is not None and os.path.realpath(one) == os.path.realpath(other)
    return False


def _umask() -> int:
    """Return the umask without changing it for a moment, as umask(2) does; other threads can make files meanwhile."""
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        return next(int(line.split()[1], 8) for line in file if line.startswith("Umask:"))
