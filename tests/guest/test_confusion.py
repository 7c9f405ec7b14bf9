"""OOM kills and kills that only look like one, in turn: every verdict is right."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from scoperun import Limits, MiB, OOMPolicy, Report, run

from .pages import drop_from_page_cache, on_disk
from .story import Story

pytestmark = pytest.mark.guest(suite="trixie")  # it depends on the kernel and on names alone

ROUNDS = 40


@pytest.fixture
def pages() -> Iterator[str]:
    """Return a file on a disk: reading it is charged to the reader if its pages are not in the page cache."""
    with on_disk(4 * MiB) as file:
        yield file


async def test_no_verdict_is_wrong(story: Story, examples: Path, pages: str) -> None:
    """80 runs with alternating policies; the test knows what happened because it arranged it."""
    bigleak2, pressure = str(examples / "bigleak2"), str(examples / "pressure")
    leaks = ([bigleak2], ["sh", "-c", f"{bigleak2}; exit 1"])
    matrix: Counter[tuple[str, str]] = Counter()
    for turn in range(ROUNDS):
        limits = Limits(memory_max=6 * MiB, oom_policy=list(OOMPolicy)[turn % 3])
        leaked = await run(leaks[turn % 2], limits=limits)
        matrix["oom-kill", leaked.verdict] += 1
        drop_from_page_cache(pages)
        killed = await run([pressure, pages], limits=limits)
        matrix["signal", killed.verdict] += 1
        assert was_under_pressure(killed), "the plain kill did not look like an OOM kill"
    assert matrix == {("oom-kill", "oom-kill"): ROUNDS, ("signal", "signal"): ROUNDS}


def was_under_pressure(report: Report) -> bool:
    return report.signal == 9 and report.memory.events is not None and report.memory.events["max"] > 0
