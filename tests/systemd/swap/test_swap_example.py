"""The same leak with no swap, a little, unlimited, and with zswap."""

from tests.systemd.story import Story
from tests.systemd.test_swap_example import shown


def test_the_example_shows_what_swap_and_zswap_do(story: Story) -> None:
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
