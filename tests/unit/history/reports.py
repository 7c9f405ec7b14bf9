"""Reports of runs, made for tests, with what advice looks at."""

from typing import Any

MIB = 1 << 20


def report(peak: int | None = None, **more: Any) -> dict[str, Any]:
    """Return a report with this peak, in MiB."""
    memory = {"peak": None if peak is None else peak * MIB, "swap_peak": more.pop("swap_peak", 0)}
    limits = {"memory_max": more.pop("limit", "infinity")}
    return {"verdict": "success", "memory": memory, "limits": limits, "oom": None} | more


def told_to_end(peak: int | None, *, kind: str = "soft_memory", **more: Any) -> dict[str, Any]:
    """Return a report of a run that got a signal at a soft limit, and that the signal ended."""
    passed = [{"at": 1.0, "memory": 1, "told": True}]
    soft = {"limit": 1, "signal": "SIGTERM", "passed": passed, "killed": False}
    return report(peak, verdict="signal", signal=15) | {kind: soft} | more


def killed(peak: int | None, limit: int | None, *, limit_of: str = "scope") -> dict[str, Any]:
    """Return a report of a run that ran out of memory, at this limit in MiB."""
    size = None if limit is None else limit * MIB
    oom = {"limit_of": limit_of, "limit": size, "victims": [{"name": "big\x1b[2J"}]}
    return report(peak, verdict="oom-kill", oom=oom, limit=size)
