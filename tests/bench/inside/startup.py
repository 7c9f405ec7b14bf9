"""Whole commands that do nothing, timed by hyperfine: what it costs to start one."""

import json
import re
import shlex
import statistics
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from . import commands, shares

RUNS_IN_ROUND = 5

PYTHON = "python3 -c pass"
PACKAGES = 'python3 -c "import typer, dbus_next.aio"'
OURS = "the same, and what scoperun imports"
FLOOR = "the packages alone, spared what scoperun spares itself"

# As in scoperun/__main__.py.
SPARED = """
import gc, os, sys
gc.set_threshold(100_000)
for module in ("ssl", "gi", "bz2", "lzma", "_zstd", "_elementtree", "_uuid"):
    sys.modules[module] = None
import typer, dbus_next.aio
os._exit(0)
"""


def measure(rounds: int) -> dict[str, Any]:
    """Return each command's times in seconds, in rounds of a few runs each, so that a slow moment is everybody's."""
    lines = {name: commands.line(name, "/bin/true") for name in commands.BEFORE}
    lines |= {"bash -c": "bash -c /bin/true", PYTHON: PYTHON}
    lines |= {PACKAGES: PACKAGES, OURS: with_ours(), FLOOR: shlex.join(["python3", "-c", SPARED])}
    times: dict[str, list[float]] = {name: [] for name in lines}
    for _ in range(rounds):
        for name, each in zip(lines, hyperfine(list(lines.values())), strict=True):
            times[name] += each
    return {"times": times, "imports": imports(RUNS_IN_ROUND)}


def hyperfine(lines: list[str]) -> list[list[float]]:
    """Return the times of a few runs of each line."""
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder, "export.json")
        options = ["--shell=none", "--warmup=1", f"--runs={RUNS_IN_ROUND}", "--style=none", f"--export-json={export}"]
        subprocess.run(["hyperfine", *options, *lines], check=True, stdout=subprocess.DEVNULL)
        results = json.loads(export.read_text(encoding="utf-8"))["results"]
    return [each["times"] for each in results]


def with_ours() -> str:
    """Return the line that imports the packages, and then those of our modules that `scoperun -- true` does."""
    modules = sorted(name for name, _ in import_times() if name.split(".")[0] == "scoperun")
    return shlex.join(["python3", "-c", f"import typer, dbus_next.aio, {', '.join(modules)}"])


def imports(rounds: int) -> dict[str, float]:
    """Return the seconds that the imports of `scoperun -- true` take in the median, by whose modules they are."""
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, seconds in shares.by_package(import_times()).items():
            times[name].append(seconds)
    return {name: statistics.median(each) for name, each in times.items()}


def import_times() -> list[tuple[str, float]]:
    """Return the modules that `scoperun -- true` imports, and the seconds that each takes without those it imports."""
    command = ["python3", "-X", "importtime", "-m", "scoperun", "-q", "--", "/bin/true"]
    trace = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    rows = re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", trace, re.MULTILINE)
    return [(name, int(microseconds) / 1e6) for microseconds, name in rows]
