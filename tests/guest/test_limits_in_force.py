"""The report has the limits that were in force at the kill and at the end, as the kernel or systemd states them."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.report_rows import head, rows

from .here import lab_only
from .life import running
from .story import GENEROUS, Story, systemctl
from .waiting import cgroup_gone, process_gone

pytestmark = lab_only

MIB = 1 << 20
THREADED = (
    "import threading; thread = threading.Thread(target=sum, args=(range(10**7),)); thread.start(); thread.join()"
)
HAS_40M = "python3 -c 'bytearray(40 << 20)'"


def test_a_limit_lowered_from_outside_is_reported_as_the_one_that_killed(story: Story) -> None:
    script = "systemctl --user set-property --runtime lowered.scope MemoryMax=20M; exec ./bigleak2"
    ending = story.run("--unit", "lowered", "--mem", "200M", "--", "sh", "-c", script)
    assert (ending.status, ending.verdict) == (137, "oom-kill")
    assert (ending.report["oom"]["limit_of"], ending.report["oom"]["limit"]) == ("scope", 20 * MIB)
    assert ending.report["limits"]["memory_max"] == 20 * MIB
    assert ending.report["limits_changed"] == {"memory_max": 200 * MIB}
    assert rows(ending.stderr)["killed"].endswith(" at this scope's limit of 20M")
    assert "limit of 200M" not in ending.stderr


def test_a_limit_lowered_by_the_command_is_reported_as_the_one_that_killed(story: Story) -> None:
    script = "echo 20M >/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/memory.max; exec ./bigleak2"
    ending = story.run("--mem", "200M", "--", "sh", "-c", script)
    assert (ending.verdict, ending.report["oom"]["limit"]) == ("oom-kill", 20 * MIB)
    assert ending.report["limits_changed"] == {"memory_max": 200 * MIB}


def test_a_raised_limit_is_not_reported_as_reached(story: Story) -> None:
    script = f"systemctl --user set-property --runtime raised.scope MemoryMax=200M TasksMax=100; {HAS_40M}"
    ending = story.run("--unit", "raised", "--mem", "20M", "--tasks", "50", "--", "sh", "-c", script)
    assert (ending.status, ending.verdict) == (0, "success")
    assert ending.report["limits"] | {"memory_max": 200 * MIB, "tasks_max": 99} == ending.report["limits"]
    assert ending.report["limits_changed"] == {"memory_max": 20 * MIB, "tasks_max": 50}
    assert "of 20M" not in ending.stderr
    assert "(MemoryMax= was 20M at the start, 200M at the end)" in head(ending.stderr)


def test_a_limit_that_was_read_late_is_not_reported_as_reached(story: Story) -> None:
    """While scoperun is stopped the command runs out of memory at 20M and at 30M, and its last limit is 12M."""
    here = "/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)"
    then = f"./bigleak2; echo 30M >{here}/memory.max; ./bigleak2; echo 12M >{here}/memory.max; exit 0"
    with running(story, "--mem", "20M", "--oom-policy", "continue", name="late", then=then) as run:
        os.kill(run.scoperun.pid, signal.SIGSTOP)
        run.scoperun.stdin.write(b"on\n")  # type: ignore[union-attr]
        run.scoperun.stdin.flush()  # type: ignore[union-attr]
        process_gone(run.pid)
        os.kill(run.scoperun.pid, signal.SIGCONT)
        assert run.scoperun.wait() == 0
        oom = run.report()["oom"]
    assert (oom["kills"], oom["limit_of"]) == (2, "scope")
    assert oom["limit"] in {30 * MIB, None}, "the kernel's log alone can tell"
    assert oom["needed"] == oom["limit"]


@contextmanager
def drop_in(text: str) -> Iterator[None]:
    """Add a drop-in for every scope of this user's manager, which overrides what scoperun asks for."""
    file = Path.home() / ".config/systemd/user/scope.d/test.conf"
    file.parent.mkdir(parents=True)
    file.write_text(f"[Scope]\n{text}\n")
    systemctl("daemon-reload")
    try:
        yield
    finally:
        file.unlink()
        file.parent.rmdir()
        systemctl("daemon-reload")


def test_a_time_limit_from_a_drop_in_is_in_force(story: Story) -> None:
    with drop_in("RuntimeMaxSec=1"):
        ending = story.run("--", "sleep", "1000")
        asked = story.run("--timeout", "1h", "--", "sleep", "1000")
    for each in (ending, asked):
        assert (each.status, each.verdict, each.report["limits"]["runtime_max"]) == (124, "timeout", 1)
    # It is not the time that the user has asked for.
    assert head(ending.stderr) == head(asked.stderr) == "scoperun: TIMED OUT after 1s (RuntimeMaxSec=): sleep 1000"


@pytest.mark.parametrize("asked", [(), ("--timeout", "1h")])
def test_a_time_limit_that_comes_while_the_command_runs_is_told(story: Story, asked: tuple[str, ...]) -> None:
    with running(story, *asked, name="long", then="exec sleep 1000") as run, drop_in("RuntimeMaxSec=1"):
        run.scoperun.stdin.write(b"on\n")  # type: ignore[union-attr]
        run.scoperun.stdin.flush()  # type: ignore[union-attr]
        status = run.scoperun.wait()
        report = run.report()
    assert (status, report["verdict"], report["limits"]["runtime_max"]) == (124, "timeout", 1)
    assert report["limits_changed"] == {"runtime_max": 3600 if asked else None}


def test_a_time_limit_that_ends_the_run_after_an_oom_kill_of_a_child_is_told_too(story: Story) -> None:
    options = ("--mem", "20M", "--oom-policy", "continue", "--timeout", "2s")
    ending = story.run(*options, "--", "sh", "-c", "./bigleak2; exec sleep 1000")
    assert (ending.status, ending.verdict, ending.report["result"]) == (124, "oom-kill", "timeout")
    assert "TIMED OUT after 2s (--timeout), and a child RAN OUT OF MEMORY" in " ".join(ending.stderr.split())


def test_the_stop_timeout_from_a_drop_in_applies_to_the_soft_limit_too(story: Story) -> None:
    """Scoperun waits for the drop-in's second, not for the hour that was asked for."""
    with drop_in("TimeoutStopSec=1"):
        script = (
            "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); kept = bytearray(40 << 20); signal.pause()"
        )
        ending = story.run("--soft-mem", "20M", "--kill-after", "1h", "--", "python3", "-c", script)
    assert (ending.status, ending.report["soft_memory"]["killed"]) == (137, True)


@pytest.mark.parametrize("threads", [False, True])
def test_a_command_that_ended_while_scoperun_was_stopped_is_not_a_timeout(story: Story, threads: bool) -> None:
    """If it had more threads the kernel does not tell when it ended, and then the report does not either.

    systemd ended the scope meanwhile; before version 259 it does not count OOM kills.
    """
    then = f"exec python3 -c '{THREADED if threads else 'pass'}'"
    with running(story, "--timeout", "10s", "--kill-after", "1s", name="asleep", then=then) as run:
        os.kill(run.scoperun.pid, signal.SIGSTOP)
        run.scoperun.stdin.write(b"on\n")  # type: ignore[union-attr]
        run.scoperun.stdin.flush()  # type: ignore[union-attr]
        process_gone(run.pid)
        cgroup_gone(run.cgroup)  # once the time is over
        os.kill(run.scoperun.pid, signal.SIGCONT)
        assert run.scoperun.wait() == 0
        report = run.report()
    assert (report["result"], report["exit_code"]) == ("timeout", 0)
    if threads:
        assert (report["verdict"], report["runtime"]) == ("unknown", None)
    else:
        assert report["verdict"] in {"success", "unknown"}
        assert report["runtime"] < 10


def test_a_timeout_is_recognized_in_a_time_namespace(story: Story) -> None:
    """Systemd's timestamps are on the machine's clock."""
    unshare = ("unshare", "--map-root-user", "--time", "--monotonic", "50000", "--boottime", "70000", "--fork")
    words = ("scoperun", "--timeout", "1s", "--report", str(story.report_file), "--", "sleep", "1000")
    assert subprocess.run([*unshare, *words], check=False, timeout=GENEROUS).returncode == 124
    assert story.report()["verdict"] == "timeout"


def test_a_stop_that_begins_before_the_time_limit_and_ends_after_it_is_not_our_timeout(story: Story) -> None:
    options = ("--timeout", "2s", "--kill-after", "3s")
    with running(story, *options, name="stopped", then="trap '' TERM; echo; while :; do read word; done") as run:
        run.scoperun.stdin.write(b"on\n")  # type: ignore[union-attr]
        run.scoperun.stdin.flush()  # type: ignore[union-attr]
        os.read(run.scoperun.stdout.fileno(), 1)  # type: ignore[union-attr]
        systemctl("stop", "--no-block", "stopped.scope")
        status = run.scoperun.wait()
        report = run.report()
    assert (status, report["signal"]) == (128 + signal.SIGKILL, signal.SIGKILL)
    assert report["runtime"] > 2
