"""The wall-clock time of each step of scoperun when it runs `true`."""

import itertools
import os
import tempfile
import time
from pathlib import Path

STEPS = (
    "Python starts",
    "the table of our options, and what reads the command line, are imported",
    "the arguments are parsed",
    "asyncio, dbus-next and what else is needed to ask systemd are imported",
    "both processes of the scope are forked",
    "the event loop and the connection to the bus are made",
    "systemd is asked for the scope and starts it, the rest is imported, and systemd is asked what it is",
    "the watch on its memory is set up, and the command let go",
    "the command is executed, and ends",
    "its end is heard, the counters and properties are read",
    "the event loop is closed, and the report made",
    "the process ends",
)
"""The steps before each of the moments in traced.py, and before the end of the process."""


def measure(rounds: int) -> list[list[object]]:
    """Return the steps, each with its seconds in each of `rounds` runs; a first run is not counted."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [run(Path(folder, "marks")) for _ in range(rounds + 1)][1:]
    return [[name, [each[number] for each in runs]] for number, name in enumerate(STEPS)]


def run(file: Path) -> list[float]:
    """Run scoperun once, and return the seconds that each step took."""
    traced = str(Path(__file__).with_name("traced.py"))
    start = time.monotonic_ns()
    pid = os.posix_spawnp("python3", ["python3", traced, str(file), "-q", "--", "/bin/true"], os.environ)
    _, status = os.waitpid(pid, 0)
    end = time.monotonic_ns()
    marks = [start, *map(int, file.read_text(encoding="ascii").split()), end]
    if status != 0 or len(marks) != len(STEPS) + 1:
        raise RuntimeError(f"status {status}, {len(marks)} moments")
    return [(later - earlier) / 1e9 for earlier, later in itertools.pairwise(marks)]
