"""The walk-through that scoperun began with, on a kernel of its time: Linux 6.1, on two processors.

`bigleak2` touches 50 MiB in a scope with 20 MiB, and the report has what the kernel's log says about it.
"""

import re
from typing import Any

import pytest

from .story import Ending, Story

pytestmark = pytest.mark.guest(kernel="stock", suite="bookworm")

LIMIT = 20 * 1024 * 1024


@pytest.fixture(scope="module")
def walk(examples: Any, tmp_path_factory: pytest.TempPathFactory) -> Ending:
    story = Story(examples, tmp_path_factory.mktemp("walk") / "report.json")
    return story.run("--mem", "20M", "--oom-log", "--", "./bigleak2")


@pytest.fixture(scope="module")
def log(walk: Ending) -> dict[str, Any]:
    (report,) = walk.report["oom"]["kernel_log"]
    return dict(report)


def test_it_is_killed_at_twenty_mebibytes(walk: Ending) -> None:
    assert walk.status == 137
    assert walk.stdout.endswith(b"i = 19922944\n")
    assert walk.report["kernel"].startswith("6.1.")
    assert walk.report["memory"]["peak"] == LIMIT


def test_the_report_has_usage_limit_and_failcnt(log: dict[str, Any]) -> None:
    assert log["usage"] == log["limit"] == LIMIT
    assert log["failcnt"] > 0
    assert (log["swap_usage"], log["swap_limit"], log["swap_failcnt"]) == (0, 0, 0)


def test_the_report_has_the_statistics_of_the_scope(log: dict[str, Any]) -> None:
    """Linux 6.1 writes them as one record; nearly all is the array that the program fills."""
    assert len(log["stat"]) > 40
    assert 0.95 * LIMIT < log["stat"]["anon"] < LIMIT
    assert log["stat"]["file"] == 0


def test_the_report_has_the_table_of_tasks_and_the_victim(walk: Ending, log: dict[str, Any]) -> None:
    pid = walk.report["pid"]
    (task,) = [each for each in log["tasks"] if each["pid"] == pid]
    assert (task["name"], task["uid"], task["oom_score_adj"]) == ("bigleak2", 1000, 0)
    (victim,) = log["victims"]
    assert (victim["pid"], victim["name"]) == (pid, "bigleak2")
    assert 0.9 * LIMIT < victim["anon_rss"] <= task["rss"]
    assert log["chosen"] == pid
    assert log["oom_memcg"] == log["task_memcg"] == walk.report["cgroup"]


def test_the_text_has_the_kernels_own_lines(walk: Ending, log: dict[str, Any]) -> None:
    pid = walk.report["pid"]
    memory = f"memory: usage 20480kB, limit 20480kB, failcnt {log['failcnt']}"
    assert memory in walk.stderr.splitlines()
    assert re.search(rf"^\[ *{pid}\] +1000 +{pid} .* bigleak2$", walk.stderr, re.MULTILINE)
    assert re.search(rf"^Memory cgroup out of memory: Killed process {pid} \(bigleak2\)", walk.stderr, re.MULTILINE)
    assert max(map(len, walk.stderr.splitlines())) < 400


def test_a_group_kill_has_one_verdict_whatever_signal_comes_first(story: Story) -> None:
    """On two processors systemd's SIGTERM can reach the command before the kernel's SIGKILL."""
    command = ("sh", "-c", "sleep 99 & ./bigleak2")
    for _ in range(3):
        ending = story.run("--mem", "20M", "--oom-policy", "kill", "--oom-exit-code", "99", "--", *command)
        assert (ending.status, ending.verdict) == (99, "oom-kill")
        assert ending.report["signal"] in {9, 15}
