"""The time from the kernel's kill to the report's last byte, and the charge of a new scope; in a guest, as root.

    python3 -m tests.bench.inside.oom RUNS

scoperun runs as an ordinary user, whose manager is started first; root reads the kernel's clock.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

UID = 1000
RUNTIME = f"/run/user/{UID}"
USER = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--init-groups"]
ENVIRONMENT = {"XDG_RUNTIME_DIR": RUNTIME, "PATH": os.environ["PATH"], "HOME": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108
LEAK, CHARGED = "/tmp/bigleak2", "/tmp/charged"  # noqa: S108


def main() -> None:
    """Measure, and print the results as JSON."""
    subprocess.run(["systemctl", "start", f"user@{UID}.service"], check=True)
    subprocess.run(["cc", "-O2", "-o", LEAK, "examples/bigleak2.c"], check=True)
    subprocess.run(["cc", "-O2", "-static", "-o", CHARGED, "tests/bench/inside/charged.c"], check=True)
    killed(1)  # the first run reads the programs from the disk
    print(json.dumps({"seconds": killed(int(sys.argv[1])), "charged": charged(), "python": python()}))


def killed(runs: int) -> list[float]:
    """Return the seconds from each kill to the end of its report."""
    with open("/dev/kmsg", "rb", buffering=0) as kmsg:
        os.set_blocking(kmsg.fileno(), False)
        kmsg.seek(0, os.SEEK_END)
        ahead = clock_ahead(kmsg.fileno())
        return [out_of_memory(kmsg.fileno(), ahead) for _ in range(runs)]


def clock_ahead(kmsg: int) -> float:
    """Return how many seconds the kernel log's clock is ahead of the monotonic one.

    In user-mode Linux it advances in steps of 10 ms: the largest difference is the right one, and a kill can seem up to
    10 ms earlier than it was.
    """
    asked = []
    for _ in range(20):
        asked.append(time.monotonic())
        with open("/dev/kmsg", "w", encoding="ascii") as line:
            line.write("bench: now\n")  # without the newline the kernel waits for more text
        time.sleep(0.0013)
    told = [at for at, text in records(kmsg) if text == "bench: now"]
    return max(at - now for at, now in zip(told, asked, strict=True))


def out_of_memory(kmsg: int, ahead: float) -> float:
    """Run a command into an OOM kill; return the seconds from the kill to scoperun's last output.

    Raises RuntimeError if it ends in another way.
    """
    command = [*USER, "scoperun", "--mem", "20M", "--", LEAK]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        last = 0.0
        while os.read(process.stderr.fileno(), 1 << 16):
            last = time.monotonic()
    if process.returncode != 137:
        raise RuntimeError(f"scoperun ended with {process.returncode}")
    kills = [at for at, text in records(kmsg) if re.search(r"Killed process \d+ \(bigleak2\)", text)]
    return last - (kills[0] - ahead)


def records(kmsg: int) -> Iterator[tuple[float, str]]:
    """Yield the kernel log's new records, each with its time in seconds."""
    while True:
        try:
            record = os.read(kmsg, 1 << 13)
        except BlockingIOError:
            return
        prefix, _, text = record.partition(b";")
        yield int(prefix.split(b",")[2]) / 1e6, text.partition(b"\n")[0].decode(errors="replace")


def charged() -> dict[str, Any]:
    """Return the memory charged to a scope when its command starts, and the peak until then, in bytes.

    Both include the pages of the command, a small one.
    """
    command = [*USER, "scoperun", "-q", "--mem", "20M", "--", CHARGED]
    run = subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True)
    current, peak = map(int, run.stdout.split())
    return {"current": current, "peak": peak}


def python() -> list[float]:
    """Return the seconds that `python3 -c pass` takes in the guest, for comparison."""
    seconds = []
    for _ in range(9):
        start = time.monotonic()
        subprocess.run(["python3", "-c", "pass"], check=True)
        seconds.append(time.monotonic() - start)
    return seconds


if __name__ == "__main__":
    main()
