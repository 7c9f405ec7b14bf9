"""A scope that has used up its processor time is stopped, however many processes used it, and nothing else is."""

import asyncio
import os
import signal

import pytest

from scoperun import Limits, MiB, Scope, Verdict, run
from scoperun.evidence.events import CpuTimeChecked
from tests.report_rows import head, rows

from .story import GENEROUS, Story
from .waiting import cgroup_gone, line_from

pytestmark = pytest.mark.guest(suite="trixie")  # it depends on the kernel alone

BUSY = "while :; do :; done"


def test_a_busy_command_is_stopped_like_one_that_timed_out(story: Story) -> None:
    ending = story.run("--cpu-time", "500ms", "--", "sh", "-c", BUSY)
    report = ending.report
    assert (ending.status, ending.verdict, report["signal"]) == (124, "timeout", signal.SIGTERM)
    assert report["limits"]["cpu_time"] == 0.5
    assert report["cpu_time_checks"] > 0
    weightiest, *_ = report["evidence"]
    assert weightiest["source"] == "cpu.stat usage_usec"
    assert weightiest["value"] >= 500_000
    assert head(ending.stderr).startswith("scoperun: TIMED OUT after 500ms of processor time (--cpu-time): ")
    assert rows(ending.stderr)["cpu"].endswith(" of 500ms")
    assert rows(ending.stderr)["ended"] == "SIGTERM"
    assert report["left_running"] == []


def test_what_several_processes_use_is_added_up(story: Story) -> None:
    """Also what those used that have ended."""
    script = (
        f'sh -c "i=0; while [ \\$i -lt 20000 ]; do i=\\$((i+1)); done"; for n in 1 2 3; do sh -c "{BUSY}" & done; wait'
    )
    ending = story.run("--cpu-time", "1s", "--", "sh", "-c", script)
    assert (ending.status, ending.verdict) == (124, "timeout")
    assert ending.report["evidence"][0]["value"] >= 1_000_000
    assert ending.report["left_running"] == []


def test_a_command_that_ignores_sigterm_is_killed_after_kill_after(story: Story) -> None:
    script = f"trap '' TERM; {BUSY}"
    ending = story.run("--cpu-time", "300ms", "--kill-after", "1s", "--", "sh", "-c", script)
    assert (ending.status, ending.verdict, ending.report["signal"]) == (124, "timeout", signal.SIGKILL)
    assert ending.report["oom"] is None
    assert rows(ending.stderr)["cpu"].endswith(" of 300ms")
    assert rows(ending.stderr)["ended"] == "KILLED (SIGKILL)"


def test_a_command_that_ends_by_itself_when_it_is_told_to_timed_out_too(story: Story) -> None:
    ending = story.run("--cpu-time", "300ms", "--", "sh", "-c", f"trap 'exit 0' TERM; {BUSY}")
    assert (ending.status, ending.verdict, ending.report["exit_code"]) == (124, "timeout", 0)


def test_a_command_that_ends_before_keeps_its_status(story: Story) -> None:
    ending = story.run("--cpu-time", "1h", "--", "sh", "-c", "i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done; exit 3")
    assert (ending.status, ending.verdict) == (3, "exit-code")
    assert ending.report["cpu_time_checks"] == 0


def test_a_command_that_ends_just_before_is_one_or_the_other_and_never_both(story: Story) -> None:
    """It ends itself after about as much as it may use."""
    script = "import os, resource, time\nwhile time.process_time() < 0.5: pass\nos._exit(7)"
    for _ in range(5):
        ending = story.run("--cpu-time", "500ms", "--", "python3", "-c", script)
        if ending.status == 7:
            assert (ending.verdict, ending.report["exit_code"]) == ("exit-code", 7)
        else:
            used = ending.report["evidence"][0]["value"]
            assert (ending.status, ending.verdict, used >= 500_000) == (124, "timeout", True)


def test_a_command_that_only_waits_uses_nothing_up(story: Story) -> None:
    command = story.start("--cpu-time", "200ms", "--", "sh", "-c", "echo; read -r line; exit 4")
    line_from(command)
    command.communicate(b"on\n", timeout=GENEROUS)
    assert (command.returncode, story.report()["verdict"]) == (4, "exit-code")


def test_an_oom_kill_before_is_an_oom_kill(story: Story) -> None:
    ending = story.run("--cpu-time", "1h", "--mem", "20M", "--", "./bigleak2")
    assert (ending.status, ending.verdict) == (137, "oom-kill")


def test_an_oom_kill_of_a_child_before_is_an_oom_kill_although_the_time_is_used_up_later(story: Story) -> None:
    words = ("--cpu-time", "1s", "--mem", "20M", "--oom-policy", "continue")
    ending = story.run(*words, "--", "sh", "-c", f"./bigleak2 >/dev/null; {BUSY}")
    assert (ending.verdict, ending.report["signal"]) == ("oom-kill", signal.SIGTERM)
    assert ending.status == 124


def test_the_other_limit_on_time_is_told_if_it_comes_first(story: Story) -> None:
    ending = story.run("--cpu-time", "1h", "--timeout", "500ms", "--", "sleep", "1000")
    assert (ending.status, ending.verdict) == (124, "timeout")
    assert head(ending.stderr).startswith("scoperun: TIMED OUT after 500ms (--timeout): ")


def test_with_wait_what_was_left_behind_is_stopped_too(story: Story) -> None:
    ending = story.run("--wait", "--cpu-time", "500ms", "--", "sh", "-c", f"({BUSY}) & exit 0")
    assert (ending.status, ending.verdict, ending.report["exit_code"]) == (124, "timeout", 0)
    assert ending.report["left_running"] == []


def test_without_wait_what_was_left_behind_runs_on(story: Story) -> None:
    ending = story.run("--cpu-time", "500ms", "--", "sh", "-c", f"({BUSY}) >/dev/null 2>&1 & exit 5")
    (left,) = ending.report["left_running"]
    os.kill(left["pid"], signal.SIGKILL)
    cgroup_gone(ending.report["cgroup"])
    assert (ending.status, ending.verdict) == (5, "exit-code")


def test_a_command_that_left_the_scope_is_not_counted(story: Story) -> None:
    away = ["systemd-run", "--user", "--scope", "--quiet", "--"]
    script = "import os, time\nwhile time.process_time() < 1: pass"
    ending = story.run("--cpu-time", "700ms", "--", *away, "python3", "-c", script)
    assert (ending.status, ending.verdict) == (0, "success")
    assert ending.report["left_scope"] is not None
    assert rows(ending.stderr)["left"].startswith("the command left this scope and its limits; it ended in ")


def test_a_quota_does_not_keep_the_time_from_being_used_up(story: Story) -> None:
    ending = story.run("--cpus", "0.5", "--cpu-time", "300ms", "--", "sh", "-c", BUSY)
    assert (ending.status, ending.verdict) == (124, "timeout")
    assert ending.report["limits"]["cpu_quota"] == 0.5


async def test_several_runs_in_one_loop_are_each_stopped_by_their_own_limit(story: Story) -> None:
    busy = ["sh", "-c", BUSY]
    reports = await asyncio.gather(
        run(busy, cpu_time=0.3), run(busy, cpu_time=0.6), run(["sh", "-c", "exit 3"], cpu_time=0.3), run(["true"])
    )
    assert [each.verdict for each in reports] == [
        Verdict.TIMEOUT, Verdict.TIMEOUT, Verdict.EXIT_CODE, Verdict.SUCCESS
    ]  # fmt: skip
    assert [each.exit_status for each in reports] == [124, 124, 3, 0]
    assert [each.limits.cpu_time for each in reports] == [0.3, 0.6, 0.3, None]
    assert reports[-1].cpu_time_checks is None


async def test_a_check_is_an_event(story: Story) -> None:
    async with Scope(["sh", "-c", BUSY], cpu_time=0.3, limits=Limits(memory_max=100 * MiB)) as scope:
        checks = [event async for event in scope.events() if isinstance(event, CpuTimeChecked)]
        report = await scope.report()
    assert report.cpu_time_checks == len(checks)
    assert report.verdict is Verdict.TIMEOUT


@pytest.mark.guest(user="root")
def test_a_system_scope_is_stopped_too(story: Story) -> None:
    ending = story.run("--system", "--cpu-time", "300ms", "--uid", "tester", "--", "sh", "-c", BUSY)
    assert (ending.status, ending.verdict) == (124, "timeout")
