"""`scopectl batch` beside xargs and GNU parallel: scopes per second, and the memory beside each of many jobs."""

import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from . import crowd, library, processors

AT_A_TIME = 32
MANY = 200
FEWER = 10
"""scoperun on its own starts so slowly that a tenth of the commands is enough to know its rate."""

SCOPE = "systemd-run --user --scope -q"
BATCH = ["scopectl", "batch", "--mem", "16M", "--mem-total", "100G", "--no-require-limits", "--progress", "none"]


def measure(number: int) -> dict[str, Any]:
    """Return the rates of each, the processor time of the whole machine for one job, and the memory for one of many."""
    peers = {
        f"xargs -P{AT_A_TIME} {SCOPE} true": f"seq {number} | xargs -P{AT_A_TIME} -I_ {SCOPE} /bin/true",
        f"parallel -j{AT_A_TIME} {SCOPE} true": f"seq {number} | parallel -j{AT_A_TIME} {SCOPE} /bin/true '#' {{}}",
    }
    slow = f"seq {number // FEWER} | xargs -P{AT_A_TIME} -I_ scoperun -qq /bin/true"
    with tempfile.TemporaryDirectory() as folder:
        command = [*BATCH, "-j", f"{AT_A_TIME}", "--state", f"{folder}/state", "--", "/bin/true", ":::"]
        before = processors.used()
        ours = rate([*command, *map(str, range(number))], number)
        machine = processors.since(before, number)
        rates = {name: rate(["sh", "-c", line], number) for name, line in peers.items()}
        alone = rate(["sh", "-c", slow], number // FEWER)
    least = library.told_by("bare_batch", number)["rate"]
    return {
        "number": number,
        "ours": ours,
        "machine": machine,
        "peers": rates,
        "scoperun": alone,
        "least": least,
        "many": many(),
    }


def rate(command: list[str], number: int) -> float:
    """Return how many commands a second were run."""
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return number / (time.monotonic() - start)


def many() -> dict[str, float]:
    """Run many jobs at once, and return the bytes of memory beside each of them."""
    with tempfile.TemporaryDirectory() as folder:
        job = ["sh", "-c", 'echo >> "$1"; exec sleep 1000', "sh", f"{folder}/running"]
        command = [*BATCH, "-j", f"{MANY}", "--state", f"{folder}/state", "--", *job, ":::", *map(str, range(MANY))]
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        try:
            crowd.wait_for_lines(Path(folder, "running"), MANY)
            memory = crowd.proportional([process])
        finally:
            process.terminate()
            process.wait(crowd.TIME_LIMIT)
            crowd.wait_for_no_scopes()
    return {"jobs": MANY, "memory": memory / MANY}
