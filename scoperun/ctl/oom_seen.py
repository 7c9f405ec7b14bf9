"""What the kernel's log says about OOM kills in one unit that another program has started."""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING, Any

from scoperun.evidence.kernel_report import KernelLogUnreadable, concerning, is_within
from scoperun.kernel.log import kernel_clock, read_back
from scoperun.printable import utf8
from scoperun.record import dataclass, replace
from scoperun.report.layout import quoted
from scoperun.spec.scope import units_of
from scoperun.spec.sizes import INFINITY, format_size, format_time, in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scoperun.evidence.kernel_report import KernelRecord, KernelReport, KernelVictim

_WELL_KNOWN = 10.0
"""Seconds by which the log's clock can differ from ours for a time to be told, e.g. after suspends it is more."""


@dataclass(frozen=True, slots=True)
class KernelSaid:
    """The kernel's reports on OOM kills in a unit; None if the log was not read, or could not be, for this reason."""

    reports: tuple[KernelReport, ...] | None
    reason: str | None
    cgroup: str

    def lines(self) -> list[str]:
        """Return a sentence for each report."""
        return [_sentence(each, self.cgroup) for each in self.reports or ()]

    def to_json(self) -> list[dict[str, Any]] | None:
        """Return the reports for JSON, None if there are none to be had."""
        return None if self.reports is None else [_row(each) for each in self.reports]


async def kernel_said(cgroup: str, unit: Mapping[str, Any], *, counted: int | None, ahead: float) -> KernelSaid:
    """Read the kernel's log for a unit, if there can have been an OOM kill.

    cgroup: the name of its cgroup, also if that is gone. unit: its properties. counted: the kills that were counted
    there, None if they are not known. ahead: as Manager.ahead.
    """
    if counted == 0:
        return KernelSaid(None, None, cgroup)
    began = unit.get("InactiveExitTimestampMonotonic")
    if not isinstance(began, int) or not began:
        return KernelSaid(None, "it is not known when the unit started", cgroup)
    wall = unit.get("InactiveExitTimestamp")
    then = wall / 1e6 if isinstance(wall, int) and wall else math.inf
    return await _read(cgroup, began / 1e6 + ahead, then, counted=counted)


async def _read(cgroup: str, since: float, wall: float, *, counted: int | None) -> KernelSaid:
    from scoperun.evidence.kernel_log import KernelLogParser  # noqa: PLC0415  few units have OOM kills

    parser = KernelLogParser(os.sysconf("SC_PAGE_SIZE"))

    def take(records: Sequence[KernelRecord]) -> bool:
        for record in records:
            parser.feed(record if record.text.isascii() else replace(record, text=utf8(record.text)))
        return False

    try:
        is_whole = await read_back(take, since=since, wall=wall)
    except KernelLogUnreadable as error:
        return KernelSaid(None, str(error), cgroup)
    last = parser.unfinished()
    found = concerning([*parser.finished(), *([last] if last else [])], cgroup=cgroup, pids=())
    return KernelSaid(found, _what_is_missing(found, counted=counted, is_whole=is_whole), cgroup)


def _what_is_missing(reports: Sequence[KernelReport], *, counted: int | None, is_whole: bool) -> str | None:
    if not is_whole:
        return "the kernel log kept growing and was not read to its end"
    named = sum(victim.kills for report in reports for victim in report.victims)
    if counted is not None and named < counted:
        return f"{counted} OOM kills were counted, and what the kernel log still has names {named} of them"
    if counted is None and not reports:
        return "what the kernel log still has says nothing about this unit"
    return None


def _sentence(report: KernelReport, cgroup: str) -> str:
    """Return e.g. `leak[829], 19.9M, killed at the limit of 20M of x.scope, 3min ago`."""
    victims = ", ".join(map(_victim, report.victims)) or "a process that was ending already"
    return f"{victims}: killed {_where(report, cgroup)}{_when(report)}"


def _victim(victim: KernelVictim) -> str:
    return f"{quoted(victim.name)}[{victim.pid}] {format_size(victim.anon_rss)}"


def _where(report: KernelReport, cgroup: str) -> str:
    if report.sysrq:
        return "because SysRq asked for it"
    if report.constraint == "CONSTRAINT_MEMCG" and report.oom_memcg is not None:
        limit = "" if report.limit in {None, INFINITY} else f" of {format_size(report.limit or 0)}"
        holder = "this unit" if report.oom_memcg == cgroup else (units_of(report.oom_memcg) or ("the root",))[-1]
        inside = " inside it" if report.oom_memcg != cgroup and is_within(report.oom_memcg, cgroup) else ""
        return f"at the limit{limit} of {holder}{inside}"
    if report.constraint == "CONSTRAINT_NONE":
        return "because the machine ran out of memory"
    return "at a limit that the log does not name"


def _when(report: KernelReport) -> str:
    if report.at is None:
        return ""
    clock, ago = kernel_clock(), time.monotonic() - report.at
    about = f", about {format_time(max(0, round(ago - clock.shift)))} ago" if clock.ahead < _WELL_KNOWN else ""
    return f", at {report.at:.6f} in the kernel's log{about}"


def _row(report: KernelReport) -> dict[str, Any]:
    return {
        "at": report.at,
        "constraint": report.constraint,
        "oom_memcg": report.oom_memcg,
        "limit": in_words(report.limit),
        "victims": [{"pid": each.pid, "name": each.name, "anon": each.anon_rss} for each in report.victims],
        "records": list(report.records),
    }
