"""What the kernel's log says of one run's scope, from its records as they come, each read once. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.dataclass import dataclass, replace
from scoperun.kernel_log import KernelLogParser
from scoperun.kernel_report import LOST, concerning
from scoperun.request import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scoperun.kernel_report import KernelRecord, KernelReport
    from scoperun.membership import Membership


@dataclass(frozen=True, slots=True, kw_only=True)
class _Own:
    """What a report says of the scope: with the victims that may be the scope's, and with those alone that are."""

    likely: KernelReport
    certain: tuple[KernelReport, ...]


class ScopeLog:
    """The kernel's reports on one scope.

    has_gaps: some records were overwritten before they could be read.
    """

    def __init__(self, membership: Membership, *, cgroup: str, page_size: int) -> None:
        """Begin with nothing read."""
        self.has_gaps = False
        self._membership = membership
        self._cgroup = cgroup
        self._parser = KernelLogParser(page_size)
        self._finished: list[_Own] = []

    def take(self, records: Iterable[KernelRecord]) -> None:
        """Take the next records of the log."""
        for record in records:
            self.has_gaps |= record is LOST
            # A name need not be text, and most records are not only text but ASCII.
            is_plain = record.text.isascii()
            self._parser.feed(record if is_plain else replace(record, text=printable(record.text)))
        for report in self._parser.finished():
            self._finished += self._own(report)

    def reports(self, counted: int | None) -> tuple[KernelReport, ...]:
        """Return the reports on victims in the scope, its keeper too, if so many kills were counted there.

        Where there are more victims than kills, some of those that are named by their PIDs alone are another's, and it
        is not known which.
        """
        last = self._parser.unfinished()
        own = [*self._finished, *(self._own(last) if last else ())]
        likely = tuple(each.likely for each in own)
        if counted is None or sum(len(report.victims) for report in likely) <= counted:
            return likely
        return tuple(report for each in own for report in each.certain)

    def _own(self, report: KernelReport) -> Iterator[_Own]:
        membership = self._membership
        if report.at is not None and membership.clock.is_before(report.at, membership.began):
            return  # of another run, be it of the same name
        children = {victim.pid for victim in report.victims if membership.is_child(victim, report.at)}
        lost = {victim.pid for victim in report.victims if membership.was_lost(victim, report.at)}
        certain = concerning([report], cgroup=self._cgroup, pids=children)
        for likely in concerning([report], cgroup=self._cgroup, pids=children | lost):
            yield _Own(likely=likely, certain=certain)
