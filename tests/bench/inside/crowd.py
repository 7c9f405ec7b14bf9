"""Many at once: the messages that each one receives, the time until all run, and their memory."""

import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from . import commands

SLEEP = 20
TIME_LIMIT = 120

# scoperun, counting each message that it receives, signals and replies.
COUNTING = """
import sys
from scoperun.systemd.frames import Frames
received = 0
take = Frames.take
def counting(self, data):
    global received
    frames = take(self, data)
    received += len(frames)
    return frames
Frames.take = counting
from scoperun.cli.command import main
out = sys.argv.pop(1)
status = main()
with open(out, "a") as file:
    file.write(f"{received}\\n")
sys.exit(status)
"""


def measure(number: int) -> dict[str, Any]:
    """Return the number of messages that a scoperun receives alone and among `number`, and the cost of `number`."""
    alone = messages(1, sleep=1)
    together = messages(number, sleep=SLEEP)
    names = (commands.SCOPERUN, commands.SCOPE)
    started = {name: crowd(commands.BEFORE[name], number) for name in names}
    return {"number": number, "alone": alone, "together": together, "crowd": started}


def messages(number: int, *, sleep: int) -> list[int]:
    """Return the number of messages that each of `number` concurrent scoperuns received, sorted."""
    with tempfile.TemporaryDirectory() as folder:
        counts = f"{folder}/counts"
        command = ["python3", "-c", COUNTING, counts, "-q", "--", "sleep", str(sleep)]
        processes = [subprocess.Popen(command) for _ in range(number)]
        for process in processes:
            if process.wait(TIME_LIMIT + sleep) != 0:
                raise RuntimeError(f"scoperun failed: {process.returncode}")
        wait_for_no_scopes()
        counted = sorted(map(int, Path(counts).read_text(encoding="ascii").split()))
        if not counted[0]:
            raise RuntimeError("a scoperun received no message")
        return counted


def crowd(before: Sequence[str], number: int) -> dict[str, float]:
    """Start `number` commands at once; return the seconds until all run, and the bytes of memory beside theirs."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*before, "sh", "-c", 'echo >> "$1"; exec sleep 1000', "sh", f"{folder}/running"]
        start = time.monotonic()
        processes = [subprocess.Popen(command, start_new_session=True) for _ in range(number)]
        try:
            wait_for_lines(Path(folder, "running"), number)
            seconds = time.monotonic() - start
            memory = proportional(processes)
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait(TIME_LIMIT)
            wait_for_no_scopes()
    return {"seconds": seconds, "memory": memory}


def wait_for_no_scopes() -> None:
    """Return when systemd has removed all scopes: otherwise this work would delay the next ones."""
    deadline = time.monotonic() + TIME_LIMIT
    listing = ["systemctl", "--user", "list-units", "--all", "--no-legend", "--type=scope", "run-*", "scoperun-*"]
    while subprocess.run(listing, check=True, capture_output=True).stdout:
        if time.monotonic() > deadline:
            raise RuntimeError("scopes were left behind")
        time.sleep(0.1)


def wait_for_lines(file: Path, number: int) -> None:
    """Return when a file has `number` lines, which are empty ones."""
    deadline = time.monotonic() + TIME_LIMIT
    while not file.exists() or file.stat().st_size < number:
        if time.monotonic() > deadline:
            raise RuntimeError("not all of them started")
        time.sleep(0.01)


def proportional(processes: Iterable[subprocess.Popen[bytes]]) -> int:
    """Return the memory of the processes and their children, without the commands themselves, in bytes."""
    ours = {process.pid for process in processes}
    family = {pid: Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() for pid in with_children(ours)}
    return sum(pss(pid) for pid, name in family.items() if name != "sleep")


def with_children(pids: Iterable[int]) -> list[int]:
    """Return the processes and their children."""
    children = (Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split() for pid in pids)
    return [*pids, *(int(pid) for each in children for pid in each)]


def pss(pid: int) -> int:
    """Return a process's private memory and its share of shared memory (Pss), in bytes; 0 if it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    except (ProcessLookupError, FileNotFoundError):
        return 0
    return 1024 * sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
