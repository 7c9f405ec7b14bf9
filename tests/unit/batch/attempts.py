"""Attempts of jobs, made for tests."""

from typing import Any

from scoperun.batch.attempt import Attempt
from scoperun.evidence.oom_limit import LimitOf
from scoperun.evidence.verdict import Verdict

GIB = 1 << 30


def attempt(verdict: Verdict | None = Verdict.SUCCESS, **more: Any) -> Attempt:
    """Return the attempt of a job, which ran for ten seconds with 1G."""
    values: dict[str, Any] = {"seq": 1, "number": 1, "memory": GIB, "started": 100.0, "ended": 110.0}
    values |= {"unit": f"job-{more.get('seq', 1)}.scope", "runtime": 10.0, "verdict": verdict} | more
    return Attempt(**values)


def ran_out(memory: int = GIB, **more: Any) -> Attempt:
    """Return an attempt that ran out of memory at its own limit."""
    unit = f"job-{more.get('seq', 1)}.scope"
    own = {"limit_of": LimitOf.SCOPE, "limit_unit": unit, "limit": memory, "needed": memory, "peak": memory}
    return attempt(Verdict.OOM_KILL, memory=memory, **{"exit_status": 137} | own | more)


def ran_out_at(limit_of: LimitOf | None, unit: str | None = None, **more: Any) -> Attempt:
    """Return an attempt that ran out of memory at another limit."""
    return ran_out(limit_of=limit_of, limit_unit=unit, **more)
