"""What happens to systemd and to the bus while a command runs costs knowledge at most, never the command's status."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .lab_only import lab_only
from .story import GENEROUS, Story, cgroup_of, pids_of, systemctl
from .waiting import cgroup_gone, line_from, process_gone

WAITS = "echo $$; read word; "


class Run:
    """A command that waits for a word while something happens to what scoperun depends on."""

    def __init__(self, story: Story, options: tuple[str, ...], then: str) -> None:
        self._story = story
        self.scoperun = story.start("--unit", "life", *options, "--", "sh", "-c", WAITS + then)
        self.pid = int(line_from(self.scoperun))
        self.cgroup = cgroup_of(self.pid)

    def end(self) -> tuple[int, dict[str, Any]]:
        """Say the word; return the exit status and the report once all is over."""
        self.scoperun.communicate(b"on\n", timeout=GENEROUS)
        cgroup_gone(self.cgroup)
        return self.scoperun.returncode, self._story.report()


@contextmanager
def running(story: Story, *options: str, then: str = "exit 3") -> Iterator[Run]:
    """Run a command that waits for a word; leave none of its processes, however the test goes."""
    run = Run(story, options, then)
    try:
        yield run
    finally:
        run.scoperun.kill()
        run.scoperun.communicate()
        if Path(f"/sys/fs/cgroup{run.cgroup}").exists():
            systemctl("kill", "-s", "KILL", "life.scope")


def main_pid(unit: str) -> int:
    return int(systemctl("show", unit, "-P", "MainPID"))


def manager_pid() -> int:
    """Return the PID of the user manager, which is the parent of what it runs."""
    stat = Path(f"/proc/{main_pid('dbus.service')}/stat").read_text()
    return int(stat.rpartition(") ")[2].split()[1])


def reload() -> None:
    systemctl("daemon-reload")


def reexecute() -> None:
    """Systemd reads its state back and then answers again."""
    systemctl("daemon-reexec")
    systemctl("show", "-P", "Version")


def restart_bus() -> None:
    systemctl("reset-failed", "dbus.service")  # forgets how often: systemd would refuse the fifth start in a row
    systemctl("restart", "dbus.service")


def kill_bus() -> None:
    """The bus's socket is systemd's, who starts it again when somebody calls."""
    systemctl("reset-failed", "dbus.service")
    pid = main_pid("dbus.service")
    os.kill(pid, signal.SIGKILL)
    process_gone(pid)


pytestmark = lab_only

SURVIVED = [reload, reexecute]
LOST = [restart_bus, kill_bus]

every_event = pytest.mark.parametrize("happen", SURVIVED + LOST)
every_loss = pytest.mark.parametrize("happen", LOST)


@every_event
def test_the_limit_holds_and_the_status_is_the_commands_own(story: Story, happen: Callable[[], None]) -> None:
    with running(story, "--mem", "20M") as run:
        happen()
        limit = Path(f"/sys/fs/cgroup{run.cgroup}/memory.max").read_text()
        assert run.pid in pids_of(run.cgroup)
        status, report = run.end()
    assert limit == "20971520\n"
    assert (status, report["verdict"], report["exit_code"]) == (3, "exit-code", 3)
    assert report["memory"]["peak"] > 0
    assert report["left_running"] == []


@pytest.mark.parametrize("happen", SURVIVED)
def test_a_success_is_a_success_and_systemds_word_is_heard(story: Story, happen: Callable[[], None]) -> None:
    with running(story, then="exit 0") as run:
        happen()
        status, report = run.end()
    assert (status, report["verdict"], report["result"]) == (0, "success", "success")


@every_loss
def test_a_success_is_a_success_and_what_was_not_heard_is_null(story: Story, happen: Callable[[], None]) -> None:
    with running(story, then="exit 0") as run:
        happen()
        status, report = run.end()
    assert (status, report["verdict"], report["result"]) == (0, "success", None)
    assert {"source": "Result", "value": None} in report["evidence"]


@every_event
@pytest.mark.parametrize("policy", ["stop", "continue"])
def test_an_oom_afterwards_is_an_oom(story: Story, happen: Callable[[], None], policy: str) -> None:
    with running(story, "--mem", "20M", "--oom-policy", policy, then="exec ./bigleak2 >/dev/null") as run:
        happen()
        status, report = run.end()
    assert (status, report["verdict"]) == (137, "oom-kill")
    assert report["oom"]["kills"] == 1


@every_event
def test_an_oom_of_a_child_afterwards_is_an_oom(story: Story, happen: Callable[[], None]) -> None:
    then = "./bigleak2 >/dev/null; exit 5"
    with running(story, "--mem", "20M", "--oom-policy", "continue", then=then) as run:
        happen()
        status, report = run.end()
    assert (status, report["verdict"], report["exit_code"]) == (5, "oom-kill", 5)


@every_event
def test_an_oom_that_takes_the_counters_along_is_an_oom_or_unknown(story: Story, happen: Callable[[], None]) -> None:
    with running(story, "--mem", "20M", "--oom-policy", "kill", then="exec ./bigleak2 >/dev/null") as run:
        happen()
        status, report = run.end()
    assert status == 137
    assert report["verdict"] in ({"oom-kill", "unknown"} if report["result"] is None else {"oom-kill"})


@every_event
def test_a_plain_kill_afterwards_is_no_oom(story: Story, happen: Callable[[], None]) -> None:
    with running(story, "--mem", "20M", then="kill -9 $$") as run:
        happen()
        status, report = run.end()
    assert (status, report["verdict"]) == (137, "signal")


@every_event
def test_a_timeout_afterwards_still_ends_the_command(story: Story, happen: Callable[[], None]) -> None:
    """Whoever ended a command that had a time limit is not known where systemd was not heard."""
    with running(story, "--timeout", "3s", then="exec sleep 1000") as run:
        happen()
        status, report = run.end()
    heard = report["result"] is not None
    assert status == (124 if heard else 128 + signal.SIGTERM)
    assert report["verdict"] == ("timeout" if heard else "unknown")


@every_event
def test_a_signal_afterwards_is_passed_on(story: Story, happen: Callable[[], None]) -> None:
    with running(story) as run:
        happen()
        run.scoperun.terminate()
        run.scoperun.wait(GENEROUS)  # or else the word might come first
        status, report = run.end()
    assert (status, report["verdict"], report["signal"]) == (128 + signal.SIGTERM, "signal", signal.SIGTERM)


@every_event
def test_leftovers_do_not_make_scoperun_wait_for_ever(story: Story, happen: Callable[[], None]) -> None:
    """They are ended, or the report names them."""
    then = "sleep 1000 >/dev/null 2>&1 & echo $!; exit 3"
    with running(story, "--kill-leftovers", then=then) as run:
        happen()
        stdout, _ = run.scoperun.communicate(b"on\n", timeout=GENEROUS)
        report = story.report()
        named = {left["pid"] for left in report["left_running"]}
        assert (run.scoperun.returncode, report["verdict"]) == (3, "exit-code")
        assert named in ({int(stdout)}, set())
        if not named:
            process_gone(int(stdout))


def test_a_manager_that_falls_silent_costs_its_word_not_the_status(
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


def test_stopping_the_unit_ends_the_command_by_sigterm_which_is_no_timeout(story: Story) -> None:
    with running(story, "--timeout", "1h") as run:
        systemctl("stop", "life.scope")
        status, report = run.end()
    assert (status, report["verdict"], report["signal"]) == (128 + signal.SIGTERM, "signal", signal.SIGTERM)
    assert report["result"] == "success"


def stopped(story: Story, *options: str, script: str) -> int:
    """Have systemd stop the scope of a script of bash, and return the exit status."""
    run = story.start("--unit", "life", *options, "--", "bash", "-c", script)
    cgroup = cgroup_of(int(line_from(run)))
    systemctl("stop", "life.scope")
    run.communicate(timeout=GENEROUS)
    cgroup_gone(cgroup)
    return run.returncode


def test_stopping_the_unit_leaves_a_command_that_ends_in_order_its_status(story: Story) -> None:
    assert stopped(story, script="trap 'exit 7' TERM; echo $$; while :; do read word; done") == 7
    assert (story.report()["verdict"], story.report()["result"]) == ("exit-code", "success")


def test_stopping_a_unit_whose_command_ignores_it_is_not_our_timeout(story: Story) -> None:
    """124 says that --timeout ended the command, and it had an hour."""
    script = "trap '' TERM; echo $$; while :; do read word; done"
    assert stopped(story, "--timeout", "1h", "--kill-after", "1s", script=script) == 137


def test_killing_all_of_the_unit_is_no_oom(story: Story) -> None:
    """The keeper dies too, and the kernel's counters with it."""
    with running(story, "--mem", "20M") as run:
        systemctl("kill", "-s", "KILL", "life.scope")
        status, report = run.end()
    assert (status, report["signal"], report["oom"]) == (137, signal.SIGKILL, None)
    assert report["verdict"] in {"signal", "unknown"}
    assert report["left_running"] == []


@every_loss
def test_killing_all_of_the_unit_after_the_bus_is_lost_is_no_oom(story: Story, happen: Callable[[], None]) -> None:
    with running(story, "--mem", "20M") as run:
        happen()
        systemctl("kill", "-s", "KILL", "life.scope")
        status, report = run.end()
    assert (status, report["result"], report["oom"]) == (137, None, None)
    assert report["verdict"] in {"signal", "unknown"}
