"""How much memory the jobs of a batch turned out to need. No I/O.

The rules of history/advice.py, for jobs instead of runs:

* A job counts once, by its last attempt: what it ran out of before does not matter if it was done with more.
* One that ran out of memory for good, or was told to end at a soft limit, needed more than is known. It counts as above
  every limit.
* Another one without success might have needed less or more than it used. It is left out, and counted. So is one whose
  peak is not known, and one whose end is not known, which might have run out of memory.
* The 95th percentile is given only if it is the peak of a job: from 20 jobs on, of which fewer than 5 % needed more,
  also if all did whose end is not known.
* The peak is memory.peak, which contains the page cache, and that can fill what the limit allows.

It takes the attempts of a batch one after the other, and keeps a few numbers of each: there can be 100,000 jobs.
"""

from __future__ import annotations

from array import array
from heapq import heappop, heappush
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from scoperun.evidence.verdict import Verdict
from scoperun.history.advice import ENOUGH, PERCENT, Fit, are_too_many, rounded_up
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scoperun.batch.attempt import Attempt


@dataclass(frozen=True, slots=True)
class Largest:
    """The attempt that had the most memory. seq: its job. peak: bytes."""

    seq: int
    peak: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What the attempts of a batch tell. Sizes are bytes; None is what they do not tell.

    jobs: those that count: done with a known peak, or needing more than is known (needed_more).
    failed: those left out because they ended without success for another reason.
    unknown: those left out because their end is not known. without_peak: those whose peak is not known.
    retried: those with more than one attempt. retries: the attempts beyond the first of each.
    saved: those done after an attempt that ran out of memory.
    asked: the least and the most that jobs that count had for their first attempt.
    p95: the 95th percentile of what they needed. fits: limits to choose from, the lowest first.
    largest: of all attempts. reserved: the most that attempts had reserved at the same time.
    """

    jobs: int
    needed_more: int
    failed: int
    unknown: int
    without_peak: int
    retried: int
    retries: int
    saved: int
    asked: tuple[int, int] | None
    p95: int | None
    fits: tuple[Fit, ...]
    largest: Largest | None
    reserved: int | None


def need(attempts: Iterable[Attempt], interrupted: Iterable[Attempt | None] = ()) -> Need:
    """Return what these attempts tell; those of one job follow one another, in their order.

    interrupted: attempts that only tell what was reserved; None for one of which nothing is known.
    """
    tally = _Tally()
    tally.reserve(interrupted)
    for _, of_job in groupby(attempts, key=attrgetter("seq")):
        tally.add([*of_job])
    return tally.need()


class _Tally:
    """Numbers of the jobs so far."""

    def __init__(self) -> None:
        self._needed_more = self._failed = self._unknown = self._without_peak = 0
        self._retried = self._retries = self._saved = 0
        self._asked: tuple[int, int] | None = None
        self._largest: Largest | None = None
        self._peaks = array("Q")
        self._spans = _Spans()
        self._is_reserved_known = True

    def reserve(self, attempts: Iterable[Attempt | None]) -> None:
        """Count what attempts reserved, and nothing else."""
        for each in attempts:
            if each is None:
                self._is_reserved_known = False
            else:
                self._spans.add(each)

    def add(self, attempts: Sequence[Attempt]) -> None:
        """Count a job."""
        last = attempts[-1]
        self._retries += len(attempts) - 1
        self._retried += len(attempts) > 1
        self._saved += last.is_success and any(each.ran_out for each in attempts)
        for each in attempts:
            self._spans.add(each)
            if each.peak is not None and (self._largest is None or each.peak > self._largest.peak):
                self._largest = Largest(each.seq, each.peak)
        self._weigh(last, asked=attempts[0].memory)

    def _weigh(self, last: Attempt, *, asked: int) -> None:
        if last.ran_out or last.was_told_to_end:
            self._needed_more += 1
        elif last.verdict is Verdict.UNKNOWN:
            self._unknown += 1
            return
        elif not last.is_success:
            self._failed += 1
            return
        elif last.peak is None:
            self._without_peak += 1
            return
        else:
            self._peaks.append(last.peak)
        low, high = self._asked or (asked, asked)
        self._asked = min(low, asked), max(high, asked)

    def need(self) -> Need:
        """Return what they tell."""
        peaks = sorted(self._peaks)
        jobs = len(peaks) + self._needed_more
        is_known = jobs >= ENOUGH and not are_too_many(self._needed_more + self._unknown, jobs + self._unknown)
        p95 = peaks[-(-PERCENT * jobs // 100) - 1] if is_known else None
        limits = [] if p95 is None else dict.fromkeys((rounded_up(p95), rounded_up(peaks[-1])))
        return Need(
            jobs=jobs,
            needed_more=self._needed_more,
            failed=self._failed,
            unknown=self._unknown,
            without_peak=self._without_peak,
            retried=self._retried,
            retries=self._retries,
            saved=self._saved,
            asked=self._asked,
            p95=p95,
            fits=tuple(Fit(limit, sum(peak <= limit for peak in peaks)) for limit in limits),
            largest=self._largest,
            reserved=self._spans.most() if self._is_reserved_known else None,
        )


class _Spans:
    """When attempts ran, and with which limit."""

    def __init__(self) -> None:
        self._started, self._ended, self._memory = array("d"), array("d"), array("Q")

    def add(self, attempt: Attempt) -> None:
        self._started.append(attempt.started)
        self._ended.append(attempt.ended)
        self._memory.append(attempt.memory)

    def most(self) -> int | None:
        """Return the largest sum of limits at one moment. One that ends when another starts has made room for it."""
        running: list[tuple[float, int]] = []
        most = reserved = 0
        for at in sorted(range(len(self._started)), key=self._started.__getitem__):
            while running and running[0][0] <= self._started[at]:
                reserved -= heappop(running)[1]
            heappush(running, (self._ended[at], self._memory[at]))
            reserved += self._memory[at]
            most = max(most, reserved)
        return most or None
