"""The example of swap shows what its reader is told that it shows; with swap it runs in the folder swap."""

import subprocess

import pytest

from scoperun.kernel.swap import has_swap
from tests.documents import CHECKOUT

from .story import GENEROUS, Story


def shown(story: Story) -> tuple[dict[str, list[str]], str]:
    """Run the example; return the rows of its table by their names, and what stands below it."""
    done = subprocess.run(
        ["python3", str(CHECKOUT / "examples" / "swap.py"), "./bigleak2"],
        cwd=story.cwd,
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=True,
    )
    heading, *lines = done.stdout.splitlines()
    assert heading.split() == ["verdict", "memory", "swap", "zswap", "disk", "max", "oom_kill"]
    rows = [line for line in lines if line.count("M ") > 1]
    return {row[:15].rstrip(): row[15:].split() for row in rows}, "\n".join(lines[len(rows) :])


@pytest.mark.skipif(has_swap(), reason="there is swap")
def test_without_swap_the_example_says_so(story: Story) -> None:
    rows, below = shown(story)
    assert list(rows) == ["no swap", "10M of swap", "unlimited swap"]
    for verdict, memory, swap, *_, kills in rows.values():
        assert (verdict, memory, swap, kills) == ("oom-kill", "20.0M", "0.0M", "1")
    assert below.splitlines() == [
        "zswap is off here; as root: echo Y >/sys/module/zswap/parameters/enabled",
        "there is no swap here: no run could have any",
    ]
