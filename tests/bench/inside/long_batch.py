"""A batch of many jobs that run nothing: whether its runner stays as small and as fast, and how soon it is resumed."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .batch import AT_A_TIME, BATCH

PARTS = 10


@dataclass(frozen=True, slots=True)
class Sample:
    """What a runner had used by a start. at: of the monotonic clock. cpu: seconds. rss: bytes."""

    start: int
    at: float
    cpu: float
    rss: int


def measure(number: int) -> dict[str, Any]:
    """Return what the runner had used by the start of each tenth, and the seconds in which a batch is resumed.

    All jobs run once; then a runner is killed half-way, and another one goes on.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "jobs").write_text("".join(f"true {each}\n" for each in range(number)), encoding="ascii")
        each = number // PARTS
        samples, peak = run(folder, "whole", [f"{folder}/jobs"], every=each)
        run(folder, "half", [f"{folder}/jobs"], every=each, killed_at=number // 2)
        began = time.monotonic()
        (first,), _ = run(folder, "half", ["--resume"], every=each, killed_at=1)
    told = {"number": number, "peak": peak, "resumed": first.at - began}
    return {**told, "samples": [asdict(sample) for sample in samples]}


def run(folder: Path, state: str, words: Sequence[str], *, every: int, killed_at: int = 0) -> tuple[list[Sample], int]:
    """Run jobs, and return samples of the runner and the most memory that it had, in bytes.

    Raises RuntimeError if it ends in another way than it should.
    """
    file = folder / "samples"
    file.unlink(missing_ok=True)
    program = ["python3", str(Path(__file__).with_name("nothing.py")), str(file), f"{every}", f"{killed_at}"]
    options = [*BATCH[1:], "-j", f"{AT_A_TIME}", "--state", f"{folder}/{state}"]
    process = subprocess.Popen([*program, *options, *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != (-signal.SIGKILL if killed_at else 0):
        raise RuntimeError(f"{state}: the runner ended with {process.returncode}")
    rows = (line.split() for line in file.read_text(encoding="ascii").splitlines())
    samples = [Sample(int(start), float(at), float(cpu), int(rss)) for start, at, cpu, rss in rows]
    return samples, 1024 * usage.ru_maxrss
