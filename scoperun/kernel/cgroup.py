"""What the kernel says about any cgroup: its limits, its counters, its processes. Reads only."""

from __future__ import annotations

import functools
import itertools
import os
import re
from typing import TYPE_CHECKING

from scoperun.errors import ScoperunError
from scoperun.kernel.files import attribute, contents
from scoperun.record import dataclass
from scoperun.spec.limits import Ceiling, LimitsInForce
from scoperun.spec.scope import units_of
from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from collections.abc import Iterator


_MOUNTS = "/proc/self/mounts"

DISK_COUNTS = ("rbytes", "wbytes", "dbytes", "rios", "wios", "dios")
"""The names in io.stat of bytes and operations: read, written and discarded. Others depend on the kernel."""

NOT_DELEGATED = "systemd does not delegate"
"""How the reason begins if the kernel has a controller, but the user's manager cannot use it."""

_DELETED = " (deleted)"
"""What the kernel appends to the name of a removed cgroup; only dead processes can still be in one."""


@dataclass(frozen=True, slots=True)
class Cgroup:
    """A cgroup of the v2 hierarchy.

    name: its path as the kernel writes it, e.g. /user.slice/…/x.scope.
    path: the folder of its files.
    counts_alone: its memory.events leave out what happens in the cgroups below (mount option memory_localevents).
    """

    name: str
    path: str
    counts_alone: bool = False

    @property
    def units(self) -> tuple[str, ...]:
        """The units that the cgroup is in, the outermost first, and itself: the parts of its path."""
        return units_of(self.name)

    @property
    def slice(self) -> str | None:
        """The slice unit directly above the cgroup, None if that is not a slice."""
        parent = self.units[-2] if len(self.units) > 1 else ""
        return parent if parent.endswith(".slice") else None

    def slice_of_manager(self, *, system: bool) -> str:
        """Return the innermost slice of the system's or of the user's manager that the cgroup is in.

        Raises ScoperunError if the cgroup is not below the user's manager.
        """
        units = self.units
        if not system:
            managers = [number for number, unit in enumerate(units) if re.fullmatch(r"user@\d+\.service", unit)]
            if not managers:
                raise ScoperunError(
                    f"`slice_inherit`: {self.name} is not in a slice of your own systemd",
                    hint="start it from one, e.g. with systemd-run --user, or name a slice with `slice`",
                )
            units = units[managers[0] + 1 :]
        slices = list(itertools.takewhile(lambda unit: unit.endswith(".slice"), units))
        return slices[-1] if slices else "-.slice"

    def of_unit(self, unit: str) -> Cgroup | None:
        """Return the cgroup of `unit` if that is this one or one above it; None if not."""
        if unit not in self.units:
            return None
        below = len(self.units) - 1 - self.units.index(unit)
        return self._upwards()[below]

    def contains(self, name: str) -> bool:
        """Tell whether the cgroup of that name is this one or one below it."""
        return f"{name}/".startswith(f"{self.name}/")

    def limits(self) -> LimitsInForce:
        """Return the limits that the kernel holds the cgroup to; None for each that it does not have."""
        return LimitsInForce(
            memory_max=self.number("memory.max"),
            memory_high=self.number("memory.high"),
            memory_swap_max=self.number("memory.swap.max"),
            memory_zswap_max=self.number("memory.zswap.max"),
            tasks_max=self.number("pids.max"),
            cpu_quota=self._cpu_quota(),
        )

    def memory_ceiling(self) -> Ceiling | None:
        """Return the least limit on memory of this cgroup and those above it; None if its own cannot be read."""
        levels = self.levels()
        limits = [level.number("memory.max") for level in levels]
        if limits[0] is None:
            return None
        known = [(limit, level.name) for limit, level in zip(limits, levels, strict=True) if limit is not None]
        least = min(limit for limit, _ in known)
        # Where "/" has a limit it is the root of a container, and the cgroups above that are not to be seen.
        is_known = len(known) == len(levels) and levels[-1].name != "/"
        return Ceiling(limit=least, cgroup=[name for limit, name in known if limit == least][-1], is_known=is_known)

    def missing(self, controller: str) -> str | None:
        """Return why the cgroup lacks controller memory, pids, cpu, cpuset or io, as text; None if it has it."""
        if os.path.exists(f"{self.path}/{controller}.{'cpus' if controller == 'cpuset' else 'max'}"):
            return None
        if controller not in (_text(f"{hierarchy_of_this_machine()[0]}/cgroup.controllers") or "").split():
            return f"the kernel has no {controller} controller on the unified cgroup hierarchy"
        return f"{NOT_DELEGATED} the {controller} controller to your manager"

    def own_events(self) -> dict[str, int]:
        """Return this cgroup's own memory events, without those below (memory.events.local); {} without that file."""
        return self.table("memory.events.local") or {}

    def own_events_upwards(self) -> dict[str, dict[str, int]]:
        """Return the own events of this cgroup and of each one above it, by name, from here upwards."""
        return {level.name: level.own_events() for level in self.levels()}

    def event_files(self) -> list[str]:
        """Return the files that change when something happens to this cgroup's memory: its own and those above."""
        _, *above = self.levels()
        return [f"{self.path}/memory.events", *(f"{level.path}/memory.events.local" for level in above)]

    def levels(self) -> list[Cgroup]:
        """Return this cgroup and each one above it; the root only in a container, where the root has limits."""
        return [level for level in self._upwards() if level.can_have_limits]

    @property
    def can_have_limits(self) -> bool:
        """Whether it is a cgroup that can have limits, which the root can only in a container."""
        return self.name != "/" or os.path.exists(f"{self.path}/memory.events.local")

    def _upwards(self) -> list[Cgroup]:
        """Return this cgroup and each one above it, up to the root."""
        if self.name in {"", "/"}:
            return [self]
        return [self, *_upwards_from(os.path.dirname(self.name), os.path.dirname(self.path), self.counts_alone)]

    def below(self) -> Iterator[Cgroup]:
        """Yield the cgroups below this one, without those that are removed meanwhile."""
        try:
            # A cgroup's folder has two links and one more for each folder in it. Most have none, and no walk is needed.
            is_leaf = os.stat(self.path).st_nlink == 2
        except OSError:
            return
        waiting = [] if is_leaf else self.directly_below()[::-1]
        while waiting:  # os.walk() of Python 3.11 ends with RecursionError where many are in each other
            found = waiting.pop()
            inner = found._in_it()  # noqa: SLF001  another one of this class
            if inner is not None:
                yield found
                waiting += reversed(inner)

    def directly_below(self) -> list[Cgroup]:
        """Return the cgroups in this one, without those in them, by name; [] if it is gone."""
        return self._in_it() or []

    def _in_it(self) -> list[Cgroup] | None:
        """Return the cgroups directly below, None if this one is gone."""
        try:
            with os.scandir(self.path) as entries:
                names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            return None
        return [Cgroup(f"{self.name.rstrip('/')}/{name}", f"{self.path}/{name}", self.counts_alone) for name in names]

    def pids(self) -> list[int] | None:
        """Return the PIDs in this cgroup, without those below; None if the cgroup is gone."""
        text = self.text("cgroup.procs")
        return None if text is None else list(map(int, text.split()))

    def text(self, file: str) -> str | None:
        """Return the text of one of its files, None if there is no such file."""
        return _text(f"{self.path}/{file}")

    def number(self, file: str) -> int | None:
        """Return the number in a file, INFINITY for max; None if there is no such file."""
        text = self.text(file)
        if text is None:
            return None
        return INFINITY if text.strip() == "max" else int(text)

    def table(self, file: str) -> dict[str, int] | None:
        """Return the numbers in a file by their names; None if there is no such file."""
        text = self.text(file)
        if text is None:
            return None
        rows = (line.split() for line in text.splitlines())
        return {row[0]: int(row[1]) for row in rows if len(row) == 2}

    def disk_use(self) -> dict[str, int] | None:
        """Return the numbers in io.stat by their names, each the sum over all devices; None if there is no such file.

        The controller is there without a device until a process reads or writes: then nothing was read or written.
        """
        text = self.text("io.stat")
        if text is None:
            return None
        sums = dict.fromkeys(DISK_COUNTS, 0)
        for word in text.split():
            name, _, count = word.partition("=")
            if name in sums:
                sums[name] += int(count)
        return sums

    def attribute(self, name: str) -> bytes | None:
        """Return an extended attribute, b"" if it is not set, None if it cannot be read."""
        return attribute(self.path, name)

    def _cpu_quota(self) -> float | None:
        words = (self.text("cpu.max") or "").split()
        if not words:
            return None
        return INFINITY if words[0] == "max" else int(words[0]) / int(words[1])


@functools.lru_cache(maxsize=64)
def _upwards_from(name: str, path: str, counts_alone: bool) -> tuple[Cgroup, ...]:
    """Return a cgroup and each one above it, up to the root; kept, because most scopes are in the same slice."""
    return tuple(Cgroup(name, path, counts_alone)._upwards())  # noqa: SLF001  a method of the same idea


NOWHERE = Cgroup("", "/nonexistent")
"""A cgroup that has no files."""


def cgroup_of(pid: int) -> Cgroup:
    """Return the cgroup that process `pid` is in; raise ScoperunError if it is not in one of cgroup v2."""
    name = cgroup_name_of(pid)
    if name is None:
        raise ScoperunError(
            f"process {pid} is not in a cgroup of the unified hierarchy",
            hint="scoperun needs cgroup v2; check: stat -fc %T /sys/fs/cgroup prints cgroup2fs",
        )
    path, counts_alone = hierarchy_of_this_machine()
    return Cgroup(name, os.path.join(path, name.lstrip("/")), counts_alone)


def cgroup_name_of(pid: int) -> str | None:
    """Return the name of the cgroup that process `pid` is in, or died in; None if it is not known.

    Raises ScoperunError if we may not read /proc/PID/cgroup.
    """
    for line in _needed(f"/proc/{pid}/cgroup").split("\n"):
        if line.startswith("0::"):
            name = line.removeprefix("0::")
            return name if name.endswith(_DELETED) and _is_there(name) else name.removesuffix(_DELETED)
    return None


def _is_there(name: str) -> bool:
    """Tell whether there is a cgroup of this name, even one whose real name ends in " (deleted)"."""
    return os.path.exists(os.path.join(hierarchy_of_this_machine()[0], name.lstrip("/")))


def hierarchy_of_this_machine() -> tuple[str, bool]:
    """Return what `hierarchy` says of this machine; raises what it raises."""
    return hierarchy(_needed(_MOUNTS))


def hierarchy(mounts: str) -> tuple[str, bool]:
    """Return where cgroup v2 is mounted and whether with memory_localevents, from the text of /proc/self/mounts.

    That is /sys/fs/cgroup, or a folder beside the v1 hierarchies. Raises ScoperunError if it is not mounted.
    """
    for line in mounts.split("\n"):  # not splitlines, which also splits at other characters, and names can have those
        _, mount_point, kind, options, *_ = *line.split(" "), "", "", "", ""
        if kind == "cgroup2":
            return mount_point, "memory_localevents" in options.split(",")
    raise ScoperunError("cgroup v2 is not mounted", hint="check: findmnt -t cgroup2")


def _needed(file: str) -> str:
    """Return the text of a file in /proc, "" if it is not there; raise ScoperunError if it cannot be read."""
    try:
        return os.fsdecode(contents(file))
    except (FileNotFoundError, ProcessLookupError):
        return ""
    except OSError as error:
        raise ScoperunError(f"cannot read {file}: {error.strerror}") from None


def _text(file: str) -> str | None:
    """Return the text of a file, None if it cannot be read; ENODEV means that the cgroup was just removed."""
    try:
        return os.fsdecode(contents(file))
    except OSError:
        return None
