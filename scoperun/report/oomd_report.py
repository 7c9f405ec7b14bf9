"""What the report says about a kill by systemd-oomd. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.evidence.events import OomdRead
from scoperun.evidence.oomd_log import oomd_kills
from scoperun.evidence.verdict import Evidence
from scoperun.record import dataclass
from scoperun.spec.scope import units_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.evidence.events import OomdMark
    from scoperun.evidence.oomd_log import OomdCause, OomdKill
    from scoperun.report.ended_run import EndedRun

JOURNAL = "systemd-oomd's journal"
"""The source of its messages, in the evidence."""

_ROOT = "-.slice"


@dataclass(frozen=True, slots=True, kw_only=True)
class OomdReport:
    """The last kill by systemd-oomd; None is what is not known.

    cgroup: the path of the cgroup whose processes it killed: that of the scope, or one below.
    cause: why it killed, by its own message.
    pressure: the memory pressure of the monitored unit, e.g. `12.34%`; None if the cause was another.
    limit: what that, or the share of the machine's memory and swap in use, had exceeded, e.g. `60.00%`.
    time: for how long the pressure had, e.g. `20s`.
    log: its messages about the scope, the oldest first.
    log_reason: why messages are missing.
    """

    cgroup: str | None
    cause: OomdCause | None
    pressure: str | None
    limit: str | None
    time: str | None
    log: tuple[str, ...] | None
    log_reason: str | None


def oomd_report(run: EndedRun) -> OomdReport:
    """Return what is known about the last kill by systemd-oomd in a run that had one."""
    kill, read = _last_kill(run), _read(run)
    return OomdReport(
        cgroup=kill.cgroup if kill else _only_cgroup(_marks(run)),
        cause=kill.cause if kill else None,
        pressure=kill.was if kill else None,
        limit=kill.limit if kill else None,
        time=kill.time if kill else None,
        log=read.messages or None,
        log_reason=read.reason,
    )


def monitored_unit(run: EndedRun) -> str | None:
    """Return the unit whose memory pressure systemd-oomd killed for; None if it was something else, or not known."""
    kill = _last_kill(run)
    if kill is None or kill.monitored is None:
        return None
    return (units_of(kill.monitored) or [_ROOT])[-1]


def processes_killed(run: EndedRun) -> int | None:
    """Return how many processes systemd-oomd killed, without the keeper; None if that is not certain.

    It counts every process in a cgroup that it kills, and counts it again if it kills that cgroup again before the
    process has ended. The keeper is in the scope, or in a leaf of its own below.
    """
    marks = _marks(run)
    counts = [mark.processes - (mark.cgroup == run.start.cgroup) for mark in marks if mark.processes is not None]
    is_certain = len(counts) == len(marks) and not any(mark.pids or mark.kills != 1 for mark in marks)
    return sum(counts) or None if is_certain else None


def oomd_evidence(run: EndedRun) -> list[Evidence]:
    """Return the messages of systemd-oomd as evidence."""
    return [Evidence(source=JOURNAL, value=message) for message in _read(run).messages or ()]


def _read(run: EndedRun) -> OomdRead:
    return run.invocation.oomd or OomdRead(marks=None)


def _marks(run: EndedRun) -> Sequence[OomdMark]:
    return _read(run).marks or run.counters.oomd_marks or ()


def _last_kill(run: EndedRun) -> OomdKill | None:
    kills = oomd_kills(_read(run).messages or (), run.start.cgroup)
    return kills[-1] if kills else None


def _only_cgroup(marks: Sequence[OomdMark]) -> str | None:
    return marks[0].cgroup if len(marks) == 1 else None
