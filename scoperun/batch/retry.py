"""Whether a job gets another attempt, and with how much memory. No I/O.

The law of this file:

1. The verdict decides, never the exit status. `unknown` is not an OOM kill: it is not retried.
2. A job that ran out of memory at the limit of its own scope gets that limit times the factor, at most --retry-max and
   at most the total. One that had the most already is not retried: it would run out again. Nor is one that had all of
   the total and ran out at the limit of the slice: that limit is the same, and usually reached first.
3. After an OOM kill at another limit, or at one that is not known, more memory would not help: the job gets the same.
   After two such ends it runs alone, with nothing of the batch beside it, and after one more it is not retried.
   Such a limit is that of the slice, of the machine, of systemd-oomd, or of a cgroup that the job has made itself.
4. A timeout, a signal or a failure is not retried, unless the policy says so; then it gets the same memory.
5. A command that could not be executed is never retried, and no job more often than the policy says, for all reasons
   together. A job that had to be alone stays alone.
"""

from __future__ import annotations

import enum
import math
import re
from typing import TYPE_CHECKING

from scoperun.batch.unit_names import is_slice
from scoperun.errors import InvalidValue
from scoperun.evidence.oom_limit import LimitOf
from scoperun.evidence.verdict import Verdict
from scoperun.record import dataclass
from scoperun.spec.sizes import PAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.batch.attempt import Attempt

_ENOUGH_ELSEWHERE = 2
"""OOM kills at a limit that is not the job's own after which it runs alone."""


class Cause(enum.StrEnum):
    """Why an attempt is repeated, as in --retry-on."""

    OOM = "oom"
    TIMEOUT = "timeout"
    SIGNAL = "signal"
    EXIT = "exit"


_CAUSES = {Verdict.TIMEOUT: Cause.TIMEOUT, Verdict.SIGNAL: Cause.SIGNAL, Verdict.EXIT_CODE: Cause.EXIT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When a job is retried.

    retries: how often at most. factor: by how much its memory grows, more than 1. most: bytes that it grows to, None
    for the total. also: what is retried beside running out of memory.
    """

    retries: int
    factor: float = 2.0
    most: int | None = None
    also: frozenset[Cause] = frozenset()


@dataclass(frozen=True, slots=True)
class Again:
    """Another attempt. memory: its limit, in bytes. alone: nothing of the batch runs beside it."""

    memory: int
    alone: bool = False


def next_attempt(policy: Policy, attempts: Sequence[Attempt], total: int) -> Again | None:
    """Return the attempt that follows these of one job, None if none does.

    attempts: those that tell something about the job, the last one last. total: bytes for all jobs together.
    """
    if not 0 < len(attempts) <= policy.retries:
        return None
    last = attempts[-1]
    if last.ran_out:
        if _had_all(last, total):
            return None
        return _with_more(policy, last, total) if _is_at_own_limit(last) else _with_less_beside(attempts)
    cause = None if last.verdict is None else _CAUSES.get(last.verdict)
    return Again(last.memory, last.alone) if cause in policy.also else None


def retry_causes(text: str) -> frozenset[Cause]:
    """Return what --retry-on says, e.g. `timeout,signal`; oom is meant in any case. Raises InvalidValue."""
    known = ", ".join(Cause)
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in {*Cause}:
            raise InvalidValue(f"{word!r} is not a reason for a retry", hint=f"known are {known}")
    return frozenset(map(Cause, words))


def growth(text: str) -> float:
    """Return the factor by which memory grows. Raises InvalidValue."""
    # float() would take more, e.g. 1_5 and digits of other scripts.
    factor = float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else math.nan
    if not 1 < factor < math.inf:
        raise InvalidValue(f"{text!r} is not a number greater than 1", hint="e.g. 2 or 1.5")
    return factor


def _is_at_own_limit(attempt: Attempt) -> bool:
    """Tell whether the limit was that of the scope itself, not one of a cgroup below, and so one that can be raised."""
    return attempt.limit_of is LimitOf.SCOPE and attempt.limit_unit == attempt.unit


def _had_all(attempt: Attempt, total: int) -> bool:
    """Tell whether it had all memory of the batch, and that ran out: the slice also has what the kernel needs."""
    is_of_slice = attempt.limit_of is LimitOf.SLICE and is_slice(attempt.limit_unit or "")
    return is_of_slice and attempt.memory // PAGE >= total // PAGE


def _with_more(policy: Policy, last: Attempt, total: int) -> Again | None:
    most = total if policy.most is None else min(policy.most, total)
    grown = most if last.memory >= most / policy.factor else math.ceil(last.memory * policy.factor)
    memory = min(most, max(grown, last.memory + PAGE))
    return Again(memory, last.alone) if memory // PAGE > last.memory // PAGE else None


def _with_less_beside(attempts: Sequence[Attempt]) -> Again | None:
    elsewhere = [each for each in attempts if each.ran_out and not _is_at_own_limit(each)]
    if any(each.alone for each in elsewhere):
        return None
    return Again(attempts[-1].memory, len(elsewhere) >= _ENOUGH_ELSEWHERE)
