"""The processor time of `scopectl top`, its reading and its drawing apart, beside systemd-cgtop."""

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .idle import sample

SCOPES = 200
SIZE = (40, 120)
SETTLED = 3  # seconds after which the first rounds are drawn

# scopectl, counting the processor time of reading; it writes that and all of its time at the end.
TIMED = """
import json, sys, time
from scoperun.startup import spare
spare()
from scoperun.ctl.rounds import Rounds
rounds = []
spent = 0.0
read = Rounds.next
async def timed(self, patience):
    global spent
    before = time.process_time()
    taken = await read(self, patience)
    spent += time.process_time() - before
    rounds.append((time.process_time(), spent, len(taken.units)))
    return taken
Rounds.next = timed
from scoperun.ctl.command import main
out = sys.argv.pop(1)
main()
(first, read_first, _), (last, read_last, units) = rounds[2], rounds[-1]
with open(out, "w") as file:
    total, reading = last - first, read_last - read_first
    json.dump({"rounds": len(rounds) - 3, "units": units, "reading": reading, "drawing": total - reading}, file)
"""

BUSY = "while :; do sleep 1; done"


def measure(seconds: int) -> dict[str, Any]:
    """Return the processor time in seconds that each program takes for rounds of a second with 200 busy scopes."""
    scope = ["systemd-run", "--user", "--scope", "-q", "-p", "Documentation=man:scoperun(1)", "sh", "-c", BUSY]
    scopes = [subprocess.Popen(scope, start_new_session=True) for _ in range(SCOPES)]
    try:
        wait_for_scopes()
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "out")
            watched(["python3", "-c", TIMED, str(out), "top"], seconds)
            ours = json.loads(out.read_text(encoding="ascii"))
        cgtop = watched(["systemd-cgtop", "-d", "1"], seconds)
    finally:
        for process in scopes:
            os.killpg(process.pid, 9)
        for process in scopes:
            process.wait()
    return {"seconds": seconds, "scopes": SCOPES, "ours": ours, "cgtop": cgtop}


def watched(command: Sequence[str], seconds: int) -> float:
    """Run a program on a terminal; press q after `seconds`, and return its processor time in them."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", *SIZE, 0, 0))
    drain(fd, SETTLED)
    before = sample(pid).cpu
    drain(fd, seconds)
    used = sample(pid).cpu - before
    os.write(fd, b"q")
    drain(fd, 60)
    os.close(fd)
    os.waitpid(pid, 0)
    return used


def drain(fd: int, seconds: float) -> None:
    """Read what a program draws for so many seconds, or until it has ended."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([fd], [], [], left)[0]:
            try:
                if not os.read(fd, 1 << 16):
                    return
            except OSError:  # no process has the terminal open any more
                return


def wait_for_scopes() -> None:
    """Wait until all scopes run."""
    end = time.monotonic() + 120
    count = ["systemctl", "--user", "list-units", "--no-legend", "--type=scope", "--state=running", "run-*"]
    while subprocess.run(count, check=True, capture_output=True, text=True).stdout.count("\n") < SCOPES:
        if time.monotonic() > end:
            raise RuntimeError("the scopes have not started")
        time.sleep(0.1)


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
