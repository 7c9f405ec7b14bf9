"""How much memory would have been enough: more than memory and swap together."""

import re

import pytest

from tests.report_rows import rows

from .story import Story

pytestmark = pytest.mark.guest(swap="512M")

MIB = 1024 * 1024


def test_with_swap_both_limits_were_full(story: Story) -> None:
    ending = story.run("--mem", "20M", "--swap", "10M", "--", "./bigleak2")
    assert ending.verdict == "oom-kill"
    assert 29 * MIB <= ending.report["oom"]["needed"] <= 30 * MIB
    assert re.fullmatch(
        r"more than (29\.9|30)M of memory and swap \(how much more is unknown\)", rows(ending.stderr)["needed"]
    )


def test_without_swap_only_the_memory_limit_counts(story: Story) -> None:
    ending = story.run("--mem", "20M", "--", "./bigleak2")
    assert ending.report["oom"]["needed"] == 20 * MIB
    assert rows(ending.stderr)["needed"] == "more than 20M (how much more is unknown)"
