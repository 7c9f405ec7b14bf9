"""In which units processes were OOM-killed, from what several sources say about one moment. No I/O, no clock.

The law of this file:

1. The count of the cgroup above all units says how many kills there were.
2. A unit that is still there says how many of them were its own.
3. The kernel's log names the unit, the process and the limit, for kills that were counted.
4. Result=oom-kill names a unit, but not how many kills there were. It was systemd-oomd if the kernel cannot have been
   the reason: all kills that it has counted now are in units that have counted them, and those that a late result could
   be about were in units that are known. If one of them was in an unknown unit, it could have been this one.
5. Other kills happened in a unit that has ended since. If only one has, they happened there. If several have, or none
   is known of, the unit is unknown: of those with Result=oom-kill, only that there was at least one.
6. Kills in a unit with a scoperun are counted, so that no other unit is blamed for them, but left to that scoperun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.evidence.kernel_report import concerning, is_within
from scoperun.record import dataclass, field
from scoperun.spec.scope import units_of
from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from scoperun.evidence.kernel_report import KernelReport, KernelVictim


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The names of the cgroups that are watched. top: that above all units; manager: that of the user's manager."""

    top: str
    manager: str

    def unit_of(self, cgroup: str | None) -> str | None:
        """Return the unit that a cgroup is, or is in; None if it is in none that is watched."""
        found = self._unit(cgroup)
        return found and found[0]

    def cgroup_of_unit(self, cgroup: str) -> str:
        """Return the cgroup of the unit that `cgroup` is in; itself if it is in none."""
        found = self._unit(cgroup)
        return found[1] if found else cgroup

    def _unit(self, cgroup: str | None) -> tuple[str, str] | None:
        above = self.manager if is_within(cgroup, self.manager) else self.top
        if cgroup is None or not is_within(cgroup, above):
            return None
        path = above.rstrip("/")
        for entry, unit in zip(cgroup[len(path) :].split("/")[1:], units_of(cgroup[len(path) :]), strict=True):
            path = f"{path}/{entry}"
            if not unit.endswith(".slice"):
                return (unit, path) if "." in unit else None
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class KillTraces:
    """What was seen of the kills of one moment.

    kills: how many the cgroup above all units has counted. counted: how many each unit has counted that is there.
    results: the units with Result=oom-kill. ended: the units that have ended since there was no kill yet.
    reports: the kernel's, None if its log cannot be read. left: the units with a scoperun.
    is_complete: each unit that is there has counted its kills; not without accounting of memory.
    is_quiet: no result can be about an earlier kill of the kernel's in a unit that was not known then.
    """

    kills: int
    counted: Mapping[str, int] = field(default_factory=dict)
    results: Collection[str] = ()
    ended: Collection[str] = ()
    reports: Sequence[KernelReport] | None = None
    left: Collection[str] = ()
    is_complete: bool = True
    is_quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKill:
    """OOM kills in one unit; None is what is not known.

    unit: the unit. candidates: the units in one of which it happened, if `unit` is None and that is known.
    kills: how many. victims: the processes that the kernel's log names.
    limit_of: `unit` (its own limit, or that of a cgroup in it), `slice` (of one above it), `host`, `systemd-oomd`,
        `sysrq`, `unknown`.
    limit_unit, limit: whose limit was reached, and its bytes.
    """

    unit: str | None
    candidates: tuple[str, ...] = ()
    kills: int | None = None
    victims: tuple[KernelVictim, ...] = ()
    limit_of: str = "unknown"
    limit_unit: str | None = None
    limit: int | None = None


def session_kills(traces: KillTraces, session: Session) -> list[SessionKill]:
    """Return what the traces say, by unit; kills whose unit is unknown come last."""
    logged = _logged(traces.reports or (), session)
    by_oomd = _by_oomd(traces)
    numbers, unknown = _numbers(traces, logged, by_oomd)
    found = [
        _kill(unit, number, logged.get(unit, ()), session)
        for unit, number in sorted(numbers.items())
        if unit not in traces.left
    ]
    others = [SessionKill(unit=unit, limit_of="systemd-oomd") for unit in sorted(by_oomd - {*traces.left})]
    return [*found, *others, *([unknown] if unknown else [])]


def are_placed(traces: KillTraces, session: Session) -> bool:
    """Tell whether the unit is known of each kill that the kernel has counted, those with a scoperun included."""
    numbers, _ = _numbers(traces, _logged(traces.reports or (), session), _by_oomd(traces))
    return sum(number or 0 for number in numbers.values()) >= traces.kills


def _by_oomd(traces: KillTraces) -> set[str]:
    """Return the units with a result that no kill of the kernel's can explain."""
    is_explained = traces.kills == sum(traces.counted.values())
    return {*traces.results} - {*traces.counted} if traces.is_quiet and is_explained else set()


def _numbers(
    traces: KillTraces, logged: Mapping[str, Sequence[KernelReport]], by_oomd: Collection[str]
) -> tuple[dict[str, int | None], SessionKill | None]:
    """Return the number of the kernel's kills in each unit, None if it is not known, and those of no known unit."""
    numbers: dict[str, int | None] = dict(traces.counted)
    if traces.kills > sum(traces.counted.values()):
        for unit, reports in logged.items():
            numbers.setdefault(unit, sum(victim.kills for each in reports for victim in each.victims) or 1)
    rest = traces.kills - sum(number or 0 for number in numbers.values())
    without_number = [unit for unit in traces.results if unit not in numbers and unit not in by_oomd]
    numbers |= dict.fromkeys(without_number)
    unknown = _share(rest, numbers, without_number, traces)
    return numbers, unknown


def _share(
    rest: int, numbers: dict[str, int | None], without_number: Sequence[str], traces: KillTraces
) -> SessionKill | None:
    """Add the kills that are left to the unit in which they must have happened, or return them as of no known unit."""
    candidates = {*traces.ended, *without_number}
    if traces.is_complete and len(candidates) == 1 and rest > 0:
        (only,) = candidates
        numbers[only] = (numbers.get(only) or 0) + rest
        return None
    others = candidates - {*without_number, *traces.left}
    # One in each of the units with that result explains as many; more can have happened in them, or elsewhere.
    unexplained = rest - len(without_number)
    if unexplained <= 0 or (candidates and not others):
        return None
    named = tuple(sorted(candidates)) if traces.is_complete else ()
    return SessionKill(unit=None, candidates=named, kills=unexplained)


def _logged(reports: Sequence[KernelReport], session: Session) -> dict[str, list[KernelReport]]:
    """Return the reports by the unit in which the kernel chose a process, with the victims that were in that unit."""
    found: dict[str, list[KernelReport]] = {}
    for report in reports:
        unit = session.unit_of(report.task_memcg)
        if unit is not None and report.task_memcg is not None:
            within = concerning([report], cgroup=session.cgroup_of_unit(report.task_memcg), pids=())
            found.setdefault(unit, []).extend(within)
    return {unit: each for unit, each in found.items() if each}


def _kill(unit: str, number: int | None, reports: Sequence[KernelReport], session: Session) -> SessionKill:
    limits = {_limit(unit, report, session) for report in reports}
    limit_of, limit_unit, limit = limits.pop() if len(limits) == 1 else ("unknown", None, None)
    victims = tuple(victim for report in reports for victim in report.victims)
    return SessionKill(unit=unit, kills=number, victims=victims, limit_of=limit_of, limit_unit=limit_unit, limit=limit)


def _limit(unit: str, report: KernelReport, session: Session) -> tuple[str, str | None, int | None]:
    if report.sysrq:
        return "sysrq", None, None
    if report.constraint == "CONSTRAINT_NONE":
        return "host", None, None
    if report.constraint != "CONSTRAINT_MEMCG" or report.oom_memcg is None:
        return "unknown", None, None
    limit = None if report.limit == INFINITY else report.limit
    if session.unit_of(report.oom_memcg) == unit:
        return "unit", unit, limit
    return "slice", (units_of(report.oom_memcg) or (None,))[-1], limit
