"""What the kernel's log says about kills in a session, each report once."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from scoperun.printable import utf8
from scoperun.record import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scoperun.evidence.kernel_log import KernelLogParser
    from scoperun.evidence.kernel_report import KernelRecord, KernelReport
    from scoperun.evidence.session_kills import Session
    from scoperun.kernel.log import KernelLog

_SILENT = 10.0
"""Seconds of silence after which the log has nothing more to say: journalctl and journald can be late."""

_REMEMBERED = 256
"""Reports that are remembered."""

_LATE = 30.0
"""Seconds for which a report can be about a kill that was told without it."""


class NewReports:
    """The reports that were not read before."""

    def __init__(self, session: Session, wanted: Callable[[], int]) -> None:
        """wanted: tells how many kills are looked for; it can become more while the log is read."""
        self._session = session
        self._wanted = wanted
        self._used: dict[tuple[object, ...], None] = {}
        self._missed: dict[str, tuple[int | None, float]] = {}

    def miss(self, unit: str, kills: int | None) -> None:
        """Note that so many kills in a unit were told without a report, which can still come; None: all in it."""
        before, _ = self._missed.get(unit, (0, 0.0))
        both = None if kills is None or before is None else before + kills
        self._missed[unit] = (both, time.monotonic() + _LATE)

    async def read(self, log: KernelLog, *, since: float) -> list[KernelReport]:
        """Return the reports on kills in units of the session. Raises KernelLogUnreadable.

        since: as of KernelLog.read. It returns when as many kills were read of as are wanted, or the log is silent.
        """
        from scoperun.evidence.kernel_log import KernelLogParser  # noqa: PLC0415  not before the first kill

        parser, finished = KernelLogParser(os.sysconf("SC_PAGE_SIZE")), list["KernelReport"]()

        def take(records: Sequence[KernelRecord]) -> bool:
            for record in records:
                parser.feed(record if record.text.isascii() else replace(record, text=utf8(record.text)))
            found, _ = self._new(parser, finished)
            return sum(victim.kills for report in found for victim in report.victims) >= self._wanted()

        now = time.monotonic()
        self._missed = {unit: missed for unit, missed in self._missed.items() if missed[1] > now}
        await log.read(take, within=_SILENT, since=since)
        found, missed = self._new(parser, finished)
        self._missed = {unit: (missed[unit], until) for unit, (_, until) in self._missed.items()}
        self._used |= dict.fromkeys(map(_key, self._unused(parser, finished)))
        for key in [*self._used][:-_REMEMBERED]:
            del self._used[key]
        return found

    def _new(
        self, parser: KernelLogParser, finished: list[KernelReport]
    ) -> tuple[list[KernelReport], dict[str, int | None]]:
        """Return the new reports of this session so far, and how many kills in each unit still lack one.

        Those on kills that were told already are left out.
        """
        found, missed = [], {unit: kills for unit, (kills, _) in self._missed.items()}
        for report in self._unused(parser, finished):
            unit = self._session.unit_of(report.task_memcg) or ""
            left = missed.get(unit, 0)
            if left == 0:
                found.append(report)
            elif left is not None:
                missed[unit] = max(0, left - (sum(victim.kills for victim in report.victims) or 1))
        return found, missed

    def _unused(self, parser: KernelLogParser, finished: list[KernelReport]) -> list[KernelReport]:
        """Return the reports of this session that were not read before. finished: those that the parser handed out."""
        finished += parser.finished()
        last = parser.unfinished()
        found = [*finished, *([last] if last else [])]
        return [each for each in found if self._session.unit_of(each.task_memcg) and _key(each) not in self._used]


def _key(report: KernelReport) -> tuple[object, ...]:
    """Return what tells a report from others, also when it was read before its end."""
    return report.chosen, report.task_memcg, report.records[:1]
