"""Whole commands that do nothing, timed by hyperfine: what it costs to start one."""

import json
import re
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from . import commands

RUNS_IN_ROUND = 5

PYTHON = "python3 -c pass"
PACKAGES = 'python3 -c "import typer, dbus_next.aio"'
OURS = "the same, and what scoperun imports"
FLOOR = "the packages alone, spared what scoperun spares itself"

# As in scoperun/__main__.py.
SPARED = """
import gc, os, sys
gc.set_threshold(100_000)
sys.modules["ssl"] = None
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
    return {"times": times}


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
    trace = subprocess.run(
        ["python3", "-X", "importtime", "-m", "scoperun", "-q", "--", "/bin/true"],
        check=True,
        capture_output=True,
        text=True,
    )
    modules = sorted(set(re.findall(r"\| +(scoperun(?:\.\w+)*)$", trace.stderr, re.MULTILINE)))
    return shlex.join(["python3", "-c", f"import typer, dbus_next.aio, {', '.join(modules)}"])
