"""Kills that are OOMs and kills that only look like it, in a row: every verdict is right."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from scoperun import Limits, MiB, OOMPolicy, Report, run

from .story import Story

ROUNDS = 40


@pytest.fixture
def pages() -> Iterator[str]:
    """Return a file on a disk: reading it is charged to the reader if nobody has its pages in the page cache."""
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as file:  # /tmp is often in memory
        file.write(os.urandom(4 * MiB))
        file.flush()
        os.fsync(file.fileno())
        yield file.name


def drop_from_page_cache(file: str) -> None:
    fd = os.open(file, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


async def test_no_verdict_is_wrong(story: Story, examples: Path, pages: str, capfd: pytest.CaptureFixture[str]) -> None:
    """80 runs, alternating policies; what really happened is known because the test arranged it."""
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
    with capfd.disabled():
        print_matrix(matrix)
    assert matrix == {("oom-kill", "oom-kill"): ROUNDS, ("signal", "signal"): ROUNDS}


def was_under_pressure(report: Report) -> bool:
    return report.signal == 9 and report.memory.events is not None and report.memory.events["max"] > 0


def print_matrix(matrix: Counter[tuple[str, str]]) -> None:
    print(f"\n{'what happened':15}{'verdict':10}{'runs':>5}")
    for (truth, verdict), runs in sorted(matrix.items()):
        print(f"{truth:15}{verdict:10}{runs:>5}")
