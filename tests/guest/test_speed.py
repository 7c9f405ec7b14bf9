"""How fast scoperun is compared with others, with twice the limits of `make bench`.

docs/benchmarks.md has the target figures. Nothing here is an absolute time.
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from statistics import median

import pytest

from tests.bench.inside.commands import BEFORE, SCOPE, SCOPERUN, WAIT

pytestmark = pytest.mark.guest(suite="trixie", alone=True)

ROUNDS = 5

IMPORTS = ["python3", "-c", "import typer, dbus_next.aio"]

# Prints the shortest of ten times that it took to start twenty processes: a short measurement is more likely to have
# the processor to itself.
FORKS = """
import subprocess, time
def forks():
    start = time.monotonic()
    subprocess.run(["sh", "-c", "i=0; while test $i -lt 20; do /bin/true; i=$((i + 1)); done"], check=True)
    return time.monotonic() - start
print(min(forks() for _ in range(10)))
"""


def test_it_starts_and_ends_within_twice_the_target() -> None:
    """The comparison is with systemd-run, which is written in C, and with the packages that scoperun is made of."""
    commands = [[*BEFORE[SCOPERUN], "true"], [*BEFORE[WAIT], "true"], IMPORTS]
    ours, systemd_run, imports = map(median, side_by_side(seconds, commands))
    assert ours < 2 * 2.2 * systemd_run
    assert ours < 2 * imports


def test_the_command_is_as_fast_as_under_systemd_run() -> None:
    """Other work on the machine only adds to the time, so the shortest time is compared: within a tenth, here."""
    commands = [[*BEFORE[name], "python3", "-c", FORKS] for name in (SCOPERUN, SCOPE)]
    ours, systemd_run = map(min, side_by_side(printed, commands))
    assert ours < 1.1 * systemd_run


def side_by_side(
    measure: Callable[[Sequence[str]], float], commands: Sequence[Sequence[str]]
) -> list[tuple[float, ...]]:
    """Return the measurement of each command; the commands run in turn."""
    rounds = [[measure(command) for command in commands] for _ in range(ROUNDS)]
    return list(zip(*rounds, strict=True))


def seconds(command: Sequence[str]) -> float:
    """Return how many seconds a command takes."""
    start = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - start


def printed(command: Sequence[str]) -> float:
    """Return the number that a command prints."""
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
