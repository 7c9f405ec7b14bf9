"""What scoperun costs, beside others in the same guest: a look by the way, with twice the room that `make bench` gives.

docs/benchmarks.md has the figures that are aimed at. Nothing here is an absolute time.
"""

import subprocess
import time
from collections.abc import Sequence
from statistics import median

from tests.bench.inside import crowd, idle
from tests.bench.inside.commands import BEFORE, SCOPERUN, WAIT

ROUNDS = 5
MIB = 1 << 20

IMPORTS = ["python3", "-c", "import typer, dbus_next.aio"]


def test_it_starts_and_ends_within_twice_what_is_aimed_at() -> None:
    """Against systemd-run, which is C, and against the packages that it is made of."""
    commands = [[*BEFORE[SCOPERUN], "true"], [*BEFORE[WAIT], "true"], IMPORTS]
    ours, systemd_run, imports = side_by_side(commands)
    assert ours < 2 * 2.2 * systemd_run
    assert ours < 2 * imports


def side_by_side(commands: Sequence[Sequence[str]]) -> list[float]:
    """Return the median seconds of each command, all of them run in turn."""
    rounds = [[seconds(command) for command in commands] for _ in range(ROUNDS)]
    return [median(times) for times in zip(*rounds, strict=True)]


def seconds(command: Sequence[str]) -> float:
    start = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - start


def test_it_sleeps_while_the_command_does() -> None:
    """It is woken by what happens to the scope, and nothing does; nor does it hold much memory meanwhile."""
    used = idle.measure(5)
    assert used["wakes"] <= 10
    assert used["rss"] <= 64 * MIB
    assert used["keeper_private"] <= 0.6 * MIB


def test_it_hears_nothing_of_others() -> None:
    """The messages that one receives among six are those that it receives alone, give or take what systemd merges."""
    (alone,) = crowd.messages(1, sleep=1)
    assert max(crowd.messages(6, sleep=3)) <= alone + 3
