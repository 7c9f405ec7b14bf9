"""Where a story is played: the actors' folder, the messages of the actors, and scoperun."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack

from scoperun import Batch, ExecContext, Limits, MiB, OOMPolicy, Report, Scope
from scoperun.evidence.events import MemorySnapshot
from scoperun.supervision.launch import RunOptions
from tests.guest.story import GENEROUS, systemctl
from tests.guest.waiting import cgroup_gone
from tests.schema import validated

from .score import Truth

LIMIT = 20 * MiB
SLICE = "truth.slice"

LONG = 1.0
"""Seconds in which a process can have ended in another way. On a loaded machine, two looks can be so far apart."""

MOST_OF_JOBS = 256 * MiB
"""The memory that a batch has for all its jobs: more than any of them may use."""

ENDINGS = {"success": "done", "oom-kill": "out-of-memory", "timeout": "timeout"}
"""What a batch says of a job, by the verdict; of every other verdict it says `failed`."""

NOT_OF_JOBS = {"unit", "slice", "slice_inherit", "kill_leftovers"}
"""Options that a batch sets for its jobs."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of a story.

    policy: the OOM policy. log: the kernel log can be read. load: the processor is busy.
    batch: commands are run as jobs of a scoperun.Batch, unless the story acts on their scope or sets what a batch sets.
    """

    policy: OOMPolicy
    log: bool
    load: bool
    batch: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """A report as JSON, and what really happened."""

    report: dict[str, Any]
    truth: Truth


@dataclass
class Stage:
    """The stage of one story.

    actor: the path of the actors' program. pages: a file on a disk, for reading. scratch: a folder in memory.
    fifo: a descriptor for the actors' messages.
    seen: the pids of the processes that scoperun has seen while they lived, and not only long before their end.
    counted: the scopes in which scoperun has seen the kernel count a kill.
    looks: what each snapshot of memory counted, as texts.
    jobs: the scopes of jobs, of which scoperun's snapshots are not known.
    """

    actor: str
    pages: str
    scratch: Path
    fifo: int
    variant: Variant
    seen: set[int] = field(default_factory=set)
    counted: set[str] = field(default_factory=set)
    looks: list[str] = field(default_factory=list)
    jobs: set[str] = field(default_factory=set)
    _told: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    @property
    def policy(self) -> OOMPolicy:
        """The policy of this variant."""
        return self.variant.policy

    @property
    def survives(self) -> bool:
        """Whether the other processes of a scope survive an OOM kill."""
        return self.policy is OOMPolicy.CONTINUE

    def options(self, options: RunOptions) -> RunOptions:
        """Return the options of a run, with the usual limit and this variant's policy unless `options` set others."""
        limits = options.get("limits", Limits(memory_max=LIMIT))
        if limits.oom_policy is None and not any("Delegate" in text for text in options.get("properties", ())):
            limits = replace(limits, oom_policy=self.policy)
        names = {"A": self.actor, "PAGES": self.pages, "SCRATCH": str(self.scratch)}
        names["TRUTH"] = str(self.scratch / "TRUTH")
        context = ExecContext(environment=tuple(f"{name}={value}" for name, value in names.items()))
        return {**options, "limits": limits, "context": context}

    async def run(self, *command: str, **options: Unpack[RunOptions]) -> dict[str, Any]:
        """Run a command to its end and return the report."""
        full = self.options(options)
        memory = full["limits"].memory_max
        if self.variant.batch and memory and memory <= MOST_OF_JOBS and not NOT_OF_JOBS & options.keys():
            return await self._as_job(command, memory, full)
        async with self.scope(*command, **options) as scope:
            return await self.report(scope)

    async def _as_job(self, command: tuple[str, ...], memory: int, options: RunOptions) -> dict[str, Any]:
        """Run a command as the only job of a batch, and return the report; the batch has to agree with it."""
        async with Batch(memory_total=MOST_OF_JOBS) as batch:
            batch.submit(command, memory=memory, **options)
            (result,) = [each async for each in batch.results()]
        assert result.report is not None, result.error
        report = as_json(result.report)
        assert result.ending == ENDINGS.get(report["verdict"], "failed"), (result.ending, report)
        self.jobs.add(report["unit"])
        return report

    async def act(self, *words: str, **options: Unpack[RunOptions]) -> dict[str, Any]:
        """Run an actor as the command."""
        return await self.run(self.actor, *words, **options)

    async def shell(self, script: str, **options: Unpack[RunOptions]) -> dict[str, Any]:
        """Run a script of sh as the command; $A is the actor."""
        return await self.run("sh", "-c", script, **options)

    @asynccontextmanager
    async def scope(self, *command: str, **options: Unpack[RunOptions]) -> AsyncIterator[Scope]:
        """Run a command for the context, which can act on it."""
        async with Scope(command, **self.options(options)) as scope:
            watch = asyncio.create_task(self._watch(scope))
            try:
                yield scope
            except asyncio.CancelledError:
                print(*self.looks, *what_hangs(scope.start.cgroup), sep="\n", file=sys.stderr)
                raise
        await watch

    async def _watch(self, scope: Scope) -> None:
        before, last = 0.0, set[int]()
        async for event in scope.events():
            if isinstance(event, MemorySnapshot):
                living = {task.pid for task in event.tasks}
                if event.at - before >= LONG and not event.prompted:
                    self.seen -= last - living
                self.seen |= living
                before, last = event.at, living
                torn = " torn" if event.rested else ""
                self.looks.append(f"{event.at:.3f}{torn} {dict(event.events)} {list(event.ooms.values())}")
                if event.oom_kill:
                    self.counted.add(scope.start.unit)

    async def pid(self, role: str, *, count: int = 1) -> int:
        """Wait until actors have told this role `count` times, and return the last one's pid."""
        while len(self._told[role]) < count:
            await readable(self.fifo)
            self.listen()
        return self._told[role][count - 1]

    async def pid_unless_over(self, scope: Scope, role: str, *, count: int) -> int | None:
        """Return what `pid` returns, None if the scope's command ends first."""
        pid, end = asyncio.create_task(self.pid(role, count=count)), asyncio.create_task(scope.report())
        await asyncio.wait({pid, end}, return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        if not pid.done():
            pid.cancel()
            return None
        return pid.result()

    def told(self, role: str) -> list[int]:
        """Return the pids, or other numbers, that have been told with a role so far."""
        self.listen()
        return self._told[role]

    def listen(self) -> None:
        """Read the actors' messages."""
        data = b""
        while True:
            try:
                data += os.read(self.fifo, 1 << 16)
            except BlockingIOError:
                break
        for line in data.decode().splitlines():
            role, number = line.split()
            self._told[role].append(int(number))

    def tell(self, pid: int) -> None:
        """Give an actor its cue."""
        os.kill(pid, signal.SIGUSR1)

    async def report(self, scope: Scope) -> dict[str, Any]:
        """Wait for the report on a scope and return it."""
        return as_json(await scope.report())


def what_hangs(cgroup: str | None) -> Iterator[str]:
    """Yield what the kernel says about a scope and its processes that did not end in time."""
    folder = Path(f"/sys/fs/cgroup{cgroup}")
    for name in ("memory.events", "memory.current", "memory.max", "cgroup.events", "cgroup.procs"):
        yield f"{name}: {(folder / name).read_text()!r}"
    for pid in (folder / "cgroup.procs").read_text().split():
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        wanted = ("Name", "State", "PPid", "VmRSS", "SigPnd", "ShdPnd")
        yield f"{pid}: {[line for line in status if line.startswith(wanted)]} {Path(f'/proc/{pid}/wchan').read_text()}"


async def readable(fd: int) -> None:
    """Return once a descriptor can be read."""
    loop, is_readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(fd, is_readable.set)
    try:
        async with asyncio.timeout(GENEROUS):
            await is_readable.wait()
    finally:
        loop.remove_reader(fd)


async def gone(pid: int) -> None:
    """Return once a process has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await readable(pidfd)
    finally:
        os.close(pidfd)


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as its JSON, checked against the schema."""
    return validated(report.to_json())


@contextmanager
def busy() -> Iterator[None]:
    """Keep every processor busy with an endless loop during the context."""
    loops = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in os.sched_getaffinity(0)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@contextmanager
def capped_slice(limit: int) -> Iterator[str]:
    """Yield a slice with a memory limit of `limit` bytes."""
    systemctl("set-property", "--runtime", SLICE, f"MemoryMax={limit}", "MemorySwapMax=0")
    try:
        yield SLICE
    finally:
        systemctl("revert", SLICE)


def kill_all(cgroup: str | None) -> None:
    """Kill all processes of a cgroup with SIGKILL, as systemd-oomd does, and wait until the cgroup is removed."""
    assert cgroup is not None
    folder = Path(f"/sys/fs/cgroup{cgroup}")
    (folder / "cgroup.kill").write_text("1")
    cgroup_gone(cgroup)


def count_as_oomd(cgroup: str | None) -> None:
    """Count a kill in the extended attribute in which systemd-oomd counts before it kills."""
    os.setxattr(f"/sys/fs/cgroup{cgroup}", "user.oomd_ooms", b"1")
