"""What is said about a batch at its end: as text and as JSON. No I/O.

The law of this file:

1. Only what was read is said. A number that is not known is left out of the text, and null in JSON.
2. At most ROWS failures are shown; the others are counted. So jobs are taken one by one, never all together.
3. What a job needed is at least what it is known to have asked for: `needed` is more than that, never that.
4. A limit is suggested by the rules of batch/need.py alone, and a peak is said to contain the page cache.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from scoperun.batch.ending import FAILURES, Ending
from scoperun.batch.ending_lines import complaint
from scoperun.batch.unit_names import is_slice
from scoperun.console.tables import Cell, Column, aligned, tabbed
from scoperun.evidence.oom_limit import LimitOf
from scoperun.printable import utf8
from scoperun.record import dataclass
from scoperun.spec.sizes import exact_size, format_size, format_time
from scoperun.spec.values import signal_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from scoperun.batch.attempt import Attempt
    from scoperun.batch.job import Job
    from scoperun.batch.need import Need

ROWS = 20
"""Failures that are shown."""

COLUMNS = (
    Column(title="SEQ", is_right=True),
    Column(title="COMMAND", is_flexible=True),
    Column(title="VERDICT", is_flexible=True),
    Column(title="NEEDED", is_right=True, rank=1),
    Column(title="VICTIM", is_flexible=True, rank=3),
    Column(title="LIMIT", is_flexible=True, rank=2),
)

_NOUNS = {
    Ending.DONE: "done",
    Ending.FAILED: "failed",
    Ending.OUT_OF_MEMORY: "out of memory",
    Ending.TIMEOUT: "timed out",
    Ending.NOT_EXECUTED: "not executed",
    "running": "running",
    "waiting": "waiting",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that ended without success. attempts: how many it had. last: the last of them."""

    job: Job
    state: str
    attempts: int
    last: Attempt

    def cells(self) -> list[Cell]:
        """Return its cells, one for each column."""
        last = self.last
        return [
            Cell(f"{self.job.seq}"),
            Cell(self.job.text),
            Cell(_how(last), "bold red" if last.ran_out else "yellow"),
            Cell(f">{format_size(last.needed)}" if last.needed is not None else "-"),
            Cell(last.victim or "-"),
            Cell(_whose(last)),
        ]

    def to_json(self) -> dict[str, Any]:
        """Return it as a dict for JSON."""
        last = self.last
        return {
            "seq": self.job.seq,
            "id": self.job.name,
            "command": [utf8(word) for word in self.job.command],
            "state": self.state,
            "attempts": self.attempts,
            "unit": last.unit,
            "verdict": None if last.verdict is None else last.verdict.value,
            "exit_status": last.exit_status,
            "signal": last.signal,
            "memory_max": last.memory,
            "needed": last.needed,
            "victim": last.victim,
            "limit_of": None if last.limit_of is None else last.limit_of.value,
            "limit_unit": last.limit_unit,
            "error": complaint(last),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A batch at its end.

    counts: how many jobs are in each state. failures: the first that ended without success. need: what the attempts
    tell. elapsed: seconds that it took, None if that is not known, e.g. because it was resumed.
    """

    counts: Mapping[str, int]
    failures: tuple[Failure, ...]
    need: Need
    elapsed: float | None = None

    @property
    def more_failures(self) -> int:
        """How many failures are not among those shown."""
        return max(0, sum(self.counts.get(each, 0) for each in FAILURES) - len(self.failures))

    def text(self, *, width: int | None = None) -> str:
        """Return it as lines. width: of the terminal, None for lines with tabs."""
        return "\n".join([*self._table(width), *_totals(self), *_memory(self.need), *_advice(self.need)])

    def to_json(self) -> dict[str, Any]:
        """Return it as a dict for JSON."""
        found = self.need
        return {
            "jobs": {str(each): self.counts.get(each, 0) for each in _NOUNS},
            "retried": found.retried,
            "retries": found.retries,
            "done_with_more_memory": found.saved,
            "elapsed": None if self.elapsed is None else round(self.elapsed, 6),
            "most_reserved": found.reserved,
            "largest": None if found.largest is None else {"seq": found.largest.seq, "peak": found.largest.peak},
            "advice": {
                "jobs": found.jobs,
                "needed_more": found.needed_more,
                "failed": found.failed,
                "unknown": found.unknown,
                "without_peak": found.without_peak,
                "p95": found.p95,
                "fits": [{"memory_max": fit.memory_max, "jobs": fit.runs} for fit in found.fits],
            },
            "failures": [each.to_json() for each in self.failures],
            "more_failures": self.more_failures,
        }

    def _table(self, width: int | None) -> Iterator[str]:
        if not self.failures:
            return
        rows = [each.cells() for each in self.failures]
        yield (
            tabbed(COLUMNS, rows, legend=True) if width is None else aligned(COLUMNS, rows, legend=True, width=width)
        )
        if self.more_failures:
            yield f"and {self.more_failures} more"


def summary(
    counts: Mapping[str, int],
    failures: Iterable[tuple[Job, str, Sequence[Attempt]]],
    need: Need,
    *,
    elapsed: float | None = None,
) -> Summary:
    """Return the summary of a batch. failures: jobs, their states and attempts, of which the first ROWS are taken."""
    shown = [Failure(job, state, len(attempts), attempts[-1]) for job, state, attempts in islice(failures, ROWS)]
    return Summary(counts=counts, failures=tuple(shown), need=need, elapsed=elapsed)


def _how(last: Attempt) -> str:
    """Return how an attempt ended: its verdict, and what the verdict leaves open."""
    if last.verdict is None:
        return f"{Ending.NOT_EXECUTED}: {complaint(last)}"
    if not last.verdict.told_by_exit_status:
        return last.verdict.value
    if last.signal:
        return f"{last.verdict} {signal_name(last.signal)}"
    return f"{last.verdict} {last.exit_status}"


def _whose(last: Attempt) -> str:
    """Return whose limit was reached, and how much it is if it is the job's own."""
    match last.limit_of:
        case None:
            return "-"
        case LimitOf.SCOPE if last.limit_unit == last.unit:
            return "its own" if last.limit is None else f"its own, {format_size(last.limit)}"
        case LimitOf.SCOPE:
            return f"inside it: {last.limit_unit}" if last.limit_unit else "inside it"
        case LimitOf.HOST:
            return "the machine's"
        case LimitOf.SLICE if last.limit_unit:
            return "the total" if is_slice(last.limit_unit) else last.limit_unit
        case _:
            return last.limit_of.value


def _totals(told: Summary) -> Iterator[str]:
    parts = [f"{told.counts[state]} {noun}" for state, noun in _NOUNS.items() if told.counts.get(state)]
    time = "" if told.elapsed is None else f" in {format_time(told.elapsed)}"
    yield f"{_jobs(sum(told.counts.values()))}{time}: {', '.join(parts) or 'none'}"
    if told.need.retried:
        saved = f", {told.need.saved} of them done after running out of memory" if told.need.saved else ""
        yield f"{_jobs(told.need.retried)} retried{saved}"


def _memory(found: Need) -> Iterator[str]:
    parts = []
    if found.reserved is not None:
        parts.append(f"most reserved at once: {format_size(found.reserved)}")
    if found.largest is not None:
        largest = found.largest
        parts.append(f"largest peak, with page cache: {format_size(largest.peak)} (job {largest.seq})")
    if parts:
        yield "; ".join(parts)


def _advice(found: Need) -> Iterator[str]:
    if found.p95 is None or found.asked is None:
        return
    low, high = found.asked
    of = exact_size(low) if low == high else f"{exact_size(low)} to {exact_size(high)}"
    fits = ", ".join(f"--mem {exact_size(fit.memory_max)} fits {fit.runs} of {found.jobs}" for fit in found.fits)
    yield f"p95 peak {format_size(found.p95)} of {of}: {fits}{_left_out(found)}"


def _left_out(found: Need) -> str:
    """Return which jobs do not count, in parentheses."""
    groups = [
        (found.failed, "failed for another reason"),
        (found.unknown, "whose end is not known"),
        (found.without_peak, "without a known peak"),
    ]
    parts = [f"{count} {what}" for count, what in groups if count]
    return f" (left out: {', '.join(parts)})" if parts else ""


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"
