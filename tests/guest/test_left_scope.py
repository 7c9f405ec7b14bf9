"""A command or its children can leave the scope: the limits do not apply there, and the report says so."""

import re

import pytest

from tests.report_rows import head

from .story import Story

pytestmark = pytest.mark.guest(suite="trixie")  # it depends on the kernel alone

RUN_ELSEWHERE = ("systemd-run", "--user", "--scope", "-q", "--collect")

MOVED_BY_HAND = """
away=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/../away.$$
mkdir $away && echo $$ >$away/cgroup.procs && exec ./bigleak2
"""

BUSY = "python3 -c 'import time\nwhile time.process_time() < 1: pass'"


def test_a_command_that_moves_to_another_scope_is_reported_as_left(story: Story) -> None:
    ending = story.run("--mem", "20M", "--", *RUN_ELSEWHERE, "--unit", "away", "sh", "-c", "./hold 60")
    assert (ending.status, ending.verdict) == (0, "success")
    assert ending.report["left_scope"].endswith("/away.scope")
    assert "the command left this scope and its limits" in ending.stderr


def test_an_oom_kill_in_another_scope_is_not_reported_as_a_signal(story: Story) -> None:
    elsewhere = (*RUN_ELSEWHERE, "-p", "MemoryMax=20M", "-p", "MemorySwapMax=0", "./bigleak2")
    ending = story.run("--mem", "100M", "--", *elsewhere)
    assert (ending.status, ending.verdict) == (137, "unknown")
    assert "cannot tell whether it ran out of memory" in head(ending.stderr)


def test_a_move_to_another_cgroup_by_hand_is_reported_too(story: Story) -> None:
    ending = story.run("--mem", "20M", "--", "sh", "-c", MOVED_BY_HAND.replace("./bigleak2", "./hold 60"))
    assert (ending.status, ending.verdict) == (0, "success")
    assert "/away." in ending.report["left_scope"]


def test_a_cgroup_named_like_a_deleted_one_of_the_scope_is_outside(story: Story) -> None:
    away = 'away="/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup) (deleted)"'
    ending = story.run("--", "sh", "-c", f'{away}; mkdir "$away"; echo $$ >"$away/cgroup.procs"; kill -9 $$')
    assert (ending.status, ending.verdict) == (137, "unknown")
    assert ending.report["left_scope"] == f"{ending.report['cgroup']} (deleted)"


@pytest.mark.parametrize(("script", "status"), [("sleep 3", 0), ("sleep 3; exit 4", 4)])
def test_the_scopes_timeout_does_not_end_a_command_that_left(story: Story, script: str, status: int) -> None:
    options = ("--timeout", "1s", "--kill-after", "1s")
    ending = story.run(*options, "--", *RUN_ELSEWHERE, "sh", "-c", script)
    assert (ending.status, ending.verdict) == (status, "exit-code" if status else "success")
    assert ending.report["left_scope"] is not None


def test_a_nested_scoperun_stays_in_the_outer_scope(story: Story) -> None:
    """The outer scope's command is the inner scoperun, which stays; its own command uses a second of CPU elsewhere."""
    ending = story.run("--mem", "100M", "--", "scoperun", "-q", "--", "sh", "-c", BUSY)
    assert (ending.status, ending.report["left_scope"]) == (0, None)
    assert ending.report["cpu"]["outside"] > 0.8
    assert "of processor time was used outside this scope and its limits" in ending.stderr


def test_a_child_that_leaves_is_noticed_by_its_processor_time(story: Story) -> None:
    ending = story.run("--", "sh", "-c", f'systemd-run --user --scope -q sh -c "{BUSY}"; exit 0')
    assert ending.report["left_scope"] is None
    assert ending.report["cpu"]["outside"] > 0.8


@pytest.mark.parametrize("script", [BUSY, f"{BUSY} & {BUSY}; wait", f"setsid {BUSY} & {BUSY}"])
def test_processes_that_stay_in_the_scope_use_no_time_outside(story: Story, script: str) -> None:
    ending = story.run("--wait", "--", "sh", "-c", script)
    assert ending.report["cpu"]["outside"] is None
    assert ending.report["cpu"]["user"] + ending.report["cpu"]["system"] > 0.8


def test_a_cgroup_below_the_scope_counts_as_the_scope(story: Story) -> None:
    script = "here=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); mkdir $here/below; echo $$ >$here/below/cgroup.procs"
    ending = story.run("--", "sh", "-c", f"{script}; kill -9 $$")
    assert (ending.report["left_scope"], ending.verdict) == (None, "signal")


def test_su_moves_its_command_to_a_session_scope(story: Story) -> None:
    """pam_systemd opens a session because this user's processes have none."""
    ending = story.run("--mem", "20M", "--", "su", "root", "-c", "./hold 60; exit 5")
    assert (ending.status, ending.verdict) == (5, "exit-code")
    assert re.search(r"/session-c?\d+\.scope$", ending.report["left_scope"])
