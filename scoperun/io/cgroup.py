"""What the kernel says of a cgroup: its limits, its counters, its processes. Reads only."""

from __future__ import annotations

import errno
import itertools
import os
import re
import time
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from scoperun.dataclass import dataclass, replace
from scoperun.errors import ScoperunError
from scoperun.events import Counters, EndedTask, MemorySnapshot, Process, Task
from scoperun.io.process_table import has_ended, name_of, running_name, task, wait_status
from scoperun.limits import LimitsInForce
from scoperun.sizes import INFINITY

if TYPE_CHECKING:
    from collections.abc import Callable


_MOUNTS = "/proc/self/mounts"

_MOST_LISTS = 100
"""How often processes are listed at the most, where each time one of them has ended since."""

_TRIES = 3
"""How often what belongs together is read until no kill has come between."""


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

    def slice_of_manager(self, *, system: bool) -> str:
        """Return the slice that the cgroup lies in, of those of the system's manager or of the user's.

        Raises ScoperunError where that manager has nothing to do with this cgroup.
        """
        units = self.name.split("/")[1:]
        if not system:
            managers = [number for number, unit in enumerate(units) if re.fullmatch(r"user@\d+\.service", unit)]
            if not managers:
                raise ScoperunError(
                    f"--slice-inherit: {self.name} is in no slice of the user's manager",
                    hint="start it from there, as with systemd-run --user, or name a slice with --slice",
                )
            units = units[managers[0] + 1 :]
        slices = list(itertools.takewhile(lambda unit: unit.endswith(".slice"), units))
        return slices[-1] if slices else "-.slice"

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
        # What tells most comes first: where the keeper was killed too, the cgroup goes while it is read.
        own, tasks_peak, events = _ooms_of(self.path), self._number("pids.peak"), self._table("memory.events")
        ooms = self.ooms(own) if events and events.get("oom_kill") else None
        cpu = self._table("cpu.stat") or {}
        return Counters(
            memory_events=events,
            ooms=ooms,
            oomd_kills=self._oomd_kills(),
            memory_peak=self._number("memory.peak"),
            memory_swap_peak=self._number("memory.swap.peak"),
            memory_stat=self._table("memory.stat"),
            cpu_user=_seconds(cpu.get("user_usec")),
            cpu_system=_seconds(cpu.get("system_usec")),
            tasks_peak=_without_keeper(tasks_peak),
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
        """Return the processes that run in the cgroup and below, without the keeper; None if it is gone.

        Who has ended since they were listed may have forked before that: then the list is read again.
        """
        for _ in range(_MOST_LISTS):
            pids = self._pids(keeper=keeper)
            if pids is None:
                return None
            names = [(pid, running_name(pid)) for pid in pids]
            running = tuple(Process(pid=pid, name=name) for pid, name in names if name is not None)
            if len(running) == len(pids):
                break
        return running

    def snapshot(
        self,
        *,
        keeper: int,
        before: MemorySnapshot | None = None,
        wait_status: Callable[[int], int | None] = wait_status,
    ) -> MemorySnapshot | None:
        """Return what the cgroup's memory is like now, and what became of those who lived `before`; None if it is gone.

        wait_status tells how a process ended, None if that is not known.
        What it says of processes and memory is from before a kill, or from after it was counted: else it is read again.
        Where kill follows upon kill, what the memory was is not known, and nor is who came and went.
        """
        at, own, events = time.monotonic(), _ooms_of(self.path), self._table("memory.events")
        for _ in range(_TRIES):
            tasks, gone = self._tasks(keeper=keeper, before=before)
            stat = self._table("memory.stat")
            current, swap = self._number("memory.current"), self._number("memory.swap.current")
            counted, events = events, self._table("memory.events")
            is_torn = _kills(events) != _kills(counted)
            if not is_torn:
                break
        if events is None:
            return None
        return MemorySnapshot(
            at=at,
            events=events,
            ooms=self.ooms(own),
            stat=None if is_torn else stat,
            current=None if is_torn else current,
            swap_current=None if is_torn else swap,
            tasks=tasks,
            ended=tuple(EndedTask(task=each, status=wait_status(each.pid)) for each in gone),
            rested=is_torn,
        )

    def _tasks(self, *, keeper: int, before: MemorySnapshot | None) -> tuple[tuple[Task, ...], tuple[Task, ...]]:
        """Return who lives in the cgroup, and who does not live any more."""
        pids = self._pids(keeper=keeper) or []
        tasks = {pid: each for pid in pids if (each := task(pid)) is not None}
        lived = {each.pid: each for each in (before.tasks if before else ())}
        gone = [pid for pid in {**lived, **dict.fromkeys(pids)} if pid not in tasks and has_ended(pid)]
        return tuple(tasks.values()), tuple(map(_last_seen, (lived.get(pid) or Task(pid=pid, name="") for pid in gone)))

    def ooms(self, own: int | None = None) -> dict[str, int | None]:
        """Return how often this cgroup and each one above it ran into its own limit, by name, from here upwards.

        own: what was read of this cgroup just before, which stands if it is gone. That it had not done so does not.
        """
        ooms = {name: _ooms_of(path) for name, path in self._levels()}
        return {**ooms, self.name: own or None} if ooms[self.name] is None else ooms

    def event_files(self) -> list[Path]:
        """Return the files that change when something happens to this cgroup's memory: its own, and those above."""
        _, *above = self._levels()
        return [self.path / "memory.events", *(path / "memory.events.local" for _, path in above)]

    def _levels(self) -> list[tuple[str, Path]]:
        """Return this cgroup and each one above it, by name; the root only in a container, which has limits there."""
        names = [self.name, *map(str, PurePosixPath(self.name).parents)]
        levels = zip(names, [self.path, *self.path.parents], strict=False)
        return [(name, path) for name, path in levels if name != "/" or (path / "memory.events.local").exists()]

    def _pids(self, *, keeper: int) -> list[int] | None:
        """Return the processes in the cgroup and below; None if it is gone. One below it may go meanwhile."""
        own = _text(self.path / "cgroup.procs")
        try:
            # A cgroup's folder has a link from each one inside it, beside its own two; most have none.
            is_leaf = self.path.stat().st_nlink == 2
        except OSError:
            return None
        if own is None:
            return None
        below = [] if is_leaf else [folder for folder, *_ in os.walk(self.path)][1:]
        lists = [own, *(_text(Path(folder, "cgroup.procs")) or "" for folder in below)]
        return [int(pid) for pids in lists for pid in pids.split() if int(pid) != keeper]

    def _number(self, file: str) -> int | None:
        text = _text(self.path / file)
        if text is None:
            return None
        return INFINITY if text.strip() == "max" else int(text)

    def _table(self, file: str) -> dict[str, int] | None:
        return _table(self.path / file)

    def _oomd_kills(self) -> int | None:
        """systemd-oomd counts in an extended attribute, before it kills; without one it has not killed here."""
        try:
            return int(os.getxattr(self.path, "user.oomd_ooms"))
        except OSError as error:
            return 0 if error.errno == errno.ENODATA else None
        except ValueError:  # not systemd-oomd's: the command may write there too
            return None

    def _cpu_quota(self) -> float | None:
        words = (_text(self.path / "cpu.max") or "").split()
        if not words:
            return None
        return INFINITY if words[0] == "max" else int(words[0]) / int(words[1])


NOWHERE = Cgroup("", Path("/nonexistent"))
"""A cgroup of which nothing can be read."""


def cgroup_of(pid: int) -> Cgroup:
    """Return the cgroup that process `pid` is in."""
    for line in _needed(f"/proc/{pid}/cgroup").split("\n"):
        if line.startswith("0::"):
            name = line.removeprefix("0::")
            return Cgroup(name, _hierarchy() / name.lstrip("/"))
    raise ScoperunError(
        f"process {pid} is in no cgroup of the unified hierarchy",
        hint="scoperun needs cgroup v2; check: stat -fc %T /sys/fs/cgroup prints cgroup2fs",
    )


def _ooms_of(path: Path) -> int | None:
    return (_table(path / "memory.events.local") or {}).get("oom")


def _kills(events: dict[str, int] | None) -> int:
    return (events or {}).get("oom_kill", 0)


def _hierarchy() -> Path:
    """Where cgroup v2 is mounted: /sys/fs/cgroup, or beside the hierarchies of v1."""
    for line in _needed(_MOUNTS).split("\n"):  # not splitlines: a name may have what ends lines elsewhere
        _, mount_point, kind, *_ = *line.split(" "), "", "", ""
        if kind == "cgroup2":
            return Path(mount_point)
    raise ScoperunError("cgroup v2 is not mounted", hint="check: findmnt -t cgroup2")


def _last_seen(task: Task) -> Task:
    """Return a process that has ended with the name that it had in the end: it may have had another before its exec."""
    return replace(task, name=name_of(task.pid) or task.name)


def _table(file: Path) -> dict[str, int] | None:
    text = _text(file)
    if text is None:
        return None
    rows = (line.split() for line in text.splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2}


def _needed(file: str) -> str:
    """Return what a file of /proc says; raise ScoperunError if that cannot be read, but not if it is not there."""
    try:
        with open(file, "rb") as opened:
            return os.fsdecode(opened.read())
    except (FileNotFoundError, ProcessLookupError):
        return ""
    except OSError as error:
        raise ScoperunError(f"cannot read {file}: {error.strerror}") from None


def _text(file: Path) -> str | None:
    """Return what a file says, None if there is none, or no more: ENODEV is a cgroup that was just removed."""
    try:
        return os.fsdecode(file.read_bytes())
    except OSError:
        return None


def _without_keeper(tasks: int | None) -> int | None:
    return tasks if tasks in {None, INFINITY} else tasks - 1


def _seconds(usec: int | None) -> float | None:
    return None if usec is None else usec / 1e6
