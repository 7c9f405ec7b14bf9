"""A soft limit is not evaded into swap: what the kernel has put there is still needed."""

from tests.systemd.story import Story
from tests.systemd.test_soft_memory import KEEPS, LEAKS, SOFT, passings, python


def test_a_command_that_is_swapped_out_at_its_soft_limit_is_told(story: Story) -> None:
    ending = story.run(*SOFT, "--swap", "300M", "--", *python(LEAKS))
    assert (ending.status, ending.verdict) == (143, "signal")
    assert passings(ending) == 1


def test_what_was_swapped_out_is_no_way_to_keep_it(story: Story) -> None:
    ending = story.run("--mem", "35M", *SOFT, "--swap", "300M", "--kill-after", "1s", "--", *python(KEEPS))
    assert (ending.status, ending.verdict, ending.report["oom"]) == (137, "signal", None)
    assert ending.report["soft_memory"]["killed"]
