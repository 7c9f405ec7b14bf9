"""How a run ended, in the few words that the text report begins with. No I/O."""

from __future__ import annotations

import enum
from signal import SIGKILL
from typing import TYPE_CHECKING

from scoperun.evidence.oom_limit import LimitOf
from scoperun.evidence.verdict import KERNEL_COUNT, OOMD_COUNT, Verdict
from scoperun.record import dataclass
from scoperun.report.cpu_time_text import is_out_of_cpu_time
from scoperun.report.names import setter
from scoperun.spec.sizes import format_time
from scoperun.spec.values import signal_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scoperun.report.oom_report import Oom
    from scoperun.report.report import Report
    from scoperun.report.soft_memory_report import SoftMemoryReport
    from scoperun.report.soft_pressure_report import SoftPressureReport


_KILLERS = {LimitOf.UNKNOWN: "an OOM KILLER", LimitOf.SYSTEMD_OOMD: "SYSTEMD-OOMD"}
"""What killed, where it was not certainly the kernel because memory ran out: systemd-oomd kills before that."""


class Tone(enum.Enum):
    """What kind of news it is."""

    GOOD = enum.auto()
    DOUBTFUL = enum.auto()
    BAD = enum.auto()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    words: e.g. `ok`, `exit 3` or `OUT OF MEMORY`. tone: what kind of news that is.
    is_plain: the words say it all.
    """

    words: str
    tone: Tone
    is_plain: bool = False


def outcome(report: Report, names: Mapping[str, str]) -> Outcome:
    """Return how the run ended. names: of the limits."""
    match report.verdict:
        case Verdict.SUCCESS:
            return Outcome("ok", Tone.GOOD, is_plain=True)
        case Verdict.EXIT_CODE:
            return Outcome(ending(report), Tone.DOUBTFUL, is_plain=True)
        case Verdict.SIGNAL:
            return _signal(report)
        case Verdict.OOM_KILL:
            return Outcome(_out_of_memory(report, names), Tone.BAD)
        case Verdict.TIMEOUT:
            return Outcome(_timeout(report, names), Tone.BAD)
        case Verdict.RESOURCES:
            return Outcome(f"{ending(report)}, but systemd could not keep the scope running", Tone.BAD)
        case Verdict.UNKNOWN if has_unknown_status(report) and what_ran_out(report) == "time":
            return Outcome(ending(report), Tone.DOUBTFUL)  # its limits are known not to have ended it
        case Verdict.UNKNOWN:
            return Outcome(f"{ending(report)}, cannot tell whether it ran out of {what_ran_out(report)}", Tone.DOUBTFUL)


def ending(report: Report) -> str:
    """Return how the command itself ended: `exit 3`, `KILLED (SIGKILL)`, or another signal's name, as SIGTERM."""
    if has_unknown_status(report):
        return "ended, with an unknown status"
    if report.signal is None:
        return f"exit {report.exit_code}"
    return "KILLED (SIGKILL)" if report.signal == SIGKILL else signal_name(report.signal)


def has_unknown_status(report: Report) -> bool:
    """Tell whether it is not known how the command itself ended: it was not our child."""
    return report.exit_code is None and report.signal is None


def what_ran_out(report: Report) -> str:
    """Return `time` or `memory`: what the command might have run out of if the verdict is unknown."""
    if report.left_scope is not None:
        return "memory"
    if is_of_unknown_time(report):
        return "time"
    values = {evidence.source: evidence.value for evidence in report.evidence}
    return "time" if values.get(KERNEL_COUNT) == values.get(OOMD_COUNT) == 0 else "memory"


def is_of_unknown_time(report: Report) -> bool:
    """Tell whether the verdict is unknown because it was not seen when the command ended."""
    return report.left_scope is None and report.runtime is None and report.result == "timeout"


def _signal(report: Report) -> Outcome:
    if _is_soft_end(report):
        return Outcome("ENDED BY SOFT LIMIT", Tone.DOUBTFUL)
    if report.signal == SIGKILL:
        return Outcome(f"{ending(report)}, not out of memory", Tone.BAD)
    return Outcome(ending(report), Tone.DOUBTFUL, is_plain=True)


def _is_soft_end(report: Report) -> bool:
    """Tell whether the command ended by the signal that it got at a soft limit, or by the kill that followed."""
    return any(_was_ended_by(soft, report) for soft in (report.soft_memory, report.soft_pressure))


def _was_ended_by(soft: SoftMemoryReport | SoftPressureReport | None, report: Report) -> bool:
    if soft is None or not soft.passed or report.signal is None:
        return False
    is_told = bool(soft.passed[-1].told) and signal_name(report.signal) == soft.signal
    return is_told or (soft.killed and report.signal == SIGKILL)


def _out_of_memory(report: Report, names: Mapping[str, str]) -> str:
    killer = _KILLERS.get(report.oom.limit_of) if report.oom is not None else None
    if report.timed_out:
        return f"{_timeout(report, names)}, and {_killed(report, killer)}"
    if killer is None and (_is_victim(report) or (report.signal is not None and not _went_on(report))):
        return "OUT OF MEMORY"
    if killer is not None and report.signal == SIGKILL:
        return f"KILLED BY {killer.upper()}"
    if report.signal is None:
        word = "and " if has_unknown_status(report) else "but "
    else:
        word = "and " if killer is None else ""
    return f"{ending(report)}, {word}{_killed(report, killer)}"


def _killed(report: Report, killer: str | None) -> str:
    """Return what was killed because memory ran out, e.g. `a child RAN OUT OF MEMORY`."""
    if _is_victim(report):
        what = "the command"
    else:
        what = "something in its scope" if has_unknown_status(report) else _children(report.oom)
    return f"{what} RAN OUT OF MEMORY" if killer is None else f"{killer} killed {what}"


def _went_on(report: Report) -> bool:
    """Tell whether the command certainly went on after an OOM kill, and another signal than that of it ended it."""
    policy = report.oom.policy if report.oom is not None else None
    return policy == "continue" and report.signal != SIGKILL


def _is_victim(report: Report) -> bool:
    """Tell whether the command itself is one of an OOM's victims."""
    victims = (report.oom.victims if report.oom is not None else None) or ()
    return report.pid in {victim.pid for victim in victims}


def _children(oom: Oom | None) -> str:
    """Return what was killed beside a command that ended by itself."""
    count = 1 if oom is None else max(oom.kills or 1, len(oom.victims or ()))
    return "a child" if count == 1 else "children"


def _timeout(report: Report, names: Mapping[str, str]) -> str:
    if is_out_of_cpu_time(report):
        used_up = format_time(report.limits.cpu_time or 0)
        return f"TIMED OUT after {used_up} of processor time ({setter('cpu_time', names)})"
    limit = report.limits.runtime_max
    if limit is None or not report.timed_out:
        return f"{ending(report)} after a stop that took too long ({setter('timeout_stop', names)})"
    return f"TIMED OUT after {format_time(limit)} ({setter('runtime_max', names)})"
