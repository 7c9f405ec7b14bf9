"""How an invocation ended, and on what evidence. No I/O.

The law of this file:

1. An OOM kill that any source saw is an oom-kill verdict, whatever else happened.
2. A SIGKILL is a plain signal only if a source proves that no OOM kill was counted; else the verdict is unknown.
3. The verdict on a command that ended by itself follows its exit status, unless the counters that would show an OOM
   kill beside it should exist and do not. The same holds for a command that had left the scope, whatever happened to
   the scope. But outside the scope no counter can tell where a SIGKILL came from: then the verdict is unknown.
4. Of two limits on time, the one counts for which the scope was stopped. The limit on processor time is scoperun's own,
   so its word for that is enough; Result= tells of the other.
5. The evidence names every source that was asked, the weightiest first; None is a source that could not be read.

No single source is enough. memory.events is the kernel's own count but vanishes with the cgroup. Result= stays success
under OOMPolicy=continue and everywhere before systemd 252; OOMKills= came with 259.
"""

from __future__ import annotations

import enum
import signal
from typing import TYPE_CHECKING

from scoperun.record import dataclass
from scoperun.spec.values import signal_name

if TYPE_CHECKING:
    from scoperun.evidence.events import Counters, ScopeProperties


KERNEL_COUNT = "memory.events oom_kill"
GROUPS_ABOVE = "memory.events.local oom_group_kill above"
OOMD_COUNT = "user.oomd_ooms"
CPU_TIME = "cpu.stat usage_usec"


class Verdict(enum.StrEnum):
    """What scoperun concludes, in the words of a service's Result= (systemd.exec(5))."""

    SUCCESS = "success"
    EXIT_CODE = "exit-code"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    OOM_KILL = "oom-kill"
    RESOURCES = "resources"
    UNKNOWN = "unknown"

    @property
    def told_by_exit_status(self) -> bool:
        """Whether the command's exit status says as much as this verdict."""
        return self in {Verdict.SUCCESS, Verdict.EXIT_CODE, Verdict.SIGNAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One source that was asked.

    source: its name, e.g. `memory.events oom_kill`.
    value: what it said, a count or a word; None if it could not be read.
    """

    source: str
    value: str | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """Everything that the verdict on an invocation rests on.

    status: the command's wait status, negative if a signal killed it; None if it is not known.
    result: the last Result= that systemd announced, None if a later one might have been missed.
    counters: the cgroup's counters, None if they were not read.
    properties: the scope's properties after the end, None if they were not read.
    kills_seen: OOM kills that were counted while the command ran; 0 also if the count was not watched.
    groups_above: how often a cgroup above the scope was killed as a whole, the scope included; None if not known.
    log_victim_count: how many victims the kernel log names without the keeper, None if it was not read.
    keeper_named: the kernel log names the keeper as one more victim.
    log_is_whole: the kernel log names all victims, as far as the log itself shows.
    ended: systemd said that the scope has ended, so Result= is final.
    memory_accounted: the scope had a memory controller, so OOM kills were counted.
    runtime_limited: systemd was asked to end the scope after a time.
    ended_first: the command had ended before systemd began to end the scope, so a timeout does not concern the command;
        None if not known.
    noticed_late: it is not known when the command ended, because scoperun was stopped.
    cpu_time: processor time that the scope had used when that was last read for its limit, in microseconds; None
        without such a limit, or if it was not read.
    cpu_time_used_up: scoperun had systemd stop the scope because of that.
    left_scope: the command died in another cgroup, about which the counters and systemd say nothing.
    """

    status: int | None
    result: str | None
    counters: Counters | None = None
    properties: ScopeProperties | None = None
    kills_seen: int = 0
    groups_above: int | None = 0
    log_victim_count: int | None = None
    keeper_named: bool = False
    log_is_whole: bool = False
    ended: bool = True
    memory_accounted: bool = True
    runtime_limited: bool = False
    ended_first: bool | None = False
    noticed_late: bool = False
    cpu_time: int | None = None
    cpu_time_used_up: bool = False
    left_scope: bool = False

    @property
    def systemd_counts(self) -> bool:
        """Whether the kernel tells systemd of every OOM kill in the scope and below."""
        return self.memory_accounted and not (self.counters is not None and self.counters.counts_alone)

    @property
    def kills_in_log(self) -> int | None:
        """How many kills the kernel log names, including the keeper's; None if it was not read."""
        return None if self.log_victim_count is None else self.log_victim_count + self.keeper_named


def decide(traces: Traces) -> tuple[Verdict, tuple[Evidence, ...]]:
    """Return the verdict, and the evidence that it rests on in order of weight."""
    return _verdict(traces), tuple(_evidence(traces))


def oom_kills(traces: Traces) -> int | None:
    """Return how many processes the OOM killer killed, without the keeper; None if not known.

    The kernel log alone gives the count only if nothing is missing from it. Only the kernel log tells what killed the
    keeper: systemd kills the keeper too, if a scope is slow to stop.
    """
    total, counters = _all_kills(traces), traces.counters
    if total is None or counters is None:
        return total
    if traces.keeper_named or (counters.memory_events or {}).get("oom_group_kill"):
        return total - 1
    return None if counters.keeper_killed and (traces.kills_in_log or 0) < total else total


def _all_kills(traces: Traces) -> int | None:
    """Return how many OOM kills there were, including the keeper's; None if not known."""
    counted = [
        traces.counters.oom_kill if traces.counters else None,
        None if _policy(traces) == "kill" else _counted_by_systemd(traces),  # under kill it counts groups
    ]
    known, in_log = [count for count in counted if count is not None], traces.kills_in_log
    if not known and (in_log is None or in_log < traces.kills_seen or not traces.log_is_whole):
        return None
    return max(*known, traces.kills_seen, in_log or 0)


def other_kills(traces: Traces) -> int | None:
    """Return how many processes other than the keeper were certainly killed, None if none was."""
    return max(killed_by_kernel(traces) or 0, traces.log_victim_count or 0, oom_kills(traces) or 0) or None


def _verdict(traces: Traces) -> Verdict:
    match oom_killed(traces), traces.result, traces.status:
        case True, _, _:
            return Verdict.OOM_KILL
        case _ if traces.left_scope:
            is_untold = traces.status is None or traces.status == -signal.SIGKILL
            return Verdict.UNKNOWN if is_untold else _by_itself(traces.status)
        case _ if traces.cpu_time_used_up:
            return Verdict.TIMEOUT
        case _, "timeout", status if traces.ended_first is None and (
            status is None or status >= 0 or traces.noticed_late
        ):
            return Verdict.UNKNOWN
        case _, "timeout", _ if not traces.ended_first:
            return Verdict.TIMEOUT
        case _, "resources", _:
            return Verdict.RESOURCES
        case _, _, None:
            return Verdict.UNKNOWN
        case None, _, status if status == -signal.SIGKILL or traces.memory_accounted:
            return Verdict.UNKNOWN
        case _, None, _ if traces.runtime_limited:
            return Verdict.UNKNOWN
        case _:
            return _by_itself(traces.status)


def _by_itself(status: int | None) -> Verdict:
    if status is None:
        return Verdict.UNKNOWN
    if status < 0:
        return Verdict.SIGNAL
    return Verdict.EXIT_CODE if status else Verdict.SUCCESS


def oom_killed(traces: Traces) -> bool | None:
    """Tell whether the kernel or systemd-oomd killed because memory ran out; None if no source can tell."""
    kernel, systemd, oomd = _counted_by_kernel(traces), _counted_by_systemd(traces), counted_by_oomd(traces)
    if _result_proves(traces) or kernel or systemd or oomd or traces.log_victim_count or _died_with_group_above(traces):
        return True
    counted = kernel is not None or (systemd is not None and traces.systemd_counts)
    if _result_disproves(traces) or (counted and oomd is not None):
        return False
    return None


def killed_by_kernel(traces: Traces) -> int | None:
    """Return the kernel's last count without the keeper, None if not known.

    The keeper dies with the others in a group kill, or is chosen for its size. If one kill was counted and the keeper
    was killed, the result is None too: the keeper was the victim, or something else killed it afterwards.
    """
    counted = traces.counters.oom_kill if traces.counters else None
    if not counted or traces.counters is None or traces.counters.memory_events is None:
        return counted
    with_keeper = traces.counters.keeper_killed or traces.counters.memory_events.get("oom_group_kill", 0) > 0
    return counted - 1 or None if with_keeper else counted


def _counted_by_kernel(traces: Traces) -> int | None:
    """Return the last count. One from before the end only proves kills, so 0 is None then: not known."""
    in_the_end = traces.counters.oom_kill if traces.counters else None
    return traces.kills_seen or None if in_the_end is None else in_the_end


def _counted_by_systemd(traces: Traces) -> int | None:
    """Return OOMKills=, which is also 0 if the scope has no memory controller."""
    return traces.properties.oom_kills if traces.properties else None


def counted_by_oomd(traces: Traces) -> int | None:
    """Return how often systemd-oomd killed, None if not known. systemd reports the attribute's value since 259."""
    counts = [
        traces.counters.oomd_kills if traces.counters else None,
        traces.properties.managed_oom_kills if traces.properties and not _is_forged(traces) else None,
    ]
    return max((count for count in counts if count is not None), default=None)


def _is_forged(traces: Traces) -> bool:
    return traces.counters is not None and traces.counters.oomd_forged


def _result_proves(traces: Traces) -> bool:
    """Tell whether Result= says that there was an OOM kill, and does not rest on a forged mark of systemd-oomd."""
    return traces.result == "oom-kill" and not (_is_forged(traces) and _counted_by_kernel(traces) == 0)


def _died_with_group_above(traces: Traces) -> bool:
    """Tell whether a cgroup above the scope was killed as a whole with everything in the scope."""
    is_gone = traces.counters is not None and traces.counters.keeper_killed and traces.counters.memory_events is None
    return bool(traces.groups_above) and is_gone and traces.status == -signal.SIGKILL


def _result_disproves(traces: Traces) -> bool:
    """Tell whether Result= says that there was no OOM kill.

    Since 252, systemd looks for an OOM kill before it lets a scope end, if there is a memory controller. It says so
    under the policies `stop` and `kill` only. A systemd that has OOMPolicy= on scopes is new enough. Under `kill` it
    checks whether the scope was killed as a whole, which is not counted in the scope if a cgroup above was.
    """
    success = traces.ended and traces.result == "success" and traces.systemd_counts
    return success and (_policy(traces) == "stop" or (_policy(traces) == "kill" and traces.groups_above == 0))


def _policy(traces: Traces) -> str | None:
    return traces.properties.oom_policy if traces.properties else None


def _evidence(traces: Traces) -> list[Evidence]:
    evidence = [Evidence(source=KERNEL_COUNT, value=_counted_by_kernel(traces))]
    if traces.cpu_time is not None:
        is_decisive = traces.cpu_time_used_up and _verdict(traces) is Verdict.TIMEOUT
        evidence.insert(0 if is_decisive else 1, Evidence(source=CPU_TIME, value=traces.cpu_time))
    if traces.groups_above or (_counted_by_kernel(traces) is None and _policy(traces) == "kill"):
        evidence.append(Evidence(source=GROUPS_ABOVE, value=traces.groups_above))
    if _counted_by_systemd(traces) is not None:
        evidence.append(Evidence(source="OOMKills", value=_counted_by_systemd(traces)))
    evidence.append(Evidence(source=OOMD_COUNT, value=counted_by_oomd(traces)))
    evidence.append(Evidence(source="Result", value=traces.result))
    if traces.properties:
        evidence.append(Evidence(source="OOMPolicy", value=traces.properties.oom_policy))
    evidence.append(
        Evidence(source="wait status", value=traces.status if traces.status is None else describe_status(traces.status))
    )
    return evidence


def describe_status(status: int) -> str:
    """Return a wait status in words: `exited, status 3` or `killed, signal 9 (SIGKILL)`."""
    if status >= 0:
        return f"exited, status {status}"
    return f"killed, signal {-status} ({signal_name(-status)})"
