"""With --die-with-scoperun and --die-with-parent nothing outlives scoperun, whatever is killed and when."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from .aftermath import detached, detached_gone, units_gone
from .here import IS_UML
from .story import GENEROUS, transient_units
from .waiting import line_from, ready

PATTERNS = ("dies-*.scope", "guard-of-scoperun-*.scope")

ROUNDS = int(os.environ.get("GUARD_ROUNDS", "1"))
"""How often ten scoperuns are killed; ten times before a release."""

STUBBORN = "trap '' TERM; sleep 1000 & sleep 1000"
"""A command with a child, both of which ignore SIGTERM."""

PARENT = """
"$@" --die-with-parent=$$ --unit dies-$$ -- sh -c "$SCRIPT" &
echo $!
wait
"""
"""The parent of a scoperun, which prints its PID."""


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Wait until nothing is left, and fail if that does not happen."""
    before = detached()
    yield
    units_gone(PATTERNS)
    detached_gone(before)
    assert not {name for name in transient_units() if name.startswith(("dies-", "guard-of-"))}


def children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def kill(*pids: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def command_line(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


class Attempt:
    """A scoperun, its parent and its command, of which any can be killed. pid: of scoperun."""

    def __init__(self, script: str) -> None:
        self.parent = subprocess.Popen(
            ["sh", "-c", PARENT, "sh", "scoperun", "-qq", "--no-config", "--kill-after", "200ms"],
            env=os.environ | {"SCRIPT": script},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.pid = int(line_from(self.parent))
        self._pidfd = os.pidfd_open(self.pid)

    @property
    def unit(self) -> str:
        return f"dies-{self.parent.pid}.scope"

    def guard(self) -> list[int]:
        """Return the guard among the children of scoperun: the shell that reads a pipe."""
        return [pid for pid in children(self.pid) if b"cgroup.kill" in command_line(pid)]

    def end(self) -> None:
        """Return once parent and scoperun have ended."""
        assert self.parent.stdout is not None
        self.parent.stdout.close()
        self.parent.wait(GENEROUS)
        ready(self._pidfd)
        os.close(self._pidfd)


def time_of_a_start() -> float:
    """Return the seconds that it takes until a command runs."""
    began = time.monotonic()
    attempt = Attempt("echo up; sleep 1000")
    assert line_from(attempt.parent) == "up"
    took = time.monotonic() - began
    kill(attempt.pid)
    attempt.end()
    return took


def kill_scoperun(attempt: Attempt) -> None:
    kill(attempt.pid)


def kill_parent(attempt: Attempt) -> None:
    kill(attempt.parent.pid)


def kill_guard(attempt: Attempt) -> None:
    """Kill the guard if there is one yet, and otherwise scoperun."""
    kill(*(attempt.guard() or [attempt.pid]))


def kill_all(attempt: Attempt) -> None:
    kill(attempt.pid, attempt.parent.pid, *attempt.guard())


@pytest.mark.parametrize(
    "victim",
    [kill_scoperun, kill_parent, kill_guard, pytest.param(kill_all, marks=pytest.mark.guest(also="trixie-stock"))],
)
def test_nothing_is_left_after_kills_at_random_moments(victim: Callable[[Attempt], None], nothing_left: None) -> None:
    """While commands start and when they run; every second one ignores SIGTERM."""
    rng, start = random.Random(victim.__name__), time_of_a_start()  # noqa: S311
    rounds, began = ROUNDS if IS_UML else 1, 0  # other kernels can be emulated
    for _ in range(rounds):
        attempts = []
        for number in range(10):
            attempts.append(Attempt(f"echo up; {STUBBORN if number % 2 else 'sleep 1000'}"))
            if number < 2:
                assert line_from(attempts[-1].parent) == "up"
            elif number > 2:  # the third one is killed at once
                time.sleep(rng.uniform(0, 1.2 * start))  # what is tested is any moment
            began += attempts[-1].unit in transient_units()
            victim(attempts[-1])
        for attempt in attempts:
            attempt.end()
        if victim is kill_all:
            # A guard that was killed while systemd moved it leaves an empty scope: the next guard has it stopped.
            subprocess.run(["scoperun", "-qq", "--no-config", "--die-with-scoperun", "true"], check=True)
        units_gone(PATTERNS)
    assert 2 * rounds <= began < 10 * rounds
