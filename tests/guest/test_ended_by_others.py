"""The unit is stopped from outside, or systemd stops answering: the status is the command's, and nothing is guessed."""

import os
import signal
from pathlib import Path

import pytest

from .here import lab_only
from .life import main_pid, running
from .story import GENEROUS, Story, cgroup_of, systemctl
from .waiting import cgroup_gone, line_from

pytestmark = lab_only


def manager_pid() -> int:
    """Return the PID of the user manager, which is the parent of the processes that it runs."""
    stat = Path(f"/proc/{main_pid('dbus.service')}/stat").read_text()
    return int(stat.rpartition(") ")[2].split()[1])


def test_a_manager_that_stops_answering_does_not_change_the_status(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSTEMD_BUS_TIMEOUT", "2s")
    with running(story, "--mem", "20M") as run:
        manager = manager_pid()
        os.kill(manager, signal.SIGSTOP)
        try:
            run.scoperun.communicate(b"on\n", timeout=GENEROUS)
        finally:
            os.kill(manager, signal.SIGCONT)
        cgroup_gone(run.cgroup)
        report = story.report()
    assert (run.scoperun.returncode, report["verdict"], report["result"]) == (3, "exit-code", None)


def test_stopping_the_unit_kills_the_command_with_sigterm_and_is_not_a_timeout(story: Story) -> None:
    with running(story, "--timeout", "1h") as run:
        systemctl("stop", "life.scope")
        status, report = run.end()
    assert (status, report["verdict"], report["signal"]) == (128 + signal.SIGTERM, "signal", signal.SIGTERM)
    assert report["result"] == "success"


def stopped(story: Story, *options: str, script: str) -> int:
    """Stop the scope of a bash script through systemd, and return the exit status."""
    run = story.start("--unit", "life", *options, "--", "bash", "-c", script)
    cgroup = cgroup_of(int(line_from(run)))
    systemctl("stop", "life.scope")
    run.communicate(timeout=GENEROUS)
    cgroup_gone(cgroup)
    return run.returncode


def test_a_command_that_handles_the_stop_keeps_its_status(story: Story) -> None:
    assert stopped(story, script="trap 'exit 7' TERM; echo $$; while :; do read word; done") == 7
    assert (story.report()["verdict"], story.report()["result"]) == ("exit-code", "success")


def test_stopping_a_unit_whose_command_ignores_sigterm_is_not_our_timeout(story: Story) -> None:
    """Status 124 means that --timeout ended the command, which had an hour."""
    script = "trap '' TERM; echo $$; while :; do read word; done"
    assert stopped(story, "--timeout", "1h", "--kill-after", "1s", script=script) == 137


def test_killing_the_whole_unit_is_not_an_oom(story: Story) -> None:
    """The keeper dies too, and the kernel's counters are gone."""
    with running(story, "--mem", "20M") as run:
        systemctl("kill", "-s", "KILL", "life.scope")
        status, report = run.end()
    assert (status, report["signal"], report["oom"]) == (137, signal.SIGKILL, None)
    assert report["verdict"] in {"signal", "unknown"}
    assert report["left_running"] == []
