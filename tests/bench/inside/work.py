"""The speed of a command that works: it compiles, sorts, and starts two thousand processes."""

import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from . import commands

NAMES = (commands.SCOPERUN, commands.SCOPE)

PARTS = 20
FUNCTIONS = 400 // PARTS
LINES = 300_000 // PARTS
FORKS = 2000 // PARTS

JOB = f"""
cd "$1"
cc -O1 -c -o job.o job.c
sort -o sorted lines
i=0
while test $i -lt {FORKS}; do
    /bin/true
    i=$((i + 1))
done
"""


def measure(rounds: int) -> dict[str, Any]:
    """Return the job's seconds of wall clock and of processor time, without the start and the end of its wrapper.

    Both jobs of a round exist at the same time and take turns, part by part, so that other load on the machine affects
    both in the same way.
    """
    seconds: dict[str, list[float]] = {name: [] for name in NAMES}
    cpu: dict[str, list[float]] = {name: [] for name in NAMES}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(folder)
        for _ in range(rounds):
            for name, sums in one_round(folder).items():
                for each, total in zip((seconds, cpu), sums, strict=True):
                    each[name].append(total)
    return {"seconds": seconds, "cpu": cpu}


def one_round(folder: Path) -> dict[str, list[float]]:
    """Return the seconds of wall clock and of processor time of each job."""
    sums = {name: [0.0, 0.0] for name in NAMES}
    with ExitStack() as stack:
        jobs = {name: stack.enter_context(job(name, folder)) for name in NAMES}
        for turn in range(PARTS):
            for name in NAMES if turn % 2 else reversed(NAMES):
                jobs[name].stdin.write("another\n")
                jobs[name].stdin.flush()
                figures = map(float, jobs[name].stdout.readline().split())
                sums[name] = [total + figure for total, figure in zip(sums[name], figures, strict=True)]
    return sums


def job(name: str, folder: Path) -> subprocess.Popen[str]:
    """Start a job, which does one part for each line on its standard input."""
    command = [*commands.BEFORE[name], "python3", "-m", "inside.work", str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def prepare(folder: Path) -> None:
    """Write the files that the job reads."""
    functions = (f"int f{each}(int x) {{ return x * {each} + (x >> {each % 31}); }}" for each in range(FUNCTIONS))
    (folder / "job.c").write_text("\n".join(functions), encoding="ascii")
    lines = (f"{each * 2654435761 % 2**32:08x}" for each in range(LINES))
    (folder / "lines").write_text("\n".join(lines), encoding="ascii")


def work(folder: str) -> None:
    """For each line of input do a part of the job, and print its seconds of wall clock and of processor time."""
    for _ in sys.stdin:
        start, before = time.monotonic(), used()
        subprocess.run(["sh", "-e", "-c", JOB, "job", folder], check=True)
        print(time.monotonic() - start, used() - before, flush=True)


def used() -> float:
    """Return the processor time of all child processes that have ended, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    work(sys.argv[1])
