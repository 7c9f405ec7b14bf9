"""A batch of many jobs: what one of them takes is given back, and one that waits takes nothing."""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from scoperun.batch.events import Finished
from scoperun.batch.runner import Runner
from scoperun.batch.tally import Tally
from scoperun.record import replace
from scoperun.supervision.running import begun

from .test_batch_runner import Batch, state

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Callable

    from scoperun.batch.events import Event
    from scoperun.batch.streams import Streams
    from scoperun.report.report import Report
    from scoperun.spec.request import RunRequest

    from .fake_systemd import FakeSystemd

JOBS = 4000
LOOKS = {JOBS // 4, JOBS * 3 // 4}
FEW = JOBS // 4
"""More objects than the window of waiting jobs can differ by at these two, and half as many as jobs end in between."""

SLOTS = 8
MOST_TASKS = 8 * SLOTS
"""More than those of the slots, the connection and the fake."""


class Repeated:
    """A supervision that reports what the first one did."""

    def __init__(self, report: Report) -> None:
        self._report = report

    async def report(self) -> Report:
        await asyncio.sleep(0)
        return self._report


async def test_jobs_that_have_ended_and_those_that_wait_take_no_memory(
    systemd: FakeSystemd, connection: sqlite3.Connection
) -> None:
    """The first job runs; the others end as it did, without a process, so that many can."""
    reports: list[Report] = []
    objects: list[int] = []
    tasks: set[int] = set()

    @asynccontextmanager
    async def begin(request: RunRequest, streams: Streams, check: Callable[[], None]) -> AsyncIterator[object]:
        if not reports:
            async with begun(request, before_exec=streams.take, check=check) as supervision:
                reports.append(await supervision.report())
        tasks.add(len(asyncio.all_tasks()))
        yield Repeated(reports[0])

    def take(event: Event) -> None:
        tally.take(event)
        if isinstance(event, Finished) and tally.ended in LOOKS:
            gc.collect()
            objects.append(len(gc.get_objects()))

    kept = state(connection, *[("true",)] * JOBS)
    tally = Tally(kept.counts())
    plan = replace(Batch(kept).plan, begin=begin, take=take)
    await Runner(kept, plan, slots=SLOTS).run()
    assert kept.counts() == {"done": JOBS}
    assert tally.states["done"] == JOBS
    first, last = objects
    assert last - first < FEW
    assert max(tasks) < MOST_TASKS
    assert not systemd.units
