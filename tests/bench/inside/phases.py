"""The times from the program's start to the command's first instruction, and from its last one to the program's end."""

import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from . import commands

NAMES = (commands.SCOPERUN, commands.SCOPE, commands.WAIT)


def measure(rounds: int) -> dict[str, Any]:
    """Return the seconds before and after the command, by program, for each of `rounds` rounds."""
    before: dict[str, list[float]] = {name: [] for name in NAMES}
    after: dict[str, list[float]] = {name: [] for name in NAMES}
    with tempfile.TemporaryDirectory() as folder:
        mark = compiled(Path(folder))
        for _ in range(rounds):
            for name in NAMES:
                one, other = timed([*commands.BEFORE[name], mark, f"{folder}/marks"])
                before[name].append(one)
                after[name].append(other)
    return {"to_exec": before, "after_exit": after}


def compiled(folder: Path) -> str:
    """Compile mark.c, which writes when it ran, and return the program's path."""
    mark = str(folder / "mark")
    subprocess.run(["cc", "-O2", "-static", "-o", mark, str(Path(__file__).with_name("mark.c"))], check=True)
    return mark


def timed(command: list[str]) -> tuple[float, float]:
    """Run the command, whose last word is the file of marks; return the seconds before and after them.

    Raises RuntimeError if it fails.
    """
    start = time.monotonic_ns()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status = os.waitpid(pid, 0)
    end = time.monotonic_ns()
    if status != 0:
        raise RuntimeError(f"{command} failed: {status}")
    marks = Path(command[-1])
    began, ended = map(int, marks.read_text(encoding="ascii").split())
    marks.unlink()
    return (began - start) / 1e9, (end - ended) / 1e9
