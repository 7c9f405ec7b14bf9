"""The start-up cost: whole commands that do nothing, timed by hyperfine."""

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
PACKAGES = 'python3 -c "import asyncio, dbus_next.aio"'
OURS = "the same, and what scoperun imports"
SPARED = "what scoperun imports of the packages, spared what it spares itself"
SPARED_OURS = "the same, and what scoperun imports, spared too"
BARE = "a scope made with the packages, and with nothing else"

RUN = ["python3", "-m", "scoperun", "-q", "--", "/bin/true"]

SPARING = """
import os
from scoperun.startup import spare
spare()
import {}
os._exit(0)
"""


def measure(rounds: int) -> dict[str, Any]:
    """Return each command's times in seconds.

    Each round has a few runs of every command, so that a slow moment of the machine affects all of them.
    """
    lines = {name: commands.line(name, "/bin/true") for name in commands.BEFORE}
    lines |= {"bash -c": "bash -c /bin/true", PYTHON: PYTHON}
    packages, with_ours = "asyncio, dbus_next.aio", ", ".join(["asyncio", "dbus_next.aio", *our_modules()])
    needed = "asyncio, dbus_next.errors, dbus_next.message, dbus_next.signature, dbus_next._private.unmarshaller"
    lines |= {
        PACKAGES: python(f"import {packages}"),
        OURS: python(f"import {with_ours}"),
        SPARED: python(SPARING.format(needed)),
        SPARED_OURS: python(SPARING.format(", ".join([needed, *our_modules()]))),
        BARE: shlex.join(["python3", str(Path(__file__).with_name("bare.py"))]),
    }
    times: dict[str, list[float]] = {name: [] for name in lines}
    for _ in range(rounds):
        for name, each in zip(lines, hyperfine(list(lines.values())), strict=True):
            times[name] += each
    imported = {
        name: imports(words, RUNS_IN_ROUND) for name, words in (("before", unspared(with_ours)), ("after", RUN))
    }
    return {"times": times, "imports": imported}


def hyperfine(lines: list[str]) -> list[list[float]]:
    """Return the times of RUNS_IN_ROUND runs of each line, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder, "export.json")
        options = ["--shell=none", "--warmup=1", f"--runs={RUNS_IN_ROUND}", "--style=none", f"--export-json={export}"]
        subprocess.run(["hyperfine", *options, *lines], check=True, stdout=subprocess.DEVNULL)
        results = json.loads(export.read_text(encoding="utf-8"))["results"]
    return [each["times"] for each in results]


def python(program: str) -> str:
    """Return the line that runs a Python program."""
    return shlex.join(["python3", "-c", program])


def unspared(modules: str) -> list[str]:
    """Return the words that import modules without the savings of scoperun.startup."""
    return ["python3", "-c", f"import {modules}"]


def our_modules() -> list[str]:
    """Return the names of our modules that `scoperun -- true` imports."""
    return sorted(name for name, _ in import_times(RUN) if name.split(".")[0] == "scoperun")


def imports(words: list[str], rounds: int) -> dict[str, float]:
    """Return the median seconds that a program's imports take, by package."""
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, seconds in shares.by_package(import_times(words)).items():
            times[name].append(seconds)
    return {name: statistics.median(each) for name, each in times.items()}


def import_times(words: list[str]) -> list[tuple[str, float]]:
    """Return the modules that a program imports, each with its own seconds, without those of its imports."""
    python, *rest = words
    trace = subprocess.run([python, "-X", "importtime", *rest], check=True, capture_output=True, text=True).stderr
    rows = re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", trace, re.MULTILINE)
    return [(name, int(microseconds) / 1e6) for microseconds, name in rows]
