"""A soft limit tells the command before the kernel kills, and a command that does not heed it is killed, not slowed."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from scoperun import InvalidValue, Limits, MiB, Scope, SoftMemory, Verdict
from scoperun.evidence.events import Event, SoftMemoryRestored
from tests.report_rows import head, rows

from .story import Ending, Story, pids_of
from .waiting import process_gone

pytestmark = pytest.mark.guest(suite="trixie")  # it depends on the kernel alone

LEAK = """
import mmap, os, select, signal, sys

blocks, times_told = [], 0

def grow():
    blocks.append(mmap.mmap(-1, 1 << 20))
    blocks[-1].write(b"x" * (1 << 20))

def free(*_):
    global times_told
    times_told += 1
    while blocks:
        blocks.pop().close()

def grow_till_told():
    before = times_told
    while times_told == before:
        grow()
"""
"""The functions of all these commands; Python alone takes some 8M."""

LEAKS = LEAK + "while True: grow()"
KEEPS = LEAK + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nfor _ in range(30): grow()\nsignal.pause()"
IGNORES = LEAK + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: grow()"
FREES = LEAK + "signal.signal(signal.SIGUSR1, free)\nwhile os.read(int(sys.argv[1]), 1): grow_till_told()"
LEAVES = (
    LEAK
    + """
parent = os.pidfd_open(os.getpid())
if os.fork() == 0:
    select.select([parent], [], [])
    while True: grow()
"""
)

SOFT = ("--soft-mem", "30M")


def python(program: str, *words: str) -> list[str]:
    return ["python3", "-c", program, *words]


def passings(ending: Ending) -> int:
    """Return how often the soft limit was passed, and the command told."""
    passed = ending.report["soft_memory"]["passed"]
    assert all(each["told"] and each["memory"] > 30 * MiB and each["at"] > 0 for each in passed)
    return len(passed)


def test_a_leaking_command_is_told_before_it_is_killed(story: Story) -> None:
    ending = story.run("--mem", "60M", *SOFT, "--", *python(LEAKS))
    assert (ending.status, ending.verdict, ending.report["oom"]) == (143, "signal", None)
    assert passings(ending) == 1
    assert not ending.report["soft_memory"]["killed"]
    assert head(ending.stderr).startswith("scoperun: ENDED BY SOFT LIMIT: python3 -c ")
    soft = rows(ending.stderr)["soft"]
    assert soft.startswith("30M passed after ")
    assert soft.endswith(" (--soft-mem 30M): SIGTERM sent")
    assert "warning" not in ending.stderr


def test_a_command_within_its_limit_is_not_told(story: Story) -> None:
    ending = story.run(*SOFT, "--", "true")
    assert (ending.status, ending.verdict) == (0, "success")
    assert ending.report["limits"]["memory_high"] == 30 * MiB
    assert ending.report["soft_memory"] == {"limit": 30 * MiB, "signal": "SIGTERM", "passed": [], "killed": False}
    assert ending.stderr.count("\n") == 1


def test_quiet_still_reports_a_passed_soft_limit(story: Story) -> None:
    ending = story.run("-q", "--mem", "60M", *SOFT, "--", *python(LEAKS))
    assert (ending.status, ending.verdict) == (143, "signal")
    assert "soft  30M passed after " in ending.stderr
    assert story.run("-qq", "--mem", "60M", *SOFT, "--", *python(LEAKS)).stderr == ""
    assert story.run("-q", *SOFT, "--", "sh", "-c", "kill $$").stderr == ""


def test_a_command_that_keeps_its_memory_is_killed_which_is_not_an_oom_kill(story: Story) -> None:
    ending = story.run("--mem", "90M", *SOFT, "--kill-after", "1s", "--", *python(KEEPS))
    assert (ending.status, ending.verdict, ending.report["oom"]) == (137, "signal", None)
    assert passings(ending) == 1
    assert ending.report["soft_memory"]["killed"]
    assert ending.report["memory"]["events"]["oom_kill"] == 0
    assert head(ending.stderr).startswith("scoperun: ENDED BY SOFT LIMIT: python3 -c ")
    assert rows(ending.stderr)["soft"].endswith(": SIGTERM sent; still above it after --kill-after: killed")


def test_a_kill_leaves_no_process(story: Story) -> None:
    script = 'trap "" TERM; python3 -c "$0" & python3 -c "$0" & wait'
    ending = story.run(*SOFT, "--kill-after", "1s", "--", "sh", "-c", script, KEEPS)
    assert (ending.status, ending.verdict) == (137, "signal")
    assert ending.report["left_running"] == []
    assert ending.report["soft_memory"]["killed"]


def test_a_told_command_that_reaches_the_hard_limit_is_an_oom_kill(story: Story) -> None:
    ending = story.run("--mem", "60M", *SOFT, "--", *python(IGNORES))
    assert (ending.status, ending.verdict) == (137, "oom-kill")
    assert passings(ending) == 1
    assert not ending.report["soft_memory"]["killed"]
    assert ending.report["oom"]["limit_of"] == "scope"


def test_page_cache_does_not_count_as_needed_memory(story: Story, tmp_path: Path) -> None:
    file = Path.home() / f"{tmp_path.name}.zeros"  # /tmp can be in memory
    try:
        ending = story.run(*SOFT, "--", "dd", "if=/dev/zero", f"of={file}", "bs=1M", "count=45")
    finally:
        file.unlink(missing_ok=True)
    assert (ending.status, passings(ending)) == (0, 0)
    assert ending.report["memory"]["events"]["high"] > 0


def test_a_leftover_is_told_while_it_is_waited_for(story: Story) -> None:
    ending = story.run("--wait", *SOFT, "--", *python(LEAVES))
    assert (ending.status, ending.verdict) == (0, "success")
    assert passings(ending) == 1


def test_a_leftover_is_not_slowed_by_the_soft_limit_after_scoperun(story: Story) -> None:
    ending = story.run(*SOFT, "--", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & true")
    cgroup = ending.report["cgroup"]
    high = Path(f"/sys/fs/cgroup{cgroup}/memory.high").read_text()
    for pid in pids_of(cgroup):
        os.kill(pid, signal.SIGKILL)
        process_gone(pid)
    assert (ending.status, high) == (0, "max\n")


async def test_a_command_that_frees_its_memory_goes_on_and_is_told_again(story: Story) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    limits, soft = Limits(memory_max=90 * MiB, timeout_stop=1), SoftMemory(30 * MiB, signal.SIGUSR1)
    async with Scope(python(FREES, str(reading)), limits=limits, soft_memory=soft) as scope:
        restored = restorations(scope.events())
        for _ in range(2):
            os.write(writing, b"x")
            await anext(restored)
        os.close(writing)
        report = await scope.report()
    os.close(reading)
    assert (report.verdict, report.limits.memory_high) == (Verdict.SUCCESS, 30 * MiB)
    assert report.soft_memory is not None
    assert [each.told for each in report.soft_memory.passed] == [True, True]
    assert (report.soft_memory.signal, report.soft_memory.killed) == ("SIGUSR1", False)


async def restorations(events: AsyncIterator[Event]) -> AsyncIterator[SoftMemoryRestored]:
    async for event in events:
        if isinstance(event, SoftMemoryRestored):
            yield event


async def test_the_soft_limit_of_a_running_scope_cannot_be_changed(story: Story) -> None:
    async with Scope(["sleep", "1000"], soft_memory=SoftMemory(30 * MiB)) as scope:
        with pytest.raises(InvalidValue, match="MemoryHigh= is the soft limit"):
            await scope.set_limits(Limits(memory_high=40 * MiB))


@pytest.mark.guest(swap="512M")
def test_a_command_that_is_swapped_out_at_its_soft_limit_is_told(story: Story) -> None:
    """Memory in swap is still needed: it counts for the limit."""
    ending = story.run(*SOFT, "--swap", "300M", "--", *python(LEAKS))
    assert (ending.status, ending.verdict) == (143, "signal")
    assert passings(ending) == 1


@pytest.mark.guest(swap="512M")
def test_a_command_that_keeps_its_memory_in_swap_is_killed(story: Story) -> None:
    ending = story.run("--mem", "35M", *SOFT, "--swap", "300M", "--kill-after", "1s", "--", *python(KEEPS))
    assert (ending.status, ending.verdict, ending.report["oom"]) == (137, "signal", None)
    assert ending.report["soft_memory"]["killed"]
