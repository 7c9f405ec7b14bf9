"""The kernel's own report of a kill, as a user reads it that can read the system's journal but not /dev/kmsg."""

import asyncio
import grp
import os
import re
import shutil
from pathlib import Path

import pytest

from scoperun.kernel.log import KernelLog

from .hiding import JOURNALCTL, scoperun_without
from .records import read_all, read_report
from .story import GENEROUS, Story

GROUPS = {group.gr_name for group in grp.getgrall() if group.gr_gid in os.getgroups()}

pytestmark = [
    pytest.mark.guest(suite="trixie", also="bookworm-stock"),
    pytest.mark.skipif(
        not GROUPS & {"systemd-journal", "adm"},
        reason="this user may not read the journal; run: python -m tests.lab test",
    ),
]

EVERYBODY_MAY_READ = Path("/proc/sys/kernel/dmesg_restrict").read_text(encoding="ascii") == "0\n"


def no_child_is_left() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


async def test_the_report_has_the_limit_and_the_processes_from_the_kernels_log(story: Story) -> None:
    with KernelLog.open() as log:
        ending = story.run("--mem", "20M", "--oom-policy", "continue", "--", "sh", "-c", "./bigleak2; true")
        report = await read_report(log, ending.report["cgroup"])
    (victim,) = report.victims
    assert (victim.name, report.chosen, report.constraint) == ("bigleak2", victim.pid, "CONSTRAINT_MEMCG")
    assert report.oom_memcg == report.task_memcg == ending.report["cgroup"]
    assert (report.limit, report.swap_limit) == (20 * 2**20, 0)
    assert 15 * 2**20 < victim.anon_rss <= 20 * 2**20
    assert {"sh", "bigleak2"} <= {task.name for task in report.tasks}
    assert report.stat["anon"] >= victim.anon_rss - 2**20
    assert no_child_is_left()


async def test_every_victim_of_a_group_kill_is_named(story: Story) -> None:
    """The keeper is in the group, too.

    With OOMPolicy=kill systemd kills as well; the kernel does not name the processes that systemd kills first.
    """
    group_kill = 'echo 1 > "/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/memory.oom.group"; ./bigleak2; true'
    with KernelLog.open() as log:
        ending = story.run("--mem", "20M", "--oom-policy", "continue", "--", "sh", "-c", group_kill)
        report = await read_report(log, ending.report["cgroup"], victims=3)
    assert report.oom_group == ending.report["cgroup"]
    assert {victim.name for victim in report.victims} == {"sh", "bigleak2", "cat"}


@pytest.mark.parametrize("name", [b"two\nlines", b"\xff (x) \\x41", b"Killed process", b",task=x,pid=1"])
async def test_a_victim_is_named_as_it_named_itself(story: Story, tmp_path: Path, name: bytes) -> None:
    program = os.fsencode(tmp_path) + b"/" + name
    shutil.copy(story.cwd / "bigleak2", program)
    with KernelLog.open() as log:
        ending = story.run("--mem", "20M", "--", os.fsdecode(program))
        report = await read_report(log, ending.report["cgroup"])
    assert [os.fsencode(victim.name) for victim in report.victims] == [name]


@pytest.mark.guest(kernel="each")
def test_the_kernels_own_words_are_printed_below_the_report_on_request(story: Story) -> None:
    ending = story.run("--oom-log", "--mem", "20M", "--", "./bigleak2")
    report, _, quoted = ending.stderr.partition("invoked oom-killer: ")
    assert report.splitlines()[-2].startswith("     scope  ")
    victim = f"Killed process {ending.report['pid']} (bigleak2) "
    assert quoted.splitlines()[-1].startswith(f"Memory cgroup out of memory: {victim}")
    statistics = [line.split() for line in quoted.splitlines() if re.fullmatch("[a-z_]+ [0-9]+", line)]
    assert {"anon", "pagetables", "slab"} <= {name for name, _ in statistics}
    assert "0" not in {value for _, value in statistics}
    records = "\n".join(ending.report["oom"]["kernel_log"][0]["records"])
    assert re.search("^[a-z_]+ 0$", records, flags=re.MULTILINE)


@pytest.mark.skipif(EVERYBODY_MAY_READ, reason="everybody may read /dev/kmsg here")
def test_a_user_that_cannot_read_the_log_is_told_why(story: Story, tmp_path: Path) -> None:
    path = scoperun_without(JOURNALCTL, folder=tmp_path)
    ending = story.run("--oom-log", "--mem", "20M", "--", "./bigleak2", PATH=path)
    scope, reason = ending.stderr.splitlines()[-2:]
    assert scope.startswith("     scope  ")
    assert reason.startswith("scoperun: this user is not allowed to read the kernel log, and there is no journalctl ")
    assert reason == f"scoperun: {ending.report['oom']['kernel_log_reason']}"


def test_only_the_systems_journalctl_is_run(story: Story, tmp_path: Path) -> None:
    forger = tmp_path / "journalctl"
    forger.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n", encoding="ascii")
    forger.chmod(0o755)
    ending = story.run("--mem", "20M", "--", "./bigleak2", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert [victim["source"] for victim in ending.report["oom"]["victims"]] == ["kernel log"]
    assert not (tmp_path / "asked").exists()


async def test_older_records_are_not_read(story: Story) -> None:
    with KernelLog.open() as log:
        first = story.run("--unit", "again", "--mem", "20M", "--", "./bigleak2")
        await read_report(log, first.report["cgroup"])
    with KernelLog.open() as log:
        assert await read_all(log, within=0.5) == []


async def test_a_cancelled_reading_leaves_nothing_behind() -> None:
    with KernelLog.open() as log:
        reading = asyncio.create_task(read_all(log, within=GENEROUS))
        await asyncio.sleep(0)  # in which it starts
        assert not no_child_is_left()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert no_child_is_left()


def test_a_journalctl_that_needs_longer_than_the_log_is_silent_is_waited_for(story: Story, tmp_path: Path) -> None:
    """As on a machine that is short of memory, or whose disk is busy."""
    shutil.copy(JOURNALCTL, tmp_path / "journalctl")
    slow = tmp_path / "slow"
    slow.write_text(f'#!/bin/sh\nsleep 3\nexec {tmp_path}/journalctl "$@"\n')
    slow.chmod(0o755)
    path = scoperun_without(JOURNALCTL, folder=tmp_path, by=str(slow))
    ending = story.run("--mem", "20M", "--", "sh", "-c", "./bigleak2; exit 3", PATH=path)
    (victim,) = ending.report["oom"]["victims"]
    assert (victim["name"], victim["source"]) == ("bigleak2", "kernel log")
