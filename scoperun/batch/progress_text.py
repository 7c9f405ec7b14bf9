"""The numbers beside the bar, and the line below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.batch.ending import FAILURES
from scoperun.batch.rows import RUNNING
from scoperun.printable import one_line
from scoperun.spec.sizes import format_size, format_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.batch.runner import Runner
    from scoperun.batch.tally import Tally


def counts_text(tally: Tally, *, rest: float | None = None) -> str:
    """Return how far it is. rest: seconds that are left, None if that is not known."""
    failed = sum(tally.states[each] for each in FAILURES)
    parts = [
        f"{tally.ended} of {tally.all} jobs",
        f"{tally.states[RUNNING]} running" if tally.states[RUNNING] else "",
        f"{failed} failed" if failed else "",
        f"{tally.retried} tried again" if tally.retried else "",
        f"about {format_time(max(1, round(rest)))} left" if rest is not None and tally.ended < tally.all else "",
    ]
    return ", ".join(filter(None, parts))


def running_text(runner: Runner) -> Iterator[str]:
    """Yield what is used of the memory, and the job that uses the most of it."""
    paused = "paused; " if runner.is_paused else ""
    reserved = f"{format_size(runner.reserved)} reserved of {format_size(runner.total)}"
    yield f"{paused}{format_size(runner.used)} used, {reserved}"
    largest = max(
        ((running, runner.used_by(running)) for running in runner.running), key=lambda each: each[1], default=None
    )
    if largest is not None:
        running, used = largest
        limit = format_size(running.place.memory)
        yield f"largest: job {running.job.seq}, {format_size(used)} of {limit}: {one_line(running.job.text)}"
