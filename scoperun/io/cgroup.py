"""What the kernel says of a cgroup: its limits, its counters, its processes. Reads only."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from scoperun.errors import ScoperunError
from scoperun.events import Counters, Process
from scoperun.limits import LimitsInForce
from scoperun.sizes import INFINITY


@dataclass(frozen=True, slots=True)
class Cgroup:
    """A cgroup of the v2 hierarchy.

    name: its path as the kernel and systemd write it, as /user.slice/…/x.scope.
    path: where its files are.
    """

    name: str
    path: Path

    @property
    def slice(self) -> str | None:
        """The slice unit that the cgroup lies in."""
        parent = self.path.parent.name
        return parent if parent.endswith(".slice") else None

    def limits(self) -> LimitsInForce:
        """Return the limits that the kernel holds the cgroup to."""
        return LimitsInForce(
            memory_max=self._number("memory.max"),
            memory_high=self._number("memory.high"),
            memory_swap_max=self._number("memory.swap.max"),
            memory_zswap_max=self._number("memory.zswap.max"),
            tasks_max=_without_keeper(self._number("pids.max")),
            cpu_quota=self._cpu_quota(),
        )

    def counters(self, *, keeper: int) -> Counters:
        """Return the counters and processes of the cgroup, without those of the process `keeper`."""
        cpu = self._table("cpu.stat") or {}
        return Counters(
            memory_events=self._table("memory.events"),
            oomd_kills=self._oomd_kills(),
            memory_peak=self._number("memory.peak"),
            memory_swap_peak=self._number("memory.swap.peak"),
            memory_stat=self._table("memory.stat"),
            cpu_user=_seconds(cpu.get("user_usec")),
            cpu_system=_seconds(cpu.get("system_usec")),
            tasks_peak=_without_keeper(self._number("pids.peak")),
            processes=self.processes(keeper=keeper),
        )

    def missing(self, controller: str) -> str | None:
        """Return where controller `memory`, `pids` or `cpu` ends on the way to this cgroup, None if it is here."""
        if (self.path / f"{controller}.max").exists():
            return None
        if controller not in (_text(_hierarchy() / "cgroup.controllers") or "").split():
            return f"the kernel has no {controller} controller on the unified cgroup hierarchy"
        return f"systemd does not delegate the {controller} controller to this user's manager"

    def processes(self, *, keeper: int) -> tuple[Process, ...] | None:
        """Return the processes that run in the cgroup and below, without the keeper; None if it is gone."""
        try:
            folders = [folder for folder, _, _ in os.walk(self.path, onerror=_raise)]
        except OSError:  # it was removed meanwhile
            return None
        pids = [int(pid) for folder in folders for pid in (_text(Path(folder, "cgroup.procs")) or "").split()]
        names = ((pid, _running_name(pid)) for pid in pids if pid != keeper)
        return tuple(Process(pid=pid, name=name) for pid, name in names if name is not None)

    def _number(self, file: str) -> int | None:
        text = _text(self.path / file)
        if text is None:
            return None
        return INFINITY if text.strip() == "max" else int(text)

    def _table(self, file: str) -> dict[str, int] | None:
        text = _text(self.path / file)
        if text is None:
            return None
        rows = (line.split() for line in text.splitlines())
        return {row[0]: int(row[1]) for row in rows if len(row) == 2}

    def _oomd_kills(self) -> int | None:
        """systemd-oomd counts in an extended attribute, before it kills; without one it has not killed here."""
        try:
            return int(os.getxattr(self.path, "user.oomd_ooms"))
        except OSError as error:
            return 0 if error.errno == errno.ENODATA else None

    def _cpu_quota(self) -> float | None:
        words = (_text(self.path / "cpu.max") or "").split()
        if not words:
            return None
        return INFINITY if words[0] == "max" else int(words[0]) / int(words[1])


NOWHERE = Cgroup("", Path("/nonexistent"))
"""A cgroup of which nothing can be read."""


def cgroup_of(pid: int) -> Cgroup:
    """Return the cgroup that process `pid` is in."""
    for line in (_text(Path("/proc", str(pid), "cgroup")) or "").splitlines():
        if line.startswith("0::"):
            name = line.removeprefix("0::")
            return Cgroup(name, _hierarchy() / name.lstrip("/"))
    raise ScoperunError(
        f"process {pid} is in no cgroup of the unified hierarchy",
        hint="scoperun needs cgroup v2; check: stat -fc %T /sys/fs/cgroup prints cgroup2fs",
    )


def _hierarchy() -> Path:
    """Where cgroup v2 is mounted: /sys/fs/cgroup, or beside the hierarchies of v1."""
    for line in (_text(Path("/proc/self/mounts")) or "").splitlines():
        _, mount_point, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(mount_point)
    raise ScoperunError("cgroup v2 is not mounted", hint="check: findmnt -t cgroup2")


def _running_name(pid: int) -> str | None:
    """Return the name of process `pid`, None if it has ended."""
    stat = _text(Path("/proc", str(pid), "stat"))
    if stat is None:
        return None
    # The name stands between the first and the last parenthesis, whatever it contains.
    name, _, rest = stat.partition("(")[2].rpartition(") ")
    return None if rest[:1] in {"Z", "X"} else name


def _text(file: Path) -> str | None:
    """Return what a file says, None if there is none, or no more: ENODEV is a cgroup that was just removed."""
    try:
        return os.fsdecode(file.read_bytes())
    except OSError:
        return None


def _without_keeper(tasks: int | None) -> int | None:
    return tasks if tasks in {None, INFINITY} else tasks - 1


def _raise(error: OSError) -> None:
    raise error


def _seconds(usec: int | None) -> float | None:
    return None if usec is None else usec / 1e6
