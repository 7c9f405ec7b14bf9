"""What is left in the scope is told as it is: what lives, what systemd is about to end, what it cannot end."""

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


def as_root(script: str) -> None:
    """Run a script of sh as root, which takes no password in a guest."""
    subprocess.run(["su", "root", "-c", script], check=True)


@pytest.fixture(scope="module")
def sudo() -> None:
    """Let this user become root."""
    as_root("echo 'tester ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/tester")


@contextmanager
def ended_afterwards(report: dict[str, Any]) -> Iterator[None]:
    """See to it that nothing is left of what was left."""
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
def test_what_the_users_manager_may_not_kill_ends_with_its_time_all_the_same(
    story: Story, sudo: None, command: list[str]
) -> None:
    """The user's systemd may not send root's process a signal, and has given the scope up."""
    ending = story.run("--timeout", "2s", "--kill-after", "1s", "--", *command)
    with ended_afterwards(ending.report):
        assert (ending.status, ending.report["verdict"]) == (124, "timeout")
        assert ending.report["left_running"] == []
        cgroup_gone(ending.report["cgroup"])


def test_so_it_does_with_kill_leftovers(story: Story, sudo: None) -> None:
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


def test_what_systemd_is_about_to_end_is_not_told_as_left(story: Story) -> None:
    script = "for i in $(seq 80); do sleep 1000 & done; exec sleep 1000"
    # One that is forked when the others are told to end is not told: it is killed.
    ending = story.run("--timeout", "1s", "--kill-after", "1s", "--", "sh", "-c", script)
    assert (ending.status, ending.report["left_running"]) == (124, [])
    assert "running" not in rows(ending.stderr)


def test_what_systemd_takes_long_to_end_is_waited_for(story: Story) -> None:
    """Somebody stops the scope; the command heeds that, its child does not until it is killed."""
    stop = "systemctl --user stop --no-block heeds.scope"
    script = f"(trap '' TERM; sleep 1000 >/dev/null 2>&1) & trap 'exit 6' TERM; {stop}; wait"
    ending = story.run("--unit", "heeds", "--kill-after", "2s", "--", "sh", "-c", script)
    assert (ending.status, ending.report["left_running"]) == (6, [])


def test_a_leftover_is_called_what_it_has_become(story: Story) -> None:
    """It had another name when the command ended, that of the shell that had forked it."""
    ending = story.run("--unit", "leaves", "--", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & exit 4")
    with ended_afterwards(ending.report):
        assert [left["name"] for left in ending.report["left_running"]] == ["sleep"]
    systemctl("list-units")


def test_a_hidden_leftover_lives_without_a_name(story: Story, sudo: None) -> None:
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


def test_a_peak_from_before_the_leftovers_were_stopped_is_not_the_peak(story: Story, tmp_path: Path) -> None:
    """One takes its memory when told to end; the other has to be killed, and systemd then kills the keeper too."""
    takes = "signal.signal(signal.SIGTERM, lambda *_: exit(len(bytearray(12 << 20)) % 2))"
    python = f"import signal; {takes}; print(flush=True); signal.pause()"
    script = f'python3 -c "{python}" >{tmp_path}/fifo 2>&1 & read line <{tmp_path}/fifo; {DEAF}'
    os.mkfifo(tmp_path / "fifo")
    ending = story.run("--mem", "60M", "--kill-leftovers", "--kill-after", "1s", "--", "sh", "-c", script)
    peak = ending.report["memory"]["peak"]
    assert (ending.status, ending.report["left_running"]) == (4, [])
    assert peak is None or peak > 12 << 20


def test_a_command_that_was_killed_before_its_leftovers_ran_out_of_memory_is_no_victim(story: Story) -> None:
    """All that was left is killed as a whole then, its counters with it."""
    script = "tail -f --pid $$ /dev/null >/dev/null && ./bigleak2 >/dev/null & kill -9 $$"
    ending = story.run("--wait", "--mem", "20M", "--oom-policy", "kill", "--", "sh", "-c", script)
    assert (ending.status, ending.verdict) == (137, "oom-kill")
    assert ending.report["pid"] not in {victim["pid"] for victim in ending.report["oom"]["victims"] or ()}
