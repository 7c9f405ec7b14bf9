"""What `scopectl top` reads in a round: the units with processes, and what they use. Without a terminal.

The numbers come from the files of the units' cgroups.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from scoperun.kernel.held_cgroup import HeldCgroup, Room
from scoperun.record import dataclass
from scoperun.spec.scope import ROOT_SLICE
from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from scoperun.kernel.cgroup import Cgroup
    from scoperun.kernel.held_cgroup import Numbers

COMMANDS = (".scope", ".service")
"""How the names of units end in which processes run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a unit used in one round; None for each number that cannot be known.

    unit: its full name. slice: the slice unit that it is in, None if that is the manager's root slice.
    cgroup: the name of its cgroup. command: its description as systemd has it, None if that is not known.
    memory, swap: bytes. limit: the least limit on memory of the unit and all above it in bytes, INFINITY without one.
    limited_by: the outermost unit with that limit. cpu: processors in use since the last round, e.g. 0.5; None in the
    unit's first. tasks: processes and threads. is_frozen: the kernel does not run its processes.
    """

    unit: str
    slice: str | None
    cgroup: str
    command: str | None
    memory: int | None
    limit: int | None
    limited_by: str | None
    swap: int | None
    cpu: float | None
    tasks: int | None
    is_frozen: bool | None

    @property
    def share(self) -> float | None:
        """Which part of the limit is used, from 0 to 1; None if that is not known or there is no limit."""
        if self.memory is None or self.limit in {None, INFINITY}:
            return None
        return min(self.memory / self.limit, 1.0) if self.limit else 1.0

    @property
    def memory_and_swap(self) -> int | None:
        """Bytes of both; None if the memory is not known."""
        return None if self.memory is None else self.memory + (self.swap or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What was read at one moment.

    taken: seconds since the epoch. units: those that are shown. slices: those that they are in, outer ones first.
    """

    taken: float
    units: tuple[Usage, ...]
    slices: tuple[Usage, ...]


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit on memory and the unit that has it."""

    size: int
    unit: str


_Limits = dict[str | None, _Limit | None]
"""The least limits on memory by the units that are under them; None is what is above all of the manager's units."""


class _Unit:
    """A unit from its first round to its last."""

    __slots__ = ("command", "held", "last", "slice")

    def __init__(self, held: HeldCgroup, parent: str | None) -> None:
        self.held = held
        self.slice = parent
        self.command: str | None = None
        self.last: tuple[float, float] | None = None

    def cpu(self, numbers: Numbers) -> float | None:
        """Return the processors in use since this was last called."""
        if numbers.cpu is None:
            self.last = None
            return None
        before, self.last = self.last, (time.monotonic(), numbers.cpu)
        if before is None or self.last[0] <= before[0]:
            return None
        return max(self.last[1] - before[1], 0.0) / (self.last[0] - before[0])


class Sampler:
    """Reads what units use, to be closed after use. manager: the manager's own cgroup."""

    def __init__(self, manager: Cgroup, is_shown: Callable[[str], bool], room: Room) -> None:
        """Read nothing yet.

        is_shown: tells by its name whether a unit that has appeared is shown. room: how many descriptors there can be.
        """
        self.manager = manager
        self._is_shown = is_shown
        self._room = room
        self._above = [(HeldCgroup(level, room), _name(level)) for level in reversed(manager.levels())]
        self._found: Mapping[str, Cgroup] = {}
        self._units: dict[str, _Unit] = {}
        self._slices: dict[str, _Unit] = {}

    def close(self) -> None:
        """Close the files."""
        for held, _ in self._above:
            held.close()
        for unit in (*self._units.values(), *self._slices.values()):
            unit.held.close()

    def find(self, found: Mapping[str, Cgroup]) -> None:
        """Take the cgroups of the units that are there now, outer slices first, and forget those that are not."""
        self._found = found
        self._forget(found)
        for name, cgroup in found.items():
            if name not in self._units and name.endswith(COMMANDS) and self._is_shown(name):
                self._units[name] = self._new(cgroup)

    def read(self) -> Round:
        """Read the files of the units that were found."""
        shown = [name for name in self._found if name in self._units]
        limits: _Limits = {None: self._limit_above()}
        slices = [usage for name in self._slices_of(shown) if (usage := self._usage(name, self._slices, limits))]
        units = [usage for name in shown if (usage := self._usage(name, self._units, limits))]
        return Round(taken=time.time(), units=tuple(units), slices=tuple(slices))

    def nameless(self) -> list[str]:
        """Return the shown units whose description is not known."""
        return [name for name, unit in self._units.items() if unit.command is None]

    def describe(self, commands: Mapping[str, str]) -> None:
        """Take the descriptions of units by their names."""
        for name, command in commands.items():
            if name in self._units:
                self._units[name].command = command

    def folder(self, name: str) -> str:
        """Return the folder of a shown unit's cgroup, "" if there is no such unit any more."""
        return self._units[name].held.cgroup.path if name in self._units else ""

    def is_there(self, name: str) -> bool:
        """Tell whether the unit whose numbers were read in the last round still has that same cgroup."""
        return name in self._units and self._units[name].held.is_there()

    def _new(self, cgroup: Cgroup) -> _Unit:
        return _Unit(HeldCgroup(cgroup, self._room), slice_in(self.manager, cgroup))

    def _forget(self, found: Mapping[str, Cgroup]) -> None:
        for known in (self._units, self._slices):
            gone = [name for name, unit in known.items() if _moved(found.get(name), unit.held.cgroup.name)]
            for name in gone:
                known.pop(name).held.close()

    def _slices_of(self, shown: Iterable[str]) -> list[str]:
        """Return the slices that the units are in, outer ones first, and remember those that are new."""
        needed = set()
        for name in shown:
            parent = self._units[name].slice
            while parent is not None and parent not in needed:
                needed.add(parent)
                if parent not in self._slices:
                    self._slices[parent] = self._new(self._found[parent])
                parent = self._slices[parent].slice
        return [name for name in self._found if name in needed]

    def _limit_above(self) -> _Limit | None:
        """Return the least limit of the manager's cgroup and those above it."""
        least = None
        for held, unit in self._above:
            size = held.memory_max()
            if size is not None:
                least = _least(least, _Limit(size, unit))
        return least

    def _usage(self, name: str, known: dict[str, _Unit], limits: _Limits) -> Usage | None:
        """Return what a unit uses, and note the limit that it is under; None if it has just ended."""
        unit = known[name]
        numbers = unit.held.numbers()
        limits[name] = least = limits[unit.slice]
        if numbers is None:  # it has ended; if there is another of that name already, the next round finds it
            known.pop(name).held.close()
            return None
        if numbers.memory_max is not None:
            limits[name] = least = _least(least, _Limit(numbers.memory_max, name))
        is_known = numbers.memory_max is not None and least is not None
        return Usage(
            unit=name,
            slice=unit.slice,
            cgroup=unit.held.cgroup.name,
            command=unit.command,
            memory=numbers.memory,
            limit=least.size if is_known and least else None,
            limited_by=least.unit if is_known and least and least.size != INFINITY else None,
            swap=numbers.swap,
            cpu=unit.cpu(numbers),
            tasks=numbers.tasks,
            is_frozen=numbers.is_frozen,
        )


def slice_in(manager: Cgroup, cgroup: Cgroup) -> str | None:
    """Return the slice unit below the manager's cgroup that the cgroup is directly in, None if it is in none."""
    parent = cgroup.name.rpartition("/")[0]
    return None if parent in {manager.name, manager.name.rstrip("/")} else cgroup.slice


def _name(cgroup: Cgroup) -> str:
    return cgroup.units[-1] if cgroup.units else ROOT_SLICE


def _moved(now: Cgroup | None, before: str) -> bool:
    return now is None or now.name != before


def _least(one: _Limit | None, other: _Limit) -> _Limit:
    """Return the lower limit; of two equal ones the first, which is further out."""
    return other if one is None or other.size < one.size else one
