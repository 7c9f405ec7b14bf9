"""A batch whose runner is killed at any moment loses no job, and never runs one twice at a time."""

import random
import signal
import subprocess
from collections import Counter
from pathlib import Path

from .batches import KILLS, batch, jobs_in, left, lines_of, started
from .here import IS_UML
from .story import GENEROUS

JOBS = 2 * KILLS + 10

JOB = """#!/bin/sh
# The lock is held until the last process of this attempt has ended.
exec 9>>"$2/lock-$1"
flock -n 9 || echo "$1 twice" >>"$2/log"
echo "$1 start" >>"$2/log"
sleep "$3"
echo "$1 end" >>"$2/log"
"""


def seen(log: Path, word: str) -> Counter[int]:
    """Return how often each job has written a word."""
    rows = (line.split() for line in lines_of(log))
    return Counter(int(seq) for seq, found in rows if found == word)


def test_kills_of_the_runner_at_random_moments(tmp_path: Path) -> None:
    chance, state, log = random.Random(20), tmp_path / "state", tmp_path / "log"  # noqa: S311
    (tmp_path / "job").write_text(JOB)
    (tmp_path / "job").chmod(0o755)
    lines = [f"{tmp_path}/job {seq} {tmp_path} {chance.uniform(0, 2):.2f}" for seq in range(1, JOBS + 1)]
    (tmp_path / "jobs").write_text("\n".join(lines) + "\n")
    first = ["--mem", "20M", "--mem-total", "200M", "-j", "4", "--state", str(state), str(tmp_path / "jobs")]
    again = ["--resume", "--state", str(state)]

    done_before: set[int] = set()
    starts_before: Counter[int] = Counter()
    for _ in range(KILLS):
        runner = started(*(again if jobs_in(state, "waiting") or jobs_in(state, "running") else first))
        try:
            runner.wait(chance.uniform(0, 3) * (1 if IS_UML else 8))
        except subprocess.TimeoutExpired:
            runner.kill()
        runner.communicate()
        assert runner.returncode in {-signal.SIGKILL, 0}
        starts = seen(log, "start")
        assert {seq for seq in done_before if starts[seq] > starts_before[seq]} == set(), "it ran again after its end"
        done_before, starts_before = jobs_in(state, "done"), starts

    if len(done_before) < JOBS:
        ended = batch(*(again if done_before or jobs_in(state, "waiting") else first), timeout=JOBS + 2 * GENEROUS)
        assert ended.status == 0, ended
    assert set(seen(log, "end")) == set(range(1, JOBS + 1)), "a job was lost"
    assert not seen(log, "twice"), "two attempts of a job ran at a time"
    assert left() == ""
