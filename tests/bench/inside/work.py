"""What a command costs that works: it compiles, sorts, and starts two thousand processes."""

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
    """Return how long the job took, and its processor time: of it alone, without what starts and ends it.

    The jobs of a round are there at once, and do a part each in turn: what the machine does meanwhile is the same for
    both.
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
    """Return the seconds and the processor time of each job."""
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
    """Start a job, which does a part of it for each line that it is given."""
    command = [*commands.BEFORE[name], "python3", "-m", "inside.work", str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def prepare(folder: Path) -> None:
    """Write what the job reads."""
    functions = (f"int f{each}(int x) {{ return x * {each} + (x >> {each % 31}); }}" for each in range(FUNCTIONS))
    (folder / "job.c").write_text("\n".join(functions), encoding="ascii")
    lines = (f"{each * 2654435761 % 2**32:08x}" for each in range(LINES))
    (folder / "lines").write_text("\n".join(lines), encoding="ascii")


def work(folder: str) -> None:
    """For each line that comes do a part of the job, and print the seconds and the processor time that it took."""
    for _ in sys.stdin:
        start, before = time.monotonic(), used()
        subprocess.run(["sh", "-e", "-c", JOB, "job", folder], check=True)
        print(time.monotonic() - start, used() - before, flush=True)


def used() -> float:
    """Return the processor time of all that has ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    work(sys.argv[1])
