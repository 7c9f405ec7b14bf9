"""What is left in the scope: processes that go on, that systemd is about to end, and that it cannot end."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.report_rows import rows

from .here import lab_only
from .story import Story, systemctl
from .waiting import cgroup_gone

pytestmark = lab_only

DEAF = "trap '' TERM; sleep 1000 >/dev/null 2>&1 & exit 4"

BUSY = "while :; do :; done"


def as_root(script: str) -> None:
    """Run a shell script as root, which needs no password in a guest."""
    subprocess.run(["su", "root", "-c", script], check=True)


@pytest.fixture(scope="module")
def sudo() -> None:
    """Let this user become root."""
    as_root("echo 'tester ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/tester")


@contextmanager
def ended_afterwards(report: dict[str, Any]) -> Iterator[None]:
    """Kill the remaining processes of the scope afterwards."""
    try:
        yield
    finally:
        as_root(f"echo 1 >/sys/fs/cgroup{report['cgroup']}/cgroup.kill || true")


@pytest.mark.parametrize(
    "command",
    [
        ["sh", "-c", "sudo -b sleep 1000 </dev/null >/dev/null 2>&1; exec sleep 1000"],
        ["sh", "-c", "trap '' TERM; sudo sleep 1000"],
        ["sudo", "sleep", "1000"],
    ],
)
def test_a_timeout_ends_processes_that_the_users_manager_cannot_kill(
    story: Story, sudo: None, command: list[str]
) -> None:
    """The user's systemd cannot send a signal to a process of root, and gives the scope up."""
    ending = story.run("--timeout", "2s", "--kill-after", "1s", "--", *command)
    with ended_afterwards(ending.report):
        assert (ending.status, ending.report["verdict"]) == (124, "timeout")
        assert ending.report["left_running"] == []
        cgroup_gone(ending.report["cgroup"])


@pytest.mark.parametrize("command", [["sudo", "sh", "-c", BUSY], ["sh", "-c", f"trap '' TERM; sudo sh -c '{BUSY}'"]])
def test_cpu_time_ends_processes_that_the_users_manager_cannot_kill(
    story: Story, sudo: None, command: list[str]
) -> None:
    ending = story.run("--cpu-time", "500ms", "--kill-after", "1s", "--", *command)
    with ended_afterwards(ending.report):
        assert (ending.status, ending.report["verdict"]) == (124, "timeout")
        assert ending.report["left_running"] == []
        cgroup_gone(ending.report["cgroup"])


def test_kill_leftovers_ends_processes_that_the_users_manager_cannot_kill(story: Story, sudo: None) -> None:
    words = ("--kill-leftovers", "--kill-after", "1s", "--", "sh", "-c")
    ending = story.run(*words, "sudo -b sleep 1000 </dev/null >/dev/null 2>&1; exit 4")
    with ended_afterwards(ending.report):
        assert (ending.status, ending.report["left_running"]) == (4, [])
        cgroup_gone(ending.report["cgroup"])


@pytest.mark.parametrize("option", ["--kill-leftovers", "--wait"])
def test_a_leftover_that_systemd_must_not_kill_is_not_waited_for(story: Story, option: str) -> None:
    words = (option, "--timeout", "2s", "--kill-after", "1s", "-p", "SendSIGKILL=no", "--", "sh", "-c", DEAF)
    ending = story.run(*words)
    with ended_afterwards(ending.report):
        assert [left["name"] for left in ending.report["left_running"]] == ["sleep"]
        assert ending.report["result"] == ("timeout" if option == "--wait" else "success")
        assert ending.status == (124 if option == "--wait" else 4)


def test_processes_that_systemd_is_about_to_end_are_not_reported_as_left(story: Story) -> None:
    script = "for i in $(seq 80); do sleep 1000 & done; exec sleep 1000"
    # A process that is forked while the others get SIGTERM gets none; it is killed later.
    ending = story.run("--timeout", "1s", "--kill-after", "1s", "--", "sh", "-c", script)
    assert (ending.status, ending.report["left_running"]) == (124, [])
    assert "running" not in rows(ending.stderr)


def test_scoperun_waits_while_systemd_ends_processes_slowly(story: Story) -> None:
    """The scope is stopped from outside; the command exits at SIGTERM, but its child only at SIGKILL."""
    stop = "systemctl --user stop --no-block heeds.scope"
    script = f"(trap '' TERM; sleep 1000 >/dev/null 2>&1) & trap 'exit 6' TERM; {stop}; wait"
    ending = story.run("--unit", "heeds", "--kill-after", "2s", "--", "sh", "-c", script)
    assert (ending.status, ending.report["left_running"]) == (6, [])


def test_a_leftover_has_the_name_of_the_program_that_it_became(story: Story) -> None:
    """It was forked with the name of the shell. The command ends only when it has the other one."""
    script = "sleep 1000 >/dev/null 2>&1 & until read name </proc/$!/comm && [ $name = sleep ]; do :; done; exit 4"
    ending = story.run("--unit", "leaves", "--", "sh", "-c", script)
    with ended_afterwards(ending.report):
        assert [left["name"] for left in ending.report["left_running"]] == ["sleep"]
    systemctl("list-units")


def test_a_hidden_leftover_is_reported_without_a_name(story: Story, sudo: None) -> None:
    as_root("mount -o remount,hidepid=2 /proc")
    try:
        ending = story.run("--", "sh", "-c", "sudo -b sleep 1000 </dev/null >/dev/null 2>&1; exit 4")
    finally:
        as_root("mount -o remount,hidepid=0 /proc")
    with ended_afterwards(ending.report):
        assert ending.status == 4
        assert {left["name"] for left in ending.report["left_running"]} == {None}
        told = rows(ending.stderr)
        assert told["running"].startswith("a process[")
        assert told["running"].endswith("], still in this scope and under its limits")
        assert told["to stop"] == f"systemctl --user stop {ending.report['unit']}"


def test_a_peak_read_before_the_leftovers_were_stopped_is_not_reported(story: Story, tmp_path: Path) -> None:
    """One process takes memory at SIGTERM; the other needs SIGKILL, and systemd then kills the keeper too."""
    takes = "signal.signal(signal.SIGTERM, lambda *_: exit(len(bytearray(12 << 20)) % 2))"
    python = f"import signal; {takes}; print(flush=True); signal.pause()"
    script = f'python3 -c "{python}" >{tmp_path}/fifo 2>&1 & read line <{tmp_path}/fifo; {DEAF}'
    os.mkfifo(tmp_path / "fifo")
    ending = story.run("--mem", "60M", "--kill-leftovers", "--kill-after", "1s", "--", "sh", "-c", script)
    peak = ending.report["memory"]["peak"]
    assert (ending.status, ending.report["left_running"]) == (4, [])
    assert peak is None or peak > 12 << 20


def test_a_command_killed_before_its_leftovers_ran_out_of_memory_is_not_a_victim(story: Story) -> None:
    """The whole scope is then killed as one, and the counters are gone."""
    script = "tail -f --pid $$ /dev/null >/dev/null && ./bigleak2 >/dev/null & kill -9 $$"
    ending = story.run("--wait", "--mem", "20M", "--oom-policy", "kill", "--", "sh", "-c", script)
    assert (ending.status, ending.verdict) == (137, "oom-kill")
    assert ending.report["pid"] not in {victim["pid"] for victim in ending.report["oom"]["victims"] or ()}
