"""What the runner of `scopectl batch` uses while all of its jobs sleep."""

import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from . import crowd, idle
from .batch import BATCH

JOBS = 4
WAITING = 100
"""Jobs for which there is no slot."""


def measure(seconds: int) -> dict[str, Any]:
    """Measure it for `seconds` seconds; sizes in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        job = ["sh", "-c", 'echo >> "$1"; exec sleep 1000', "sh", f"{folder}/running"]
        values = map(str, range(JOBS + WAITING))
        command = [*BATCH, "-j", f"{JOBS}", "--state", f"{folder}/state", "--", *job, ":::", *values]
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        try:
            crowd.wait_for_lines(Path(folder, "running"), JOBS)
            time.sleep(idle.SETTLED)
            before = idle.sample(process.pid)
            time.sleep(seconds)
            after = idle.sample(process.pid)
            private = idle.private(process.pid)
        finally:
            process.terminate()
            process.wait(crowd.TIME_LIMIT)
            crowd.wait_for_no_scopes()
    used = {"cpu": after.cpu - before.cpu, "wakes": after.wakes - before.wakes, "private": private}
    return {"seconds": seconds, "jobs": JOBS, "waiting": WAITING, **used}
