"""What the kernel log says about one run's scope, from its records as they arrive, each read once. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.evidence.events import KernelLogRead
from scoperun.evidence.kernel_log import KernelLogParser
from scoperun.evidence.kernel_report import LOST, names_the_whole_group, without
from scoperun.printable import utf8
from scoperun.record import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scoperun.evidence.invocation import Invocation
    from scoperun.evidence.kernel_report import KernelRecord, KernelReport
    from scoperun.evidence.membership import Membership


class ScopeLog:
    """The kernel's reports on one scope, and whether they name all of its victims."""

    def __init__(self, membership: Membership, invocation: Invocation, *, page_size: int) -> None:
        """Start with nothing read. invocation: what is known without the log; page_size: bytes."""
        self._membership = membership
        self._invocation = invocation
        self._parser = KernelLogParser(page_size)
        self._certain: list[KernelReport] = []
        self._likely: list[KernelReport] = []
        self._has_gaps = False
        self._has_nameless = False

    def take(self, records: Iterable[KernelRecord]) -> bool:
        """Take the next records of the log, and tell whether all victims are named."""
        for record in records:
            self._has_gaps |= record is LOST
            # A name can contain any bytes, but most records are ASCII and need no copy.
            is_plain = record.text.isascii()
            self._parser.feed(record if is_plain else replace(record, text=utf8(record.text)))
        for report in self._parser.finished():
            self._certain += self._membership.certain(report)
            self._likely += self._membership.likely(report)
            self._has_nameless |= self._is_nameless(report)
        return self._names_all(self._reports())

    def found(self, *, was_all: bool) -> KernelLogRead:
        """Return what the records say. was_all: the log was read to its end."""
        reports, keeper, last = self._reports(), self._membership.keeper, self._parser.unfinished()
        is_complete = self._names_all(reports)
        others = tuple(without(report, pid=keeper) for report in reports)
        return KernelLogRead(
            reports=others,
            reason=None if is_complete else self._what_is_missing(reports, was_all=was_all),
            is_complete=is_complete,
            is_whole=was_all and not self._has_gaps and not self._has_nameless and not self._is_nameless(last),
            of_keeper=tuple(left for left, whole in zip(others, reports, strict=True) if left.victims != whole.victims),
        )

    def _reports(self) -> Sequence[KernelReport]:
        """Return the reports on victims in the scope, including the keeper.

        If they name more victims than kills were counted, some of the victims named by PID alone are processes
        elsewhere, and it is not known which. Then only the certain victims are returned.
        """
        last, counted = self._parser.unfinished(), self._counted()
        likely = [*self._likely, *(self._membership.likely(last) if last else ())]
        if counted is None or _kills(likely) <= counted:
            return likely
        return [*self._certain, *(self._membership.certain(last) if last else ())]

    def _is_nameless(self, report: KernelReport | None) -> bool:
        """Tell whether a report does not name its victims' cgroup and some of them might have been in the scope."""
        if report is None or report.task_memcg is not None:
            return False
        return sum(len(each.victims) for each in self._membership.certain(report)) < len(report.victims)

    def _names_all(self, reports: Sequence[KernelReport]) -> bool:
        """Tell whether the kernel has named as many victims as there must be."""
        counted = self._counted()
        if self._policy != "kill":
            return counted is not None and _kills(reports) >= max(counted, 1)
        others = [without(report, pid=self._membership.keeper) for report in reports]
        most = self._invocation.counters.tasks_peak if self._invocation.counters else None
        named = sum(len(report.victims) for report in others)
        return any(map(names_the_whole_group, others)) or (most is not None and named >= most)

    def _counted(self) -> int | None:
        """Return how many kills were counted, None if not all of them were."""
        counters, properties = self._invocation.counters, self._invocation.properties
        by_systemd = properties.oom_kills if properties and self._policy != "kill" else None  # kill: groups
        counts = (counters.oom_kill if counters else None, by_systemd)
        known = [count for count in counts if count is not None]
        return max(*known, self._invocation.memory.kills_seen) if known else None

    @property
    def _policy(self) -> str | None:
        return self._invocation.properties.oom_policy if self._invocation.properties else None

    def _what_is_missing(self, reports: Sequence[KernelReport], *, was_all: bool) -> str | None:
        """Return why not all victims are named, None if the reason is not known."""
        nothing = "" if reports else ", and what was read says nothing about this scope"
        if not was_all:
            return f"the kernel log kept growing and was not read to its end{nothing}"
        if self._has_gaps:
            return f"parts of the kernel log were overwritten before they were read{nothing}"
        if reports:
            return None
        if self._counted() or self._invocation.memory.kills_seen:
            return "the kernel log has no report about this scope, or not yet"
        return "the kernel log says nothing about this scope"


def _kills(reports: Iterable[KernelReport]) -> int:
    return sum(victim.kills for report in reports for victim in report.victims)
