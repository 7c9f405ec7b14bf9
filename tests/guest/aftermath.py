"""What is left after kills: units and processes, waited for by systemd's announcements and pidfds."""

import asyncio
import os
import select
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scoperun.systemd.connecting import connect
from scoperun.systemd.units import list_units

from .story import GENEROUS

DETACHED = {"cat", "sh", "sleep"}
"""The names of keepers, of guards, and of guards at their end."""


def units_gone(patterns: Sequence[str], *, system: bool = False) -> None:
    """Return once systemd has no unit whose name matches one of the globs."""
    try:
        asyncio.run(asyncio.wait_for(_units_gone(patterns, system=system), GENEROUS))
    except TimeoutError:
        words = ["systemctl", "--system" if system else "--user", "status", "--lines=20", *patterns]
        left = subprocess.run(words, capture_output=True, text=True, check=False).stdout
        raise AssertionError(f"units are left:\n{left}") from None


async def _units_gone(patterns: Sequence[str], *, system: bool) -> None:
    async with connect(os.environ, system=system) as manager:
        changed = asyncio.Event()
        await manager.overhear(lambda _: changed.set())
        await manager.call("Subscribe", "")
        while await list_units(manager, patterns=patterns):
            await manager.heard(changed)


def detached() -> set[int]:
    """Return the PIDs of processes that block SIGTERM, have such a name, and live."""
    return {pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _is_detached(pid)}


def detached_gone(before: set[int]) -> None:
    """Return once none is left of those, except for `before`."""
    while left := detached() - before:
        for pid in left:
            try:
                pidfd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            try:
                assert select.select([pidfd], [], [], GENEROUS)[0], f"process {pid} lives on"
            finally:
                os.close(pidfd)


def _is_detached(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    blocks_term = int(fields["SigBlk"], 16) >> 14 & 1
    is_ours = int(fields["Uid"].split()[0]) == os.getuid()
    return is_ours and fields["Name"] in DETACHED and bool(blocks_term) and not fields["State"].startswith(("Z", "X"))
