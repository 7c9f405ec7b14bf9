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
from .rootfs import root_file_system

DOCUMENT = ROOT / "docs" / "benchmarks.md"
TIME_LIMIT = 1200.0

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
    "batch_idle": (60, 5),
    "long_batch": (100_000, 2000),
    "top": (60, 5),
    "oom": (100, 5),
    "mixed": (60, 10),
}
"""How often, how long or how many each module measures: in the full measurement, and with --quick."""


IN_GUESTS = ("oom", "mixed")
"""The modules that need a memory controller."""


def main() -> int:
    """Measure, and write the document; the only place that prints errors."""
    arguments = parser().parse_args()
    amounts = {name: amount[arguments.quick] for name, amount in AMOUNTS.items()}
    try:
        native = [f"{name}={amount}" for name, amount in amounts.items() if name not in IN_GUESTS]
        results = bed.measure(native, time_limit=TIME_LIMIT)
        for name in IN_GUESTS:
            results[name] = in_guest(name, amounts[name])
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


def in_guest(module: str, amount: int) -> dict[str, Any]:
    """Have a module measure in a guest of the lab, which has a memory controller. Raises LabError.

    It is told where the bed's root file system is, in which the peers are: a guest can mount a folder of the host.
    """
    command = ["python3", "-m", f"tests.bench.inside.{module}", f"{amount}", f"{root_file_system()}"]
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
