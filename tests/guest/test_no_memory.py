"""A guest without the memory controller: a limit on memory would have no effect there."""

from pathlib import Path

import pytest

from tests.report_rows import rows

from .story import Story

pytestmark = pytest.mark.guest(memory_controller=False)

REASON = "MemoryMax=20M would not be enforced: the kernel has no memory controller on the unified cgroup hierarchy"
REMEDY = (
    "scoperun(1), REQUIREMENTS, explains how to fix that; --no-require-limits runs the command anyway; "
    "scopectl doctor shows what this machine has"
)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(cwd=tmp_path, report_file=tmp_path / "report.json")


def test_a_limit_that_cannot_be_enforced_is_refused_with_reason_and_remedy(story: Story) -> None:
    assert story.refused("--mem", "20M", "--", "true") == f"scoperun: {REASON} ({REMEDY})\n"


def test_with_no_require_limits_it_runs_and_the_report_says_that_nothing_was_enforced(story: Story) -> None:
    ending = story.run("--mem", "20M", "--no-require-limits", "--", "sh", "-c", "exit 3")
    assert (ending.status, ending.verdict) == (3, "exit-code")
    assert ending.report["limits"]["memory_max"] is None
    assert rows(ending.stderr)["memory"].endswith("limits on memory were not enforced")


def test_a_kill_without_counters_is_unknown(story: Story) -> None:
    ending = story.run("--mem", "20M", "--no-require-limits", "--", "sh", "-c", "kill -9 $$")
    assert (ending.status, ending.verdict) == (137, "unknown")


def test_a_run_without_limits_needs_no_controller(story: Story) -> None:
    assert story.run("--", "true").status == 0
