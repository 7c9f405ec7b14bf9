"""What scoperun costs while the command runs: a look by the way, with twice the room that `make bench` gives.

docs/benchmarks.md has the figures that are aimed at.
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


def test_it_sleeps_while_the_command_does() -> None:
    """It is woken by what happens to the scope, and nothing does; nor does it hold much memory meanwhile."""
    used = idle.measure(5)
    assert used["wakes"] <= 1  # twice five in a minute
    assert used["cpu"] <= 0.010
    assert used["rss"] <= 64 * MIB
    assert used["keeper_private"] <= 0.6 * MIB


def test_the_command_is_charged_for_nothing_but_itself(story: Story, tmp_path: Path) -> None:
    """What was in use before its first instruction, and at the most until then."""
    compiled(CHARGED, tmp_path / "charged")
    run = story.run("--mem", "20M", "--", str(tmp_path / "charged"))
    current, peak = map(int, run.stdout.split())
    assert 0 < current <= 1 * MIB
    assert peak <= 1 * MIB


def test_it_hears_nothing_of_others() -> None:
    """The messages that one receives among six are those that it receives alone, give or take what systemd merges."""
    (alone,) = crowd.messages(1, sleep=1)
    assert max(crowd.messages(6, sleep=3)) <= alone + 3


async def test_one_program_runs_many_within_twice_of_what_it_does_natively() -> None:
    """Beside scopes that are made with dbus-next and nothing else, of which one program runs twice as many there."""
    ours, others = await rate(library.run_many), await rate(lambda number: bare.many(range(number)))
    assert ours > others / 4


async def rate(run_many: Callable[[int], Coroutine[Any, Any, None]]) -> float:
    """Return the runs per second, after a first few."""
    await run_many(4)
    start = asyncio.get_running_loop().time()
    await run_many(16)
    return 16 / (asyncio.get_running_loop().time() - start)
