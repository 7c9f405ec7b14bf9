"""What `scopectl list` takes with many scopes more than with none, beside `systemctl list-units`; in a guest.

    python3 -m tests.bench.inside.listing [SCOPES [ROUNDS]]

The scopes are started by systemd-run, because as many processes of scoperun would not fit into a guest's memory.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

LIST = ["scopectl", "list"]
UNITS = ["systemctl", "--user", "list-units", "--type=scope"]
OURS = ["-p", "Documentation=man:scoperun(1)", "-p", "MemoryMax=20M", "-p", "MemorySwapMax=0"]


def main() -> None:
    """Measure, and print the medians in milliseconds."""
    number, rounds = (int(word) for word in (*sys.argv[1:], *("200", "15")[len(sys.argv) - 1 :]))
    before = medians(rounds)
    scopes = [start(count) for count in range(number)]
    try:
        after = medians(rounds)
    finally:
        for scope in scopes:
            scope.kill()
            scope.wait()
    ours = after[LIST[0]] - before[LIST[0]]
    print(f"scopectl list: {before[LIST[0]]:.1f} with none, {after[LIST[0]]:.1f} with {number}")
    print(f"systemctl --user list-units: {before[UNITS[0]]:.1f} with none, {after[UNITS[0]]:.1f} with {number}")
    print(f"{ours:.1f} more, {ours / after[UNITS[0]]:.1f} times list-units of {number}")


def start(count: int) -> subprocess.Popen[bytes]:
    """Start a scope, and return when it stands."""
    name = f"scoperun-sleep-{count}-bench.scope"
    scope = subprocess.Popen(["systemd-run", "--user", "--scope", "-q", f"--unit={name}", *OURS, "sleep", "1000"])
    while Path(f"/proc/{scope.pid}/comm").read_text(encoding="ascii") != "sleep\n":
        time.sleep(0.01)
    return scope


def medians(rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each command. They run in turn, and the first two rounds do not count."""
    times = [{command[0]: milliseconds(command) for command in (LIST, UNITS)} for _ in range(2 + rounds)][2:]
    return {name: median(each[name] for each in times) for name in times[0]}


def milliseconds(command: Sequence[str]) -> float:
    """Return what a command takes whose output is a pipe."""
    began = time.monotonic()
    printed(command)
    return (time.monotonic() - began) * 1000


def printed(command: Sequence[str]) -> list[bytes]:
    """Return the lines that a command prints."""
    environment = {**os.environ, "SYSTEMD_PAGER": ""}
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout.splitlines()


if __name__ == "__main__":
    main()
