"""A guest that was booted without the memory controller: a limit would hold nothing there."""

from pathlib import Path

import pytest

from .story import Story

pytestmark = pytest.mark.guest(memory_controller=False)

REASON = "MemoryMax=20M would not be enforced: the kernel has no memory controller on the unified cgroup hierarchy"
REMEDY = "scoperun(1), REQUIREMENTS, explains how to fix that; --no-require-limits runs the command anyway"


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(cwd=tmp_path, report_file=tmp_path / "report.json")


def test_a_limit_that_would_not_be_enforced_is_refused_with_the_reason_and_the_remedy(story: Story) -> None:
    assert story.refused("--mem", "20M", "--", "true") == f"scoperun: {REASON} ({REMEDY})\n"


def test_without_require_limits_it_runs_and_the_report_says_that_nothing_was_enforced(story: Story) -> None:
    ending = story.run("--mem", "20M", "--no-require-limits", "--", "sh", "-c", "exit 3")
    assert (ending.status, ending.verdict) == (3, "exit-code")
    assert ending.report["limits"]["memory_max"] is None
    assert "not enforced" in ending.stderr


def test_a_kill_may_have_been_an_oom_for_all_we_know(story: Story) -> None:
    ending = story.run("--mem", "20M", "--no-require-limits", "--", "sh", "-c", "kill -9 $$")
    assert (ending.status, ending.verdict) == (137, "unknown")


def test_without_a_limit_there_is_nothing_to_refuse(story: Story) -> None:
    assert story.run("--", "true").status == 0
