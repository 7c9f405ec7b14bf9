"""What scoperun costs while the command runs, with twice the limits of `make bench`.

docs/benchmarks.md has the target figures.
"""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.bench.inside import bare, crowd, idle, library

from .story import Story, compiled

pytestmark = pytest.mark.guest(suite="trixie")

CHARGED = Path(crowd.__file__).with_name("charged.c")
MIB = 1 << 20


def test_it_sleeps_while_the_command_sleeps() -> None:
    """Only events of the scope wake scoperun, and none happens here; its own memory use stays small, too."""
    used = idle.measure(5)
    assert used["wakes"] <= 1  # twice the target of five in a minute
    assert used["cpu"] <= 0.010
    assert used["rss"] <= 64 * MIB
    assert used["keeper_private"] <= 0.6 * MIB


def test_the_command_is_not_charged_for_scoperuns_memory(story: Story, tmp_path: Path) -> None:
    """Compares the memory in use before the command's first instruction, and the peak until then."""
    compiled(CHARGED, tmp_path / "charged")
    run = story.run("--mem", "20M", "--", str(tmp_path / "charged"))
    current, peak = map(int, run.stdout.split())
    assert 0 < current <= 1 * MIB
    assert peak <= 1 * MIB


def test_signals_about_other_scopes_are_not_received() -> None:
    """Among six runs, one receives as many messages as alone, except for those that systemd merges."""
    (alone,) = crowd.messages(1, sleep=1)
    assert max(crowd.messages(6, sleep=3)) <= alone + 3


async def test_one_program_starts_at_least_half_as_many_runs_as_the_bus_library_alone() -> None:
    """The comparison is with scopes that a program makes with dbus-next and nothing else."""
    ours, others = await rate(library.run_many), await rate(lambda number: bare.many(range(number)))
    assert ours > others / 4


async def rate(run_many: Callable[[int], Coroutine[Any, Any, None]]) -> float:
    """Return the runs per second, after some warm-up runs."""
    await run_many(4)
    start = asyncio.get_running_loop().time()
    await run_many(16)
    return 16 / (asyncio.get_running_loop().time() - start)
