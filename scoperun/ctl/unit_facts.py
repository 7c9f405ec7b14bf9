"""All that is known about one unit, gathered for `scopectl status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scoperun.ctl.errors import NotActive
from scoperun.ctl.limit_origins import UnitFile, above, own_limits, without_keeper
from scoperun.ctl.oom_seen import KernelSaid, kernel_said
from scoperun.ctl.processes import inside
from scoperun.errors import ManagerError
from scoperun.kernel.pressure import pressure
from scoperun.kernel.unit_journal import JournalUnreadable, entries_of
from scoperun.record import dataclass
from scoperun.spec.limits import KEEPER_TASKS
from scoperun.spec.scope import ROOT_SLICE, folder_of, unit_path, units_of
from scoperun.spec.sizes import INFINITY
from scoperun.systemd import answers
from scoperun.systemd.unit_files import unit_file
from scoperun.systemd.units import NO_SUCH_INVOCATION, Invocation, invocation_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scoperun.ctl.limit_origins import Limit
    from scoperun.ctl.processes import Inside
    from scoperun.ctl.session import Seen, Session
    from scoperun.evidence.pressure import Pressure
    from scoperun.kernel.cgroup import Cgroup
    from scoperun.kernel.unit_journal import Entry

_UNIT = frozenset(
    {
        "Description", "LoadState", "ActiveState", "SubState", "FreezerState", "InvocationID", "FragmentPath",
        "DropInPaths", "ActiveEnterTimestamp", "InactiveExitTimestamp", "InactiveExitTimestampMonotonic",
        "InactiveEnterTimestamp",
    }
)  # fmt: skip
_KIND = frozenset(
    {
        "Result", "Slice", "OOMPolicy", "OOMKills", "ManagedOOMKills", "MemoryPeak", "MemorySwapPeak", "CPUUsageNSec",
        "RuntimeMaxUSec", "Delegate",
    }
)  # fmt: skip
_FILES = frozenset({"FragmentPath", "DropInPaths"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A unit as it was seen at one moment; None is what is not known.

    unit: the properties of the interface Unit. kind: those of the interface of its kind, e.g. Scope.
    cgroup: its cgroup, None if it has none. below: the processes in it. files: the cgroup's numbers by their files.
    limits: its own limits, and lower ones above it. said: what the kernel's log says about OOM kills.
    entries: the journal's last entries, None if it was not read, for the reason `unread`, if there is one.
    """

    name: str
    unit: Mapping[str, Any]
    kind: Mapping[str, Any]
    cgroup: Cgroup | None
    below: Inside | None
    numbers: Mapping[str, int | None]
    events: Mapping[str, int] | None
    refused: int | None
    cpu: Mapping[str, int]
    limits: Sequence[Limit]
    pressure: Pressure | None
    io: Mapping[str, int] | None
    said: KernelSaid
    entries: Sequence[Entry] | None
    unread: str | None

    @property
    def is_active(self) -> bool:
        """Whether systemctl(1) says that it is active."""
        return self.unit.get("ActiveState") in {"active", "reloading", "refreshing"}

    @property
    def has_run(self) -> bool:
        """Whether it has been active since systemd has loaded it."""
        return _has_run(self.unit, self.cgroup)

    @property
    def invocation(self) -> str:
        """Its invocation ID, empty if it never was active."""
        value = self.unit.get("InvocationID")
        return value.hex() if isinstance(value, bytes) else ""

    @property
    def oom_kills(self) -> int | None:
        """The OOM kills that systemd has counted, as the function says."""
        return oom_kills(self.kind)

    def count(self, name: str) -> int | None:
        """Return a number among the properties of its kind, None if systemd does not know it."""
        return _count(self.kind, name)

    @property
    def runtime_max(self) -> float | None:
        """The seconds after which systemd ends it, None if it does not."""
        value = self.count("RuntimeMaxUSec")
        return None if value is None else value / 1e6

    @property
    def cpu_seconds(self) -> float | None:
        """The seconds of processor time that it has used."""
        usec, nsec = self.cpu.get("usage_usec"), self.count("CPUUsageNSec")
        return usec / 1e6 if usec is not None else None if nsec is None else nsec / 1e9

    def moment(self, name: str) -> float | None:
        """Return a time among the properties in seconds since the epoch, None if there was none."""
        value = self.unit.get(name)
        return value / 1e6 if isinstance(value, int) and value else None


def _has_run(unit: Mapping[str, Any], cgroup: Cgroup | None) -> bool:
    """Tell whether a unit has been active: init.scope and -.slice never have an invocation ID."""
    return bool(unit.get("InvocationID") or unit.get("InactiveExitTimestampMonotonic")) or cgroup is not None


def oom_kills(kind: Mapping[str, Any]) -> int | None:
    """Return the OOM kills that systemd has counted; None if it could not: without the memory controller it says 0."""
    counted = _count(kind, "OOMKills")
    return counted if counted or _count(kind, "MemoryPeak") is not None else None


def _count(kind: Mapping[str, Any], name: str) -> int | None:
    value = kind.get(name)
    return value if isinstance(value, int) and value != INFINITY else None


async def facts(opened: Session, seen: Seen, *, lines: int) -> Facts:
    """Gather what is known about a unit; lines: the most entries of the journal.

    Raises NotActive if systemd has unloaded it meanwhile, and one of manager.UNANSWERED.
    """
    unit, kind = await _properties(opened, seen.name)
    cgroup, has_keeper = seen.cgroup, seen.has_keeper
    limits = [] if cgroup is None else await _limits(opened, seen.name, cgroup, _files(unit), has_keeper)
    top = await opened.top()
    events = None if cgroup is None else cgroup.table("memory.events")
    counted = events.get("oom_kill") if events is not None else oom_kills(kind)
    said = await kernel_said(
        cgroup.name if cgroup else _name_below(top, kind, seen.name),
        unit,
        counted=counted if _has_run(unit, cgroup) else 0,
        ahead=opened.manager.ahead,
    )
    entries, unread = _entries(opened, seen.name, unit, lines=lines)
    return Facts(
        name=seen.name,
        unit=unit,
        kind=kind,
        cgroup=cgroup,
        below=None if cgroup is None or seen.name.endswith(".slice") else inside(cgroup),
        numbers=_numbers(cgroup, has_keeper=has_keeper),
        events=events,
        refused=((cgroup and cgroup.table("pids.events")) or {}).get("max"),
        cpu=(cgroup and cgroup.table("cpu.stat")) or {},
        limits=limits,
        pressure=None if cgroup is None else pressure(cgroup),
        io=None if cgroup is None else cgroup.disk_use(),
        said=said,
        entries=entries,
        unread=unread,
    )


async def _properties(opened: Session, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    identifier = await invocation_of(opened.manager, name)
    unit = Invocation(opened.manager, name, identifier or name)  # one that never was active has a name only
    try:
        return (
            await unit.properties(answers.UNIT, _UNIT),
            await unit.properties(f"org.freedesktop.systemd1.{answers.kind(name)}", _KIND),
        )
    except ManagerError as error:
        if error.name == NO_SUCH_INVOCATION:
            raise NotActive(f"{name} has just ended, and systemd has unloaded it") from None
        raise


def _files(properties: Mapping[str, Any]) -> list[UnitFile]:
    """Return systemd's files about a unit, in the order in which it reads them."""
    paths = [properties.get("FragmentPath"), *(properties.get("DropInPaths") or ())]
    read = {path: unit_file(path) for path in paths if isinstance(path, str) and path}
    return [UnitFile(path, _stripped(file.settings)) for path, file in read.items() if file is not None]


def _stripped(settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings without the blanks that people write around `=`."""
    return {name.strip(): value.strip() for name, value in settings.items()}


async def _limits(
    opened: Session, name: str, cgroup: Cgroup, files: Sequence[UnitFile], has_keeper: bool
) -> list[Limit]:
    default = await opened.manager.default_tasks_max()
    own = own_limits(name, cgroup.limits(), files, default_tasks=default)
    if has_keeper:
        own = [without_keeper(each) for each in own]
    levels = [(units_of(each.name)[-1], each.limits()) for each in cgroup.levels()[1:] if units_of(each.name)]
    found = above(own, levels, {})
    if not found:
        return own
    slices = await opened.cgroups()
    asked = {limit.unit for limit in found if limit.unit in slices}
    return own + above(own, levels, {unit: await _files_of(opened, unit) for unit in asked})


async def _files_of(opened: Session, unit: str) -> list[UnitFile]:
    return _files(await opened.manager.get_all(unit_path(unit), answers.UNIT, _FILES))


def _numbers(cgroup: Cgroup | None, *, has_keeper: bool) -> dict[str, int | None]:
    """Return the numbers in the files of a unit's cgroup; of tasks, those without the keeper."""
    if cgroup is None:
        return {}
    found = {file: cgroup.number(file) for file in (*_BYTES, *_TASKS)}
    if not has_keeper:
        return found
    return found | {file: count - KEEPER_TASKS for file in _TASKS if (count := found[file]) is not None}


_BYTES = ("memory.current", "memory.peak", "memory.swap.current", "memory.swap.peak")
_TASKS = ("pids.current", "pids.peak")


def _name_below(top: Cgroup, kind: Mapping[str, Any], name: str) -> str:
    """Return the name that the cgroup of an ended unit had: that of its slice, in those above, and its own."""
    parts = str(kind.get("Slice") or ROOT_SLICE).removesuffix(".slice").split("-")
    above = [f"{'-'.join(parts[:count])}.slice" for count in range(1, len(parts) + 1) if parts[0]]
    return "/".join([top.name.rstrip("/"), *map(folder_of, [*above, name])])


def _entries(
    opened: Session, name: str, unit: Mapping[str, Any], *, lines: int
) -> tuple[Sequence[Entry] | None, str | None]:
    """Return the journal's last entries since the unit's start, or why there are none."""
    if lines == 0:
        return None, None
    began = unit.get("InactiveExitTimestampMonotonic")
    since = began / 1e6 - _BEFORE if isinstance(began, int) and began else None
    try:
        return entries_of(name, system=opened.system, count=lines, since=since), None
    except JournalUnreadable as reason:
        return None, str(reason)


_BEFORE = 1.0
"""Seconds before a unit's start in which systemd can have said that it starts it."""
