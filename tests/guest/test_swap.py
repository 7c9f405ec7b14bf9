"""A machine with swap: the options limit how much of it is used, and harmless settings are not called traps."""

import pytest

from .story import Story

pytestmark = pytest.mark.guest(swap="512M")

MIB = 1024 * 1024

TOUCH_40_MIB = ["python3", "-c", "bytearray(40 << 20)"]


def test_a_memory_limit_cannot_be_evaded_into_swap(story: Story) -> None:
    ending = story.run("--mem", "20M", "--", *TOUCH_40_MIB)
    assert (ending.status, ending.verdict) == (137, "oom-kill")
    assert ending.report["memory"]["swap_peak"] in {0, None}


def test_a_command_with_enough_swap_is_not_killed(story: Story) -> None:
    ending = story.run("--mem", "20M", "--swap", "100M", "--", *TOUCH_40_MIB)
    assert (ending.status, ending.verdict) == (0, "success")
    assert ending.report["memory"]["peak"] < 21 * MIB  # memory that zswap takes is charged beyond the limit too
    assert ending.report["memory"]["swap_peak"] > 20 * MIB


def test_a_high_limit_with_swap_slows_the_command_and_is_not_a_trap(story: Story) -> None:
    ending = story.run("--mem-high", "20M", "--", *TOUCH_40_MIB)
    assert (ending.status, ending.verdict) == (0, "success")
    assert ending.report["memory"]["swap_peak"] > 10 * MIB
    assert "warning" not in ending.stderr


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        (["--mem-high", "20M", "--swap", "0"], "MemoryHigh=20M without swap slows the command to a crawl"),
        (["--mem", "20M", "--swap", "infinity"], "MemoryMax=20M with unlimited swap pushes the command into swap"),
    ],
)
def test_a_harmful_setting_is_a_trap(story: Story, options: list[str], warning: str) -> None:
    ending = story.run(*options, "--", "true")
    assert ending.stderr.startswith(f"scoperun: warning: {warning}")
    assert ending.status == 0
