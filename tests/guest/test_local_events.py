"""As root: a cgroup hierarchy whose counters leave out descendants (memory_localevents, cgroups(7))."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .story import Story

pytestmark = pytest.mark.guest(user="root")

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_RELATIME = 2, 4, 8, 32, 1 << 21

BELOW = """
here=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
mkdir $here/rest $here/work
for pid in $(cat $here/cgroup.procs); do echo $pid >$here/rest/cgroup.procs; done 2>/dev/null
echo +memory >$here/cgroup.subtree_control
echo 10M >$here/work/memory.max
"""
"""Makes two cgroups below the scope, and moves the processes of the scope into the first."""

LEAKS_BELOW = "sh -c 'echo $$ >'$here'/work/cgroup.procs; exec ./bigleak2' >/dev/null; "


@pytest.fixture
def story(examples: Path, tmp_path: Path) -> Story:
    return Story(cwd=examples, report_file=tmp_path / "report.json")


@pytest.fixture(autouse=True)
def local_events() -> Iterator[None]:
    """Mount the hierarchy with memory_localevents for the test."""
    options = subprocess.check_output(["findmnt", "-nro", "FS-OPTIONS", "/sys/fs/cgroup"], text=True).strip()
    options = options.removeprefix("rw,")
    remount(f"{options},memory_localevents")
    yield
    remount(options)


def remount(options: str) -> None:
    """Mount the hierarchy with only these options; mount(8) would keep the present ones."""
    flags = MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.mount(b"cgroup2", b"/sys/fs/cgroup", b"cgroup2", ctypes.c_ulong(flags), options.encode())
    assert not failed, os.strerror(ctypes.get_errno())


def test_a_kill_in_a_cgroup_below_the_scope_is_counted(story: Story) -> None:
    script = f"{BELOW}{LEAKS_BELOW} exit 0"
    ending = story.run("--system", "--mem", "60M", "-p", "Delegate=yes", "--", "sh", "-c", script)
    assert (ending.verdict, ending.report["oom"]["kills"], ending.report["oom"]["limit_of"]) == ("oom-kill", 1, "scope")


def test_a_kill_in_a_removed_cgroup_is_known_from_the_log(story: Story) -> None:
    """Its counters are gone."""
    script = f"{BELOW}{LEAKS_BELOW} rmdir $here/work; exit 0"
    ending = story.run("--system", "--mem", "60M", "-p", "Delegate=yes", "--", "sh", "-c", script)
    assert ending.verdict == "oom-kill"
    assert ending.status == 0


def test_a_run_without_a_kill_is_reported_as_usual(story: Story) -> None:
    script = f"{BELOW} sh -c 'echo $$ >'$here'/work/cgroup.procs; exit 3'"
    assert story.run("--system", "--mem", "60M", "-p", "Delegate=yes", "--", "sh", "-c", script).verdict == "exit-code"
