"""An OOM in words: what was killed, at whose limit, what else was there, and how much was needed. No I/O."""

from __future__ import annotations

from signal import SIGTERM
from typing import TYPE_CHECKING

from scoperun.evidence.oom_kill import NEARLY_ALL
from scoperun.evidence.oom_limit import LimitOf
from scoperun.evidence.verdict import KERNEL_COUNT
from scoperun.report.layout import quoted
from scoperun.report.names import limit_of, policy_name
from scoperun.report.oomd_text import killed_by_oomd
from scoperun.spec.sizes import INFINITY, format_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scoperun.evidence.events import Process, Task
    from scoperun.evidence.last_seen import Victim
    from scoperun.report.oom_report import Oom
    from scoperun.report.report import Report

_NAMED = 5

_NOTICEABLE = 0.1
"""The share of the memory above which page cache, or shared memory, is mentioned."""


def killed(report: Report, oom: Oom, names: Mapping[str, str]) -> str:
    """Return what was killed, by what and at which limit.

    E.g. `leak[829], 19.9M, by the kernel at this scope's limit (--mem 20M)`.
    """
    if oom.limit_of is LimitOf.SYSTEMD_OOMD:
        return killed_by_oomd(report, oom)
    by = "by the kernel" if _is_kernels(report, oom) else "by the kernel or by systemd-oomd"
    last = "; the last of them" if oom.has_other_limits else ""
    return f"{_victims(oom)}, {by}{last} {_at_limit(report, oom, names)}"


def _is_kernels(report: Report, oom: Oom) -> bool:
    """Tell whether it is certain that the kernel killed: by its limit, its log or its count."""
    counts = {evidence.source: evidence.value for evidence in report.evidence}
    return oom.limit_of is not LimitOf.UNKNOWN or bool(oom.kernel_log or counts.get(KERNEL_COUNT))


def others(report: Report, oom: Oom, names: Mapping[str, str]) -> str:
    """Return which processes were there too, the largest first, and what became of them; empty if none is known."""
    dead = {victim.pid for victim in oom.victims or ()}
    alive = [task for task in oom.tasks or () if task.pid not in dead]
    if not alive or not dead:
        return ""
    return "; ".join(filter(None, [_grouped(alive), _what_became(alive, report, oom, names)]))


def needed(oom: Oom) -> str:
    """Return what is known about the need, which can exceed the limit, unlike the peak; empty if nothing is."""
    if oom.needed is None:
        return ""
    swap = " of memory and swap" if oom.limit is not None and oom.needed > oom.limit else ""
    return f"more than {format_size(oom.needed)}{swap} (how much more is unknown)"


def composition(report: Report, oom: Oom) -> str:
    """Return how much of the scope's memory was not anonymous, if that matters.

    By the kernel's report on the kill, else as last seen.
    """
    for last in [each for each in oom.kernel_log or () if each.victims][-1:]:
        if last.oom_memcg == report.cgroup and last.stat:
            return _uses(last.stat)
    seen = (report.memory.stat or {}) if oom.tasks else {}
    most = oom.limit if oom.limit_unit == report.unit and oom.limit else report.memory.peak
    was_full = most is not None and seen.get("anon", 0) + seen.get("file", 0) >= NEARLY_ALL * most
    return _uses(seen) + ("" if was_full or not _uses(seen) else " when last seen")


def missing_log(oom: Oom) -> str:
    """Return why the kernel's own report, or part of it, is missing, if it would have answered an open question."""
    if oom.oomd is not None:
        return oom.oomd.log_reason or ""
    is_known = oom.limit_of is not LimitOf.UNKNOWN and len(oom.victims or ()) >= (oom.kills or 1)
    return "" if is_known else oom.kernel_log_reason or ""


def process_names(named: Sequence[Process]) -> str:
    """Return `sh[801], cat[802]`, with `...` in place of the sixth and later ones."""
    names = [f"{_name(process)}[{process.pid}]" for process in named[:_NAMED]]
    return ", ".join([*names, "..."] if len(named) > _NAMED else names)


def page_cache(stat: Mapping[str, int]) -> int | None:
    """Return the bytes in memory.stat that are copies of files, which the kernel can drop; None if it lacks them."""
    if "file" not in stat:
        return None
    return stat["file"] - stat.get("shmem", 0)


def _victims(oom: Oom) -> str:
    victims = oom.victims or ()
    if not victims:
        return _unidentified(oom.kills or 1, "process", "processes")
    if len(victims) == 1 == (oom.kills or 1):
        return _victim(victims[0], ", ", oom)
    named = [_victim(each, " ", oom) for each in victims[:_NAMED]]
    untold, unnamed = len(victims) - len(named), (oom.kills or 0) - len(victims)
    if untold > 0:
        named.append(f"{untold} more")
    if unnamed > 0:
        named.append(_unidentified(unnamed, "other", "others"))
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"


def _unidentified(count: int, one: str, many: str) -> str:
    return f"an unidentified {one}" if count == 1 else f"{count} unidentified {many}"


def _victim(victim: Victim, between: str, oom: Oom) -> str:
    # File pages that it shares are often charged to other cgroups, so rss could exceed the limit: anon is shown.
    size = "" if victim.anon is None else between + format_size(victim.anon)
    earlier = next((task.name for task in oom.tasks or () if task.pid == victim.pid), None)
    was = f" (last seen as {quoted(earlier)})" if victim.name is None and earlier is not None else ""
    return f"{_name(victim)}[{victim.pid}]{was}{size}"


def _at_limit(report: Report, oom: Oom, names: Mapping[str, str]) -> str:
    match oom.limit_of:
        case LimitOf.SCOPE if oom.limit_unit == report.unit:
            return f"at this scope's limit{_own_limit(report, oom, names)}"
        case LimitOf.SCOPE if oom.limit_unit:
            return f"at the limit{_of(oom.limit)} of {quoted(oom.limit_unit)} inside this scope"
        case LimitOf.SCOPE:
            return "at a limit inside this scope"
        case LimitOf.SLICE:
            return f"at the limit{_of(oom.limit)} of {quoted(oom.limit_unit or '')}, which this scope is in"
        case LimitOf.HOST:
            return "because the machine ran out of memory; this scope was within its limits"
        case _ if _is_asked_for(oom):
            return "because SysRq asked for it, though memory was not short"
        case _:
            return "at an unidentified limit, or at none"


def _own_limit(report: Report, oom: Oom, names: Mapping[str, str]) -> str:
    if oom.limit is None:
        return ""
    was_changed = "memory_max" in (report.limits_changed or {}) or oom.limit != report.limits.memory_max
    return _of(oom.limit) if was_changed else limit_of("memory_max", format_size(oom.limit), names)


def _is_asked_for(oom: Oom) -> bool:
    """Tell whether the last kill is known to be one that was asked for with SysRq."""
    if not oom.kernel_log:
        return False
    is_last, named = oom.kernel_log[-1].sysrq is True, sum(len(each.victims) for each in oom.kernel_log)
    return is_last and named >= (oom.kills or 1)


def _of(limit: int | None) -> str:
    return "" if limit in {None, INFINITY} else f" of {format_size(limit)}"


def _what_became(alive: Sequence[Task], report: Report, oom: Oom, names: Mapping[str, str]) -> str:
    """Return what systemd did with `alive`, the other processes, as far as that is certain."""
    if oom.policy != "kill" and len(oom.victims or ()) < (oom.kills or 1):
        return ""  # some of them might have been killed
    if oom.policy == "stop" and report.exit_code is not None and all(task.pid == report.pid for task in alive):
        return ""  # the command alone has exited, maybe before systemd's SIGTERM
    match oom.policy:
        case "continue":
            return f"went on ({policy_name('continue', names)})"
        case "stop" if report.result == "oom-kill" and report.signal != SIGTERM:  # else the end of the command says it
            return f"stopped by systemd ({policy_name('stop', names)})"
        case "kill" if report.result == "oom-kill":
            return f"killed too ({policy_name('kill', names)})"
        case _:
            return ""


def _grouped(tasks: Sequence[Task]) -> str:
    """Return `need x4 57.4M, sh[867] 4.6M`: the processes of one name together, the largest group first."""
    groups: dict[str, list[Task]] = {}
    for task in tasks:
        groups.setdefault(_name(task), []).append(task)
    ordered = sorted(groups.items(), key=lambda group: -sum(task.anon or 0 for task in group[1]))
    named = [_group(name, members) for name, members in ordered[:_NAMED]]
    return ", ".join([*named, "..."] if len(ordered) > _NAMED else named)


def _group(name: str, members: Sequence[Task]) -> str:
    which = f"{name}[{members[0].pid}]" if len(members) == 1 else f"{name} x{len(members)}"
    sizes = [task.anon for task in members if task.anon is not None]
    return f"{which} {format_size(sum(sizes))}" if len(sizes) == len(members) else which


def _uses(stat: Mapping[str, int]) -> str:
    cache, shared = page_cache(stat), stat.get("shmem", 0)
    if "anon" not in stat or cache is None:
        return ""
    whole = stat["anon"] + cache + shared
    parts = [(cache, "page cache"), (shared, "tmpfs and shared memory")]
    return " and ".join(f"{format_size(size)} {what}" for size, what in parts if size > _NOTICEABLE * whole)


def _name(process: Process | Victim) -> str:
    return "a process" if process.name is None else quoted(process.name)
