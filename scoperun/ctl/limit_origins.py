"""Which limits hold a unit, and what has set each: by the kernel's files and systemd's unit files. No I/O.

systemd reads a unit's file, then its drop-ins in their order; the last one that has a setting wins. But a property that
was set while the unit ran is in force before that order is looked at again. So the origin is the last file whose value
is the one in force.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue
from scoperun.record import dataclass, replace
from scoperun.spec.limits import KEEPER_TASKS
from scoperun.spec.sizes import INFINITY, format_size, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from scoperun.spec.limits import LimitsInForce

SETTINGS = {
    "MemoryMax": "memory_max",
    "MemoryHigh": "memory_high",
    "MemorySwapMax": "memory_swap_max",
    "MemoryZSwapMax": "memory_zswap_max",
    "TasksMax": "tasks_max",
    "CPUQuota": "cpu_quota",
}
"""The settings that limit a unit, and the fields that have what is in force."""

_LARGEST_PAGE = 65536
"""The kernel keeps memory in whole pages, which have at most 64 KiB."""

_NEARLY = 0.01


@dataclass(frozen=True, slots=True)
class UnitFile:
    """A file of systemd's about a unit: its path, and the last value of each setting in it."""

    path: str
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit in force.

    setting: its name without `=`. value: bytes, tasks or processors. unit: the unit that has it, the one in question or
    one above. how: `start` (asked for when it started), `set-property`, `file`, `default` (systemd's own), or None for
    not known. file: the path of the file that has it.
    """

    setting: str
    value: float
    unit: str
    how: str | None
    file: str | None

    @property
    def text(self) -> str:
        """The limit as systemd writes it: MemoryMax=20M."""
        if self.setting == "CPUQuota":
            return f"CPUQuota={self.value * 100:g}%"
        return f"{self.setting}={int(self.value) if self.setting == 'TasksMax' else format_size(int(self.value))}"

    def origin(self, *, of: str) -> str:
        """Return where it comes from, in words. of: the unit in question."""
        words = {
            "start": "asked for at its start",
            "set-property": "set-property",
            "file": self.file or "",
            "default": "systemd's default",
            None: "",
        }[self.how]
        if self.unit == of:
            return words or "of unknown origin"
        return f"of {self.unit}, above" + (f": {words}" if words else "")


def own_limits(
    unit: str, in_force: LimitsInForce, files: Sequence[UnitFile], *, default_tasks: int | None = None
) -> list[Limit]:
    """Return the limits of a unit itself; those that it does not have are left out.

    default_tasks: the manager's DefaultTasksMax=, None if it is not known.
    """
    found = []
    for setting, field in SETTINGS.items():
        value = getattr(in_force, field)
        if value not in {None, INFINITY}:
            how, file = _origin(setting, value, files)
            if setting == "TasksMax" and how is None and value == default_tasks:
                how = "default"
            found.append(Limit(setting=setting, value=value, unit=unit, how=how, file=file))
    return found


def without_keeper(limit: Limit) -> Limit:
    """Return a limit of a scope with a keeper as it is for its other tasks."""
    return replace(limit, value=limit.value - KEEPER_TASKS) if limit.setting == "TasksMax" else limit


def above(
    own: Iterable[Limit], levels: Sequence[tuple[str, LimitsInForce]], files: Mapping[str, Sequence[UnitFile]]
) -> list[Limit]:
    """Return the limits of units above that are lower than the unit's own, the lowest of each setting.

    levels: the units above and what is in force there, from the innermost. files: those of each unit, if known.
    """
    lowest = {limit.setting: limit.value for limit in own}
    found: dict[str, Limit] = {}
    for unit, in_force in levels:
        for setting, field in SETTINGS.items():
            value = getattr(in_force, field)
            if value in {None, INFINITY} or value >= lowest.get(setting, INFINITY):
                continue
            lowest[setting] = value
            how, file = _origin(setting, value, files[unit]) if unit in files else (None, None)
            found[setting] = Limit(setting=setting, value=value, unit=unit, how=how, file=file)
    return list(found.values())


def _origin(setting: str, value: float, files: Sequence[UnitFile]) -> tuple[str | None, str | None]:
    """Return how a value was set, and in which file."""
    having = [file for file in files if setting in file.settings]
    for file in reversed(having):
        if _is(file.settings[setting], value, setting):
            return _how(file.path), file.path
    return None, None


def _is(text: str, value: float, setting: str) -> bool:
    """Tell whether a file's value is the one in force; shares of memory or of tasks are taken to be."""
    if setting == "CPUQuota":
        percent = _number(text.removesuffix("%"))
        return percent is not None and abs(percent / 100 - value) <= _NEARLY
    if text.endswith("%"):
        return True
    try:
        size = parse_size(text)
    except InvalidValue:
        return False
    return 0 <= size - value < (1 if setting == "TasksMax" else _LARGEST_PAGE)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _how(path: str) -> str:
    """Return how a file came about: its folder says that."""
    is_drop_in = path.rpartition("/")[0].endswith(".d")
    if "/systemd/transient/" in path:
        return "set-property" if is_drop_in else "start"
    return "set-property" if ".control/" in path else "file"
