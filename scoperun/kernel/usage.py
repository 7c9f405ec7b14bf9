"""What many cgroups use and are held to, with few system calls: for lists that are read at once. Reads only."""

from __future__ import annotations

import os

from scoperun.kernel.files import brief
from scoperun.record import dataclass, field
from scoperun.spec.limits import Ceiling
from scoperun.spec.sizes import INFINITY


@dataclass(frozen=True, slots=True)
class _Level:
    """A cgroup together with those above it: the least limit, the outermost cgroup that has it, and what is missing."""

    limit: int
    cgroup: str
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The least limits on memory of many cgroups; what is above several of them is read once."""

    _levels: dict[str, _Level | None] = field(default_factory=dict)

    def of(self, name: str, path: str) -> Ceiling | None:
        """Return what Cgroup.memory_ceiling() does for the cgroup of that name and path."""
        own = number(f"{path}/memory.max")
        if own is None:
            return None
        above = self._above(name, path)
        if above is None:
            return Ceiling(limit=own, cgroup=name, is_known=True)
        if above.limit <= own:
            return Ceiling(limit=above.limit, cgroup=above.cgroup, is_known=above.is_whole)
        return Ceiling(limit=own, cgroup=name, is_known=above.is_whole)

    def _above(self, name: str, path: str) -> _Level | None:
        """Return the least limit above a cgroup, None if there is nothing above that can have limits."""
        if name in {"", "/"}:
            return None
        parent, folder = name.rpartition("/")[0] or "/", path.rpartition("/")[0]
        if folder not in self._levels:
            self._levels[folder] = self._level(parent, folder)
        return self._levels[folder]

    def _level(self, name: str, path: str) -> _Level | None:
        is_root = name == "/"
        # The root has limits only in a container, where it is not the machine's, and what is above is not to be seen.
        if is_root and not os.path.exists(f"{path}/memory.events.local"):
            return None
        own, above = number(f"{path}/memory.max"), self._above(name, path)
        is_whole = own is not None and not is_root and (above is None or above.is_whole)
        if above is not None and (own is None or above.limit <= own):
            return _Level(above.limit, above.cgroup, is_whole)
        return _Level(INFINITY if own is None else own, name, is_whole)


def number(file: str) -> int | None:
    """Return the number in a cgroup's file, INFINITY for max; None if it cannot be read."""
    try:
        text = brief(file)
    except OSError:
        return None
    return INFINITY if text.startswith(b"max") else int(text)


def cpu_time(path: str) -> float | None:
    """Return the seconds of processor time that the cgroup in this folder has used; None if it is not known."""
    try:
        name, usec, *_ = brief(f"{path}/cpu.stat").split(None, 2)
    except OSError:
        return None
    return int(usec) / 1e6 if name == b"usage_usec" else None


def condition(path: str) -> tuple[bool, bool] | None:
    """Return whether a process lives in the cgroup, and whether it is frozen; None if it is gone (cgroup.events)."""
    try:
        words = brief(f"{path}/cgroup.events").split()
    except OSError:
        return None
    values = dict(zip(words[::2], words[1::2], strict=False))
    return values.get(b"populated") == b"1", values.get(b"frozen") == b"1"
