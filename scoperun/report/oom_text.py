"""An OOM in words: what was killed, at whose limit, what ran beside it, and how much was needed. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.evidence.oom import NEARLY_ALL, LimitOf
from scoperun.spec.sizes import INFINITY, format_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scoperun.evidence.events import Process
    from scoperun.evidence.oom import Victim
    from scoperun.report.oom_report import Oom
    from scoperun.report.report import Report

_NAMED = 5


def oom_sentence(report: Report) -> str:
    """Return what happened, e.g. `out of memory: the kernel killed leak (pid 829, 19.9M) at the scope's limit …`."""
    oom = report.oom
    if oom is None:
        return "out of memory"
    if oom.limit_of is LimitOf.SYSTEMD_OOMD:
        is_whole = report.exit_code is None
        return f"out of memory: systemd-oomd killed {'the scope' if is_whole else 'a cgroup in the scope'}"
    last = ", the last" if oom.has_other_limits else ""
    if oom.limit_of is LimitOf.UNKNOWN:
        return _without_limit(oom, last)
    return f"out of memory: the kernel killed {_describe_victims(oom)}{last} {_at_limit(report, oom)}"


def oom_rows(report: Report, oom: Oom) -> list[tuple[str, str]]:
    """Return further facts about the OOM, each after its label."""
    rows = [("Needed", _needed(report, oom)), ("Beside", _beside(oom)), ("Log", _log(oom))]
    return [(label, text) for label, text in rows if text]


def process_names(named: Sequence[Process]) -> str:
    """Return `sh (pid 801), cat (pid 802)`, with `…` in place of the sixth and later ones."""
    names = [f"{_name(process)} (pid {process.pid})" for process in named[:_NAMED]]
    return ", ".join([*names, "…"] if len(named) > _NAMED else names)


def processes(count: int) -> str:
    """Return `1 process`, `2 processes`."""
    return "1 process" if count == 1 else f"{count} processes"


def page_cache(stat: Mapping[str, int]) -> int | None:
    """Return the bytes in memory.stat that are copies of files, which the kernel can drop; None if it lacks them."""
    if "file" not in stat:
        return None
    return stat["file"] - stat.get("shmem", 0)


def _without_limit(oom: Oom, last: str) -> str:
    named = sum(len(report.victims) for report in oom.kernel_log or ())
    if oom.kernel_log and oom.kernel_log[-1].sysrq and named >= (oom.kills or 1):
        killed = _describe_victims(oom)
        if last:
            return f"the kernel killed {killed}{last} because SysRq asked for it"
        return f"the OOM killer, asked for by SysRq, killed {killed}"
    return f"the kernel killed {_describe_victims(oom)}; at whose limit, if at any, is not known"


def _describe_victims(oom: Oom) -> str:
    victims = oom.victims or ()
    if not victims:
        count = "a process" if oom.kills in {None, 1} else processes(oom.kills or 0)
        return f"{count} (which is not known)"
    named = [_describe_victim(each) for each in victims[:_NAMED]]
    more = max(oom.kills or 0, len(victims)) - len(named)
    if more > 0:
        named.append(f"{more} more")
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"


def _describe_victim(victim: Victim) -> str:
    # File pages that it shares are often charged to other cgroups, so rss could exceed the limit: anon is shown.
    return f"{victim.name} (pid {victim.pid}{_size(victim.anon)})"


def _at_limit(report: Report, oom: Oom) -> str:
    match oom.limit_of:
        case LimitOf.SCOPE if oom.limit_unit == report.unit:
            return f"at the scope's limit{_of(oom.limit)} (MemoryMax=)"
        case LimitOf.SCOPE:
            return f"at the limit of {oom.limit_unit} inside the scope" if oom.limit_unit else "at a limit in the scope"
        case LimitOf.SLICE:
            return f"at the limit{_of(oom.limit)} of {oom.limit_unit}, which the scope is in"
        case _:
            return "as the machine had no memory left; the scope was within its limits"


def _of(limit: int | None) -> str:
    return "" if limit in {None, INFINITY} else f" of {format_size(limit)}"


def _needed(report: Report, oom: Oom) -> str:
    """Return what is known about the need: unlike the peak, it can exceed the limit."""
    parts = _parts(report, oom)
    if oom.needed is None:
        return parts and f"not known; {parts}"
    swap = " of memory and swap" if oom.limit is not None and oom.needed > oom.limit else ""
    unknown = f"more than {format_size(oom.needed)}{swap}, how much more is not known"
    return f"{unknown}; {parts}" if parts else unknown


def _parts(report: Report, oom: Oom) -> str:
    """Return what the scope's memory consisted of: by the kernel's report on the kill, else as last seen."""
    for last in [each for each in oom.kernel_log or () if each.victims][-1:]:
        if last.oom_memcg == report.cgroup and last.stat:
            return _uses(last.stat)
    seen = (report.memory.stat or {}) if oom.tasks else {}
    most = oom.limit if oom.limit_unit == report.unit and oom.limit else report.memory.peak
    was_full = most is not None and seen.get("anon", 0) + seen.get("file", 0) >= NEARLY_ALL * most
    return _uses(seen) + ("" if was_full or not _uses(seen) else ", when last seen")


def _uses(stat: Mapping[str, int]) -> str:
    cache = page_cache(stat)
    if "anon" not in stat or cache is None:
        return ""
    shared = f", tmpfs and shared memory {format_size(stat['shmem'])}" if stat.get("shmem") else ""
    return f"anonymous memory was {format_size(stat['anon'])}{shared}, page cache {format_size(cache)}"


def _beside(oom: Oom) -> str:
    dead = {victim.pid for victim in oom.victims or ()}
    others = sorted((task for task in oom.tasks or () if task.pid not in dead), key=lambda task: -(task.anon or 0))
    if not others or not dead:
        return ""
    named = [f"{_name(task)} (pid {task.pid}{_size(task.anon)})" for task in others[:_NAMED]]
    return ", ".join([*named, "…"] if len(others) > _NAMED else named)


def _name(process: Process) -> str:
    return "a process" if process.name is None else process.name


def _size(size: int | None) -> str:
    return "" if size is None else f", {format_size(size)}"


def _log(oom: Oom) -> str:
    """Return why the kernel's own report, or part of it, is missing, if it would have answered an open question."""
    is_known = oom.limit_of is not LimitOf.UNKNOWN and len(oom.victims or ()) >= (oom.kills or 1)
    return "" if is_known else oom.kernel_log_reason or ""
