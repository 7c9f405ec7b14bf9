"""What one unit uses and is held to, as the subcommands show it: each value is read when first asked for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scoperun.kernel.usage import Ceilings, condition, cpu_time, number
from scoperun.record import dataclass, field
from scoperun.spec.scope import units_of
from scoperun.spec.sizes import INFINITY, format_size, format_time

if TYPE_CHECKING:
    from scoperun.ctl.session import Seen

Number = int | float | str | None
"""A number as JSON has it: "infinity" for no limit, None for what is not known."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What units have in common that are read together.

    now: seconds since the epoch. has_swap: the machine has swap; without it no unit uses any, and no file is read.
    """

    now: float
    has_swap: bool = True
    ceilings: Ceilings = field(default_factory=Ceilings)


class Reading:
    """A unit at one moment.

    seen: the unit. moment: shared by all units that are read together.
    entered: when it became active, if its file does not say that; seconds since the epoch.
    app: the name of the desktop application that it is, None if it is none.
    """

    def __init__(self, seen: Seen, moment: Moment, *, entered: float | None = None, app: str | None = None) -> None:
        """Read nothing yet."""
        self.seen = seen
        self.app = app
        self._moment = moment
        self._entered = entered
        self._ceiling: tuple[Number, str | None] | None = None
        self._numbers: dict[str, int | None] = {}
        self._cpu: float | None = None
        self._state = ""

    @property
    def name(self) -> str:
        """The unit's name."""
        return self.seen.name

    @property
    def state(self) -> str:
        """ActiveState=, or `frozen` or `empty`: an active scope in which no process lives, which systemd overlooked."""
        self._state = self._state or self._read_state()
        return self._state

    def _read_state(self) -> str:
        unit, cgroup = self.seen.unit, self.seen.cgroup
        if cgroup is not None and unit.active == "active":
            is_populated, is_frozen = condition(cgroup.path) or (True, False)
            if is_frozen:
                return "frozen"
            if not is_populated and unit.name.endswith(".scope"):
                return "empty"
        return unit.active

    @property
    def memory(self) -> int | None:
        """The bytes of memory that it uses."""
        return self._number("memory.current")

    @property
    def swap(self) -> int | None:
        """The bytes of swap that it uses."""
        if not self._moment.has_swap:
            return None if self.memory is None else 0
        return self._number("memory.swap.current")

    @property
    def peak(self) -> int | None:
        """The most bytes of memory that it has used."""
        return self._number("memory.peak")

    @property
    def tasks(self) -> int | None:
        """Its processes and threads."""
        return self._number("pids.current")

    @property
    def cpu(self) -> float | None:
        """The seconds of processor time that it has used."""
        if self._cpu is None and self.seen.cgroup is not None:
            self._cpu = cpu_time(self.seen.cgroup.path)
        return self._cpu

    @property
    def limit(self) -> Number:
        """The least limit on memory of the unit and everything above it."""
        return self._least()[0]

    @property
    def limited_by(self) -> str | None:
        """The unit that has this limit: itself, or one above."""
        return self._least()[1]

    @property
    def age(self) -> float | None:
        """The seconds since it started; None also if the clock has been set back since."""
        began = self._entered if self.seen.started is None else self.seen.started
        now = self._moment.now
        return None if began is None or began > now else now - began

    @property
    def slice(self) -> str | None:
        """The slice that it is in."""
        return None if self.seen.cgroup is None else self.seen.cgroup.slice

    @property
    def share(self) -> float | None:
        """Its memory as a share of its limit."""
        memory, limit = self.memory, self.limit
        return memory / limit if isinstance(limit, int) and limit and memory is not None else None

    def _least(self) -> tuple[Number, str | None]:
        if self._ceiling is None:
            self._ceiling = self._read_ceiling()
        return self._ceiling

    def _read_ceiling(self) -> tuple[Number, str | None]:
        cgroup = self.seen.cgroup
        found = None if cgroup is None else self._moment.ceilings.of(cgroup.name, cgroup.path)
        if found is None:
            return None, None
        if found.limit == INFINITY:
            return "infinity" if found.is_known else None, None
        return found.limit, units_of(found.cgroup)[-1] if found.cgroup not in {"", "/"} else "-.slice"

    def _number(self, file: str) -> int | None:
        if file not in self._numbers and self.seen.cgroup is not None:
            self._numbers[file] = number(f"{self.seen.cgroup.path}/{file}")
        return self._numbers.get(file)


def size_text(size: Number) -> str:
    """Return bytes as a cell of a table: 20M, infinity, - for what is not known."""
    return "-" if size is None else size if isinstance(size, str) else format_size(int(size))


def time_text(seconds: Number) -> str:
    """Return seconds as a cell: 1.250s, 5min 20s, - for what is not known."""
    return "-" if not isinstance(seconds, int | float) else format_time(seconds)


def age_text(seconds: Number) -> str:
    """Return seconds as a cell, with the two largest units: 12s, 5min 20s, 2h 3min, 8d 4h."""
    if not isinstance(seconds, int | float) or seconds == math.inf:
        return "-"
    return " ".join(format_time(math.floor(seconds)).split()[:2]) if seconds >= 1 else "0s"


def share_style(share: float | None) -> str:
    """Return the style of a share of a limit: green, yellow from three quarters, red from nine tenths."""
    if share is None:
        return ""
    return "red" if share >= 0.9 else "yellow" if share >= 0.75 else "green"


def bar(share: float, width: int, *, utf8: bool) -> str:
    """Return a share as a bar of this width."""
    full = min(width, math.ceil(share * width)) if share > 0 else 0
    return ("█" * full).ljust(width, "░") if utf8 else ("#" * full).ljust(width, ".")
