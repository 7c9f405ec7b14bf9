"""What a command costs that works: it compiles, sorts, and starts two thousand processes."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from . import commands

NAMES = (commands.SCOPERUN, commands.SCOPE)

FUNCTIONS = 400
LINES = 300_000
FORKS = 2000

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
    """Return how long the job took, and its processor time: of it alone, without what starts and ends it."""
    seconds: dict[str, list[float]] = {name: [] for name in NAMES}
    cpu: dict[str, list[float]] = {name: [] for name in NAMES}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(folder)
        for turn in range(rounds):
            for name in NAMES if turn % 2 else reversed(NAMES):
                command = [*commands.BEFORE[name], "python3", "-m", "inside.work", str(folder)]
                printed = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
                for each, figure in zip((seconds, cpu), printed.split(), strict=True):
                    each[name].append(float(figure))
    return {"seconds": seconds, "cpu": cpu}


def prepare(folder: Path) -> None:
    """Write what the job reads."""
    functions = (f"int f{each}(int x) {{ return x * {each} + (x >> {each % 31}); }}" for each in range(FUNCTIONS))
    (folder / "job.c").write_text("\n".join(functions), encoding="ascii")
    lines = (f"{each * 2654435761 % 2**32:08x}" for each in range(LINES))
    (folder / "lines").write_text("\n".join(lines), encoding="ascii")


def work(folder: str) -> None:
    """Do the job, and print the seconds and the processor time that it took."""
    start = time.monotonic()
    subprocess.run(["sh", "-e", "-c", JOB, "job", folder], check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(time.monotonic() - start, used.ru_utime + used.ru_stime)


if __name__ == "__main__":
    work(sys.argv[1])
