"""The kernel tells when memory runs short, and scoperun then takes a snapshot: soon, and not too often."""

import asyncio
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import scoperun
from scoperun.evidence.events import MemorySnapshot
from scoperun.kernel.cgroup import cgroup_of
from scoperun.kernel.endings import Endings
from scoperun.kernel.memory_watch import Budget, watching
from scoperun.kernel.scope_cgroup import ScopeCgroup
from tests.child import in_child

from .here import lab_only
from .hiding import JOURNALCTL, hide
from .story import GENEROUS, Story
from .waiting import line_from

pytestmark = pytest.mark.guest(suite="trixie")  # it depends on the kernel alone

MIB = 1024**2
RESTS = 8
"""How often the watch rests, and takes a snapshot after it, while its cost is measured."""

# Slowly reads a file that is larger than the limit, again and again: it reaches the limit all the time, and the kernel
# kills no process.
STORM = """
import sys, time
while True:
    with open(sys.argv[1], "rb", buffering=0) as file:
        while file.read(1 << 18):
            time.sleep(0.002)
"""

# The same with some memory of its own, until there is a file, and a leak after that.
STORM_THEN_LEAK = """
import os, sys
own = [bytearray(12 << 20)]
while True:
    with open(sys.argv[1], "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
    if os.path.exists(sys.argv[2]):
        own.append(bytearray(1 << 20))
"""


def test_the_watch_sees_the_memory_before_and_after_a_kill(story: Story, large: Path, tmp_path: Path) -> None:
    """It sees the command's processes with their memory, the counters, and which process is missing afterwards."""

    def without_journalctl() -> None:
        """Make the report only from what the watch saw."""
        hide(JOURNALCTL)
        asyncio.run(see_a_kill(large, tmp_path))

    in_child(without_journalctl)


async def see_a_kill(large: Path, folder: Path) -> None:
    is_seen = folder / "seen"
    script = '"$0" -c "$1" "$2" "$3"; true'
    command = ["/bin/sh", "-c", script, sys.executable, STORM_THEN_LEAK, str(large), str(is_seen)]
    limits = scoperun.Limits(memory_max=20 * MIB, oom_policy=scoperun.OOMPolicy.CONTINUE)
    seen = []
    async with asyncio.timeout(GENEROUS), scoperun.Scope(command, limits=limits) as scope:
        async for event in scope.events():
            if isinstance(event, MemorySnapshot):
                seen.append(event)
                if any((task.anon or 0) >= 12 * MIB for task in event.tasks):
                    is_seen.touch()
        report = await scope.report()
    before = [snapshot for snapshot in seen if snapshot.oom_kill == 0][-1]
    shell, leak = sorted(before.tasks, key=lambda task: task.anon or 0)
    assert (shell.pid, shell.name) == (scope.start.pid, "sh")
    assert shell.rss is not None
    assert leak.rss is not None
    assert leak.anon is not None
    assert 12 * MIB <= leak.anon < leak.rss < 40 * MIB
    assert shell.rss < leak.rss
    assert (leak.swap, leak.oom_score_adj) == (0, shell.oom_score_adj)
    assert (leak.oom_score or 0) > (shell.oom_score or 0) > 0
    assert before.stat is not None
    assert before.current is not None
    assert 12 * MIB <= before.stat["anon"] <= before.current <= 20 * MIB
    kill = next(snapshot for snapshot in seen if snapshot.oom_kill == 1)
    assert next(iter(kill.ooms)) == report.cgroup
    assert leak.pid in {ended.task.pid for ended in kill.ended}
    assert report.verdict == "oom-kill"
    assert report.oom is not None
    assert [(victim.pid, victim.source) for victim in report.oom.victims or ()] == [(leak.pid, "process table")]


@pytest.fixture
def large() -> Iterator[Path]:
    """Return a file that is not in memory; those in /tmp can be."""
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as file:
        file.truncate(24 * MIB)
        yield Path(file.name)


async def test_the_end_of_a_seen_process_ends_a_rest(story: Story, large: Path, tmp_path: Path) -> None:
    """A process that lived at the limit before the kill is known to have lived until then, even if looks are rare."""
    budget = Budget(burst=-GENEROUS)  # a rest of hours follows the first snapshot
    limits = scoperun.Limits(memory_max=20 * MIB, oom_policy=scoperun.OOMPolicy.CONTINUE)
    rests, is_told = tmp_path / "rests", tmp_path / "told"
    leak = 'python3 -c "$0" "$1" "$2"; until [ -e "$3" ]; do sleep 0.1; done'
    kills = []

    def see(snapshot: MemorySnapshot) -> None:
        if snapshot.oom_kill:
            kills.append(snapshot)
            is_told.touch()
        elif snapshot.tasks:
            rests.touch()

    command = ["sh", "-c", leak, STORM_THEN_LEAK, str(large), str(rests), str(is_told)]
    async with asyncio.timeout(GENEROUS), scoperun.Scope(command, limits=limits) as scope:
        with watching(ScopeCgroup(cgroup_of(scope.start.pid), keeper=0), give=see, budget=budget):
            report = await scope.report()
    assert report.verdict == "oom-kill"
    assert kills[0].rested
    assert kills[0].prompted


async def test_a_command_that_lives_at_its_limit_costs_almost_nothing(
    story: Story, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel wakes the watch a hundred times a second; after a first burst this takes less than 1 % of the time.

    This measures the wall clock: the guest counts processor time in ticks, and a process that is woken by a tick and
    is done before the next one seems to use none.
    """
    waited, woken = 0.0, (0.0, 0.0)
    select = selectors.EpollSelector.select

    def timed_select(selector: selectors.EpollSelector, timeout: float | None = None) -> object:
        nonlocal waited, woken
        began = time.monotonic()
        ready = select(selector, timeout)
        ended = time.monotonic()
        waited += ended - began
        if timeout != 0:
            woken = ended, waited
        return ready

    monkeypatch.setattr(selectors.EpollSelector, "select", timed_select)
    command = ["python3", "-c", STORM, str(large)]
    rests = []
    async with asyncio.timeout(GENEROUS), scoperun.Scope(command, limits=scoperun.Limits(memory_max=20 * MIB)) as scope:
        async for event in scope.events():
            if isinstance(event, MemorySnapshot) and event.rested:
                rests.append(woken)  # with which the look after it began
            if len(rests) == RESTS:
                break
    elapsed, idle = (last - first for first, last in zip(rests[0], rests[-1], strict=True))
    assert elapsed - idle <= 0.01 * elapsed, f"{elapsed - idle:.3f} s of {elapsed:.2f} s"


@lab_only
@pytest.mark.parametrize(("word", "status"), [("exit 3", 3), ("kill -9 $$", -9), ("kill -15 $$", -15), ("exit 0", 0)])
def test_how_another_processs_child_ended_is_known_after_its_parent_reaped_it(word: str, status: int) -> None:
    """Needs Linux 6.15; the lab's kernel is newer."""
    parent = f"sh -c 'echo $$; read word; {word}'; echo it has asked"
    with subprocess.Popen(["sh", "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        child = int(line_from(run))
        endings = Endings()
        endings.watch({child})
        assert endings.wait_status(child) is None, "it lives"
        assert run.stdin is not None
        run.stdin.write(b"\n")
        run.stdin.flush()
        while line_from(run) != "it has asked":
            pass
        assert endings.wait_status(child) == status
        endings.close()
    assert endings.wait_status(child) is None


def test_processes_that_are_no_longer_watched_use_no_descriptor() -> None:
    before = os.listdir("/proc/self/fd")
    endings = Endings()
    endings.watch({os.getpid(), 1, 2**22 + 1})
    endings.watch({1})
    endings.close()
    assert os.listdir("/proc/self/fd") == before
