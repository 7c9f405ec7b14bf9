"""The time from the kernel's kill to the report's last byte, and the charge of a new scope; in a guest, as root.

    python3 -m tests.bench.inside.oom RUNS ...

Also the time from a kill to the next attempt of a job of `scopectl batch`. An ordinary user, whose manager is started
first, runs both; root reads the kernel's clock. More words are ignored.
"""

import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

UID = 1000
RUNTIME = f"/run/user/{UID}"
USER = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--init-groups"]
ENVIRONMENT = {"XDG_RUNTIME_DIR": RUNTIME, "PATH": os.environ["PATH"], "HOME": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108
LEAK, CHARGED = "/tmp/bigleak2", "/tmp/charged"  # noqa: S108
LOAD, LOG, STATE = "/tmp/load", "/tmp/load.log", "/tmp/batch"  # noqa: S108

BATCH = ["scopectl", "batch", "-j1", "--retries=1", "--mem=20M", "--mem-total=200M", "--progress=none"]
NEEDED = "30"
"""MiB: more than the first attempt has, less than the second one."""


def main() -> None:
    """Measure, and print the results as JSON."""
    subprocess.run(["systemctl", "start", f"user@{UID}.service"], check=True)
    subprocess.run(["cc", "-O2", "-o", LEAK, "examples/bigleak2.c"], check=True)
    subprocess.run(["cc", "-O2", "-static", "-o", CHARGED, "tests/bench/inside/charged.c"], check=True)
    subprocess.run(["cc", "-O2", "-o", LOAD, "tests/bench/inside/load.c"], check=True)
    runs = int(sys.argv[1])
    killed(1)  # the first run reads the programs from the disk
    measured = {"seconds": killed(runs), "retried": retried(runs), "charged": charged(), "python": python()}
    print(json.dumps(measured))


def killed(runs: int) -> list[float]:
    """Return the seconds from each kill to the end of its report."""
    with kernel_log() as (kmsg, ahead):
        return [out_of_memory(kmsg, ahead) for _ in range(runs)]


@contextmanager
def kernel_log() -> Iterator[tuple[int, float]]:
    """Yield a descriptor of the kernel's log, at its end, and how many seconds its clock is ahead."""
    with open("/dev/kmsg", "rb", buffering=0) as kmsg:
        os.set_blocking(kmsg.fileno(), False)
        kmsg.seek(0, os.SEEK_END)
        yield kmsg.fileno(), clock_ahead(kmsg.fileno())


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


def retried(jobs: int) -> list[float]:
    """Return the seconds from each kill to the first instruction of the job's next attempt.

    Raises RuntimeError if there are other attempts than these.
    """
    command = [*USER, *BATCH, f"--state={STATE}", "--", LOAD, LOG, "{}", NEEDED, "0", ":::", *map(str, range(jobs))]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with kernel_log() as (kmsg, ahead), subprocess.Popen(command, env=ENVIRONMENT, **quiet) as process:
        found = [record for records in until_it_ends(process, kmsg) for record in records]
    kills = [at for at, text in found if re.search(r"Killed process \d+ \(load\)", text)]
    lines = [line.split() for line in Path(LOG).read_text(encoding="ascii").splitlines()]
    starts = [int(at) / 1e9 for what, _, at in lines if what == "start"]
    order = [(what, name) for what, name, _ in lines]
    if order != [(what, str(job)) for job in range(jobs) for what in ("start", "start", "end")]:
        raise RuntimeError(f"the batch ended with {process.returncode}: {order}")
    return [start - (kill - ahead) for kill, start in zip(kills, starts[1::2], strict=True)]


def until_it_ends(
    process: subprocess.Popen[bytes], kmsg: int, *, within: float = 240
) -> Iterator[list[tuple[float, str]]]:
    """Yield the kernel log's new records until a process ends: the log is too short for the reports of many kills.

    within: seconds after which it is killed. Raises RuntimeError then.
    """
    deadline = time.monotonic() + within
    pidfd = os.pidfd_open(process.pid)
    poll = select.poll()
    poll.register(kmsg, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    try:
        while process.poll() is None:
            poll.poll(1000 * max(0, deadline - time.monotonic()))
            yield [*records(kmsg)]
            if time.monotonic() > deadline:
                raise RuntimeError(f"{process.args} did not end")
        yield [*records(kmsg)]
    finally:
        process.kill()
        os.close(pidfd)


def records(kmsg: int) -> Iterator[tuple[float, str]]:
    """Yield the kernel log's new records, each with its time in seconds."""
    while True:
        try:
            record = os.read(kmsg, 1 << 13)
        except BlockingIOError:
            return
        except BrokenPipeError:  # the next records were overwritten before they were read
            continue
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
