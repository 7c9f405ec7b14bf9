"""The swap example shows what its text says, with swap and without."""

import subprocess

import pytest

from scoperun.kernel.swap import has_swap
from tests.documents import CHECKOUT

from .story import GENEROUS, Story


def shown(story: Story) -> tuple[dict[str, list[str]], str]:
    """Run the example; return the rows of its table by name, and the text below it."""
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


@pytest.mark.guest(suite="trixie")
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


@pytest.mark.guest(swap="512M")
def test_the_example_shows_what_swap_and_zswap_do(story: Story) -> None:
    """The same leak runs without swap, with a little, with unlimited swap, and with zswap."""
    rows, below = shown(story)
    table = {name: dict(zip(("verdict", "memory", "swap", "zswap", "disk", "max", "oom_kill"), row, strict=True))
             for name, row in rows.items()}  # fmt: skip
    killed = {name: (row["verdict"], row["oom_kill"]) for name, row in table.items()}
    assert killed == {
        "no swap": ("oom-kill", "1"),
        "10M of swap": ("oom-kill", "1"),
        "unlimited swap": ("signal", "0"),
        "with zswap": ("signal", "0"),
    }
    swap = {name: mib(row["swap"]) for name, row in table.items()}
    assert (swap["no swap"], swap["10M of swap"]) == (0, 10)
    assert swap["unlimited swap"] > 29
    assert swap["with zswap"] > 29
    assert mib(table["with zswap"]["zswap"]) > 29
    assert mib(table["with zswap"]["disk"]) == 0
    assert below == ""


def mib(text: str) -> float:
    return float(text.removesuffix("M"))
