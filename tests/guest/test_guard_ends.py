"""What ends when scoperun, its parent or its guard ends, and what does not."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import scoperun
from scoperun import Limits, MiB, Scope

from .aftermath import detached, detached_gone, units_gone
from .story import GENEROUS, Story, cgroup_of, pids_of, systemctl, transient_units
from .test_pid_namespaces import OWN_PROC
from .waiting import cgroup_gone, line_from, process_gone

STUBBORN = "trap '' TERM; sleep 1000 & echo $$; wait; sleep 1000"
"""A command with a child, both of which ignore SIGTERM."""

OPTIONS = ("--die-with-scoperun", "--unit", "dies", "--kill-after", "200ms", "--")
PATTERNS = ("dies*.scope", "guard-of-scoperun-*.scope")

every_end = pytest.mark.parametrize("script", ["echo $$; exec sleep 1000", STUBBORN], ids=["mild", "stubborn"])


@pytest.fixture(autouse=True)
def nothing_left(story: Story) -> Iterator[None]:
    """Wait until nothing is left, and fail if that does not happen."""
    before = detached()
    yield
    units_gone(PATTERNS)
    detached_gone(before)


def guard_unit() -> str:
    (unit,) = (name for name in transient_units() if name.startswith("guard-of-"))
    return unit


def guard_pid() -> int:
    (pid,) = pids_of(systemctl("show", guard_unit(), "-P", "ControlGroup").strip())
    return pid


def started(story: Story, *words: str) -> tuple["subprocess.Popen[bytes]", int]:
    """Start scoperun with a command that prints its PID; return both."""
    run = story.start(*words)
    return run, int(line_from(run))


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@every_end
def test_a_frozen_scope_ends_with_scoperun(story: Story, script: str) -> None:
    """The systemd of 257 and later does not stop it, so the guard has the kernel kill it."""
    run, command = started(story, *OPTIONS, "sh", "-c", script)
    scope = cgroup_of(command)
    systemctl("freeze", "dies.scope")
    run.kill()
    run.communicate(timeout=GENEROUS)
    cgroup_gone(scope)


@every_end
def test_the_end_of_the_guard_stops_the_scope_and_is_not_called_out_of_memory(story: Story, script: str) -> None:
    run, _ = started(story, "--mem", "50M", *OPTIONS, "sh", "-c", script)
    os.kill(guard_pid(), signal.SIGKILL)
    run.communicate(timeout=GENEROUS)
    report = story.report()
    assert report["verdict"] in {"signal", "timeout"}
    assert (report["oom"], report["signal"]) == (None, 15 if script != STUBBORN else 9)


def test_stopping_the_guard_ends_it_at_once(story: Story) -> None:
    """As at the end of a session, which would wait for a process that blocks SIGTERM."""
    run, _ = started(story, *OPTIONS, "sh", "-c", "echo $$; exec sleep 1000")
    systemctl("stop", guard_unit())
    assert run.wait(GENEROUS) == 143
    run.communicate()


def test_an_oom_kill_has_its_verdict(story: Story) -> None:
    ending = story.run("--mem", "20M", *OPTIONS, "./bigleak2")
    assert (ending.status, ending.verdict, ending.report["oom"]["limit_of"]) == (137, "oom-kill", "scope")


def test_a_normal_end_leaves_neither_unit_nor_process(story: Story) -> None:
    before, processes = transient_units(), detached()
    ending = story.run(*OPTIONS, "sh", "-c", "exit 3")
    assert (ending.status, ending.verdict, ending.report["left_running"]) == (3, "exit-code", [])
    assert transient_units() <= before
    assert detached() <= processes


def test_what_the_command_leaves_ends_too(story: Story) -> None:
    ending = story.run(*OPTIONS, "sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!; exit 3")
    assert (ending.status, ending.report["left_running"]) == (3, [])
    assert not is_there(int(ending.stdout))


def test_a_stopped_scoperun_ends_nothing(story: Story) -> None:
    run, command = started(story, *OPTIONS, "sh", "-c", "echo $$; read word; exit 3")
    run.send_signal(signal.SIGSTOP)
    systemctl("daemon-reload")
    assert is_there(command)
    assert is_there(guard_pid())
    run.send_signal(signal.SIGCONT)
    run.communicate(b"on\n", timeout=GENEROUS)
    assert run.returncode == 3


def test_it_ends_with_scoperun_also_after_systemd_was_executed_again(story: Story) -> None:
    run, command = started(story, *OPTIONS, "sh", "-c", "echo $$; exec sleep 1000")
    systemctl("daemon-reexec")
    systemctl("show", "-P", "Version")
    assert is_there(command)
    run.kill()
    run.communicate(timeout=GENEROUS)
    process_gone(command)


def test_a_delegated_scope_ends_with_scoperun(story: Story) -> None:
    script = "here=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); mkdir $here/a; echo $$ >$here/a/cgroup.procs; "
    run, command = started(story, "-p", "Delegate=yes", *OPTIONS, "sh", "-c", f"{script}{STUBBORN}")
    run.kill()
    run.communicate(timeout=GENEROUS)
    process_gone(command)


def test_the_guard_is_not_a_run_for_scopectl(story: Story) -> None:
    run, _ = started(story, *OPTIONS, "sh", "-c", "echo $$; read word")
    listed = subprocess.run(["scopectl", "list", "--no-legend"], capture_output=True, text=True, check=True).stdout
    assert [row.split()[0] for row in listed.splitlines()] == ["dies.scope"]
    subprocess.run(["scopectl", "stop", "*guard*"], capture_output=True, check=False)
    assert is_there(guard_pid())
    shown = systemctl("show", guard_unit(), "-P", "Description")
    assert f"Guard of process {run.pid} " in shown
    run.communicate(b"\n", timeout=GENEROUS)


def state(unit: str) -> str:
    return systemctl("show", unit, "-P", "ActiveState").strip()


@contextmanager
def empty_scope(owner: int) -> Iterator[str]:
    """Give the scope of a guard that was dead when systemd moved it."""
    zombie, unit = subprocess.Popen(["true"]), f"guard-of-scoperun-{owner}-00.scope"
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    manager = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
    start = ("StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "fail", "1", "PIDs", "au", "1", str(zombie.pid), "0")
    subprocess.run(["busctl", "--user", "call", *manager, *start], check=True, capture_output=True)
    systemctl("start", unit)  # ends with the job that is queued
    yield unit
    zombie.wait()


def test_a_guard_stops_the_empty_scopes_of_guards_that_died_while_systemd_moved_them(story: Story) -> None:
    """And not those of processes that live: they might be about to start."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    with empty_scope(gone.pid) as stale, empty_scope(os.getpid()) as living:
        assert [state(stale), state(living)] == ["active", "active"]
        assert story.run(*OPTIONS, "true").status == 0
        units_gone([stale])
        assert state(living) == "active"
        systemctl("stop", living)


@every_end
def test_the_end_of_the_parent_stops_the_command_and_is_reported(story: Story, script: str) -> None:
    words = ["scoperun", "--report", str(story.report_file), "--die-with-parent", *OPTIONS, "sh", "-c", script]
    parent = subprocess.Popen(
        ["sh", "-c", '"$@" & wait', "sh", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    scope = cgroup_of(int(line_from(parent)))
    (runner,) = children(parent.pid)
    parent.kill()
    parent.wait()
    process_gone(runner)
    cgroup_gone(scope)
    assert parent.stdout is not None
    parent.stdout.close()
    report = story.report()
    assert report["signal"] == (15 if script != STUBBORN else 9)
    assert report["verdict"] in {"signal", "timeout"}


def test_a_frozen_scope_ends_with_the_parent(story: Story) -> None:
    watched = subprocess.Popen(["sleep", "1000"])
    run, _ = started(story, f"--die-with-parent={watched.pid}", *OPTIONS, "sh", "-c", STUBBORN)
    systemctl("freeze", "dies.scope")
    watched.kill()
    watched.wait()
    run.communicate(timeout=GENEROUS)
    assert story.report()["signal"] == 9


def test_another_users_process_is_not_watched(story: Story) -> None:
    line = story.refused("--die-with-parent=1", "--", "true")
    assert line == "scoperun: --die-with-parent=1: process 1 is another user's\n"


def test_a_parent_outside_of_the_pid_namespace_is_refused(story: Story) -> None:
    refused = subprocess.run([*OWN_PROC, "scoperun", "--die-with-parent", "true"], capture_output=True, check=False)
    assert refused.returncode == 125
    assert refused.stderr.startswith(b"scoperun: --die-with-parent: the parent is outside of this PID namespace")
    assert refused.stderr.count(b"\n") == 1


async def test_runs_of_a_program_share_a_guard_and_a_stop_ends_one_of_them(story: Story) -> None:
    options = {"limits": Limits(memory_max=20 * MiB, timeout_stop=0.2), "die_with_scoperun": True}
    async with (
        Scope(["sleep", "1000"], slice="dies", **options) as one,
        Scope(["sleep", "1000"], unit="dies-2", **options) as other,
    ):
        unit = guard_unit()
        await one.freeze()
        await one.stop()
        assert (await one.report()).signal == 15
        assert guard_unit() == unit
        report = await scoperun.run(["true"], die_with_scoperun=True)
        assert report.exit_code == 0
        os.kill(guard_pid(), signal.SIGKILL)
        assert (await other.report()).signal == 15


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
