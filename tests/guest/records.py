"""Helpers that read the kernel log for tests."""

import os
from collections.abc import Callable, Sequence

from scoperun.evidence.kernel_log import parse
from scoperun.evidence.kernel_report import KernelRecord, KernelReport, concerning
from scoperun.kernel.log import KernelLog

from .story import GENEROUS

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


async def read_until(
    log: KernelLog, is_enough: Callable[[Sequence[KernelRecord]], bool], *, within: float = GENEROUS
) -> list[KernelRecord]:
    """Return the records since the log was opened, once they are enough or none has come for `within` seconds."""
    records: list[KernelRecord] = []

    def take(more: Sequence[KernelRecord]) -> bool:
        records.extend(more)
        return is_enough(records)

    await log.read(take, within=within)
    return records


async def read_all(log: KernelLog, *, within: float) -> list[KernelRecord]:
    """Return the records since the log was opened, once no new one has come for `within` seconds."""
    return await read_until(log, lambda _: False, within=within)


async def read_report(log: KernelLog, cgroup: str, *, victims: int = 1) -> KernelReport:
    """Return the only report about a cgroup, as soon as it names `victims` victims."""

    def is_enough(records: Sequence[KernelRecord]) -> bool:
        return any(len(report.victims) >= victims for report in reports_of(cgroup, records))

    (report,) = reports_of(cgroup, await read_until(log, is_enough))
    return report


def reports_of(cgroup: str, records: Sequence[KernelRecord]) -> tuple[KernelReport, ...]:
    """Return the reports in the records whose victims were in a cgroup, by the cgroup that the kernel names."""
    return concerning(parse(records, page_size=PAGE_SIZE), cgroup=cgroup, pids=())
