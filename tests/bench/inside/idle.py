"""The processor time and memory of scoperun and its keeper while the command sleeps."""

import os
import re
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SETTLED = 2  # seconds after the command's start; scoperun asks systemd nothing more then


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process has used so far.

    cpu: seconds of processor time. wakes: how often it woke up.
    """

    cpu: float
    wakes: int


def measure(seconds: int) -> dict[str, Any]:
    """Measure scoperun for `seconds` seconds; sizes in bytes."""
    unit = f"bench-idle-{os.getpid()}.scope"
    command = ["scoperun", "-q", "--unit", unit, "--", "sh", "-c", f"echo; exec sleep {seconds + SETTLED + 60}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(SETTLED)
        before = sample(process.pid)
        time.sleep(seconds)
        after = sample(process.pid)
        keeper = keeper_of(unit)
        result = {
            "seconds": seconds,
            **asdict(Sample(after.cpu - before.cpu, after.wakes - before.wakes)),
            "rss": status(process.pid, "VmRSS"),
            "private": private(process.pid),
            "asyncio_private": private_of_asyncio(),
            "keeper_rss": status(keeper, "VmRSS"),
            "keeper_private": private(keeper),
        }
        process.send_signal(signal.SIGTERM)
    return result


def sample(pid: int) -> Sample:
    """Return what all threads of a process have used so far."""
    nanoseconds, wakes = 0, 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        nanoseconds += int((task / "schedstat").read_text(encoding="ascii").split()[0])
        switches = re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.MULTILINE)
        wakes += int(switches[0])
    return Sample(nanoseconds / 1e9, wakes)


def private_of_asyncio() -> int:
    """Return the private memory in bytes of a Python that has imported asyncio and does nothing."""
    program = "import asyncio, time; print(flush=True); time.sleep(1000)"
    with subprocess.Popen(["python3", "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            return private(process.pid)
        finally:
            process.kill()


def keeper_of(unit: str) -> int:
    """Return the keeper's pid: of the scope's two processes, the one that is not sleep(1)."""
    show = ["systemctl", "--user", "show", "--property=ControlGroup", "--value", unit]
    cgroup = subprocess.run(show, check=True, capture_output=True, text=True).stdout.strip()
    pids = Path(f"/sys/fs/cgroup{cgroup}/cgroup.procs").read_text(encoding="ascii").split()
    (keeper,) = [int(pid) for pid in pids if Path(f"/proc/{pid}/comm").read_text(encoding="utf-8") != "sleep\n"]
    return keeper


def status(pid: int, name: str) -> int:
    """Return a size from /proc/PID/status, in bytes."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return 1024 * int(re.findall(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)[0])


def private(pid: int) -> int:
    """Return the private memory of a process, in bytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    return 1024 * sum(map(int, re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.MULTILINE)))
