"""Measures everything side by side and writes docs/benchmarks.md: `make bench`. Needs root."""

import argparse
import datetime
import json
import os
import platform
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.lab.__main__ import FAILED, interrupt
from tests.lab.errors import LabError
from tests.lab.project import ROOT

from . import bed
from .document import Machine, document

DOCUMENT = ROOT / "docs" / "benchmarks.md"
TIME_LIMIT = 900.0

AMOUNTS = {
    "versions": (1, 1),
    "startup": (6, 1),
    "steps": (30, 5),
    "phases": (30, 5),
    "work": (30, 2),
    "idle": (60, 5),
    "crowd": (200, 20),
    "library": (1000, 100),
    "batch": (1000, 100),
    "top": (60, 5),
    "oom": (100, 5),
}
"""How often, how long or how many each module measures: in the full measurement, and with --quick."""


def main() -> int:
    """Measure, and write the document; the only place that prints errors."""
    arguments = parser().parse_args()
    amounts = {name: amount[arguments.quick] for name, amount in AMOUNTS.items()}
    try:
        results = bed.measure([f"{name}={amounts[name]}" for name in amounts if name != "oom"], time_limit=TIME_LIMIT)
        results["oom"] = in_guest(amounts["oom"])
    except LabError as error:
        print(error.log, f"bench: {error.message} {error.hint}".rstrip(), sep="\n", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    text = document(results, machine())
    if arguments.quick:
        print(text)
    else:
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_text(text, encoding="utf-8")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="measure little, and print what would be written")
    return parser


def in_guest(runs: int) -> dict[str, Any]:
    """Measure in a guest of the lab, which has a memory controller. Raises LabError."""
    command = ["python3", "-m", "tests.bench.inside.oom", str(runs)]
    lab = [sys.executable, "-m", "tests.lab", "run", "trixie", "--root", "--time-limit", f"{TIME_LIMIT:g}", "--"]
    done = subprocess.run([*lab, *command], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        raise LabError("The guest did not measure what it should.", log=done.stderr.decode(errors="replace"))
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def machine() -> Machine:
    """Return the description of this machine, without its name."""
    models = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        processor=models[0] if models else platform.machine(),
        processors=len(os.sched_getaffinity(0)),
        memory=memory,
        kernel=os.uname().release,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupt)
    os.umask(0o022)
    sys.exit(main())
