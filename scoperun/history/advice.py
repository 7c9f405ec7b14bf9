"""The limit on memory that earlier runs suggest. No I/O.

What is kept to here:

* A run that ran out of memory needed more than is known. So did one that was signalled or killed at a soft limit, also
  if it ended with success then: it might have left out work. Such runs count as above every limit.
* Another run without success might have needed less or more than it used, e.g. because it ended before its work began.
  It is left out, and counted: a run fits a limit only if it succeeded.
* A run with the verdict `unknown` might have run out of memory. It is left out, too, and counted apart: if it could be
  that too many ran out for a percentile, there is none.
* That something was used does not tell that it was needed: only runs that ran out, or were ended at a soft limit, show
  what is too little.
* The 95th percentile is given only if it is the peak of a run: from 20 runs on, of which fewer than 5 % needed more
  than is known.
* The peak is memory.peak, which contains the page cache. Anonymous memory is known from samples only, and the largest
  sample is not called a peak.
* A run whose peak is not known is left out, and counted.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scoperun.history.past_run import PastRun

ENOUGH = 20
"""Runs from which on a percentile is given."""

PERCENT = 95


class Missing(enum.StrEnum):
    """Why there is no percentile."""

    NO_PEAKS = "no-peaks"
    TOO_FEW_RUNS = "too-few-runs"
    TOO_MANY_RAN_OUT = "too-many-ran-out"
    """Those that ended at a soft limit included."""

    TOO_MANY_UNKNOWN = "too-many-unknown"
    """It could be that too many ran out: those whose end is not known might have."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How many runs that succeeded did not use more than a limit, in bytes."""

    memory_max: int
    runs: int


@dataclass(frozen=True, slots=True)
class Samples:
    """The largest sample of anonymous memory in runs with a timeline, in bytes, and how many runs these are."""

    largest: int
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What earlier runs tell. Sizes are bytes; None is what they do not tell.

    runs: those that count. without_peak: those that do not, because nothing tells how much they used.
    failed: those that do not, because they ended without success, and not at a limit on memory.
    unknown: those that do not, because their end is not known: they might have run out of memory.
    at_limit: those that ran out of memory at their own limit. ran_out_elsewhere: those that did so at another limit, or
    at one that is not known. at_soft_limit: those that were signalled or killed at a soft limit, without running out.
    swapped: those that used swap, which the peak does not contain.
    least, median, most: of the peaks of runs that succeeded, and were not told to end.
    used: the largest peak of all runs, those that failed included.
    p95: the 95th percentile of all peaks. missing: why there is none.
    more_than: a run needed more than that; None if none ran out of memory or ended at a soft limit.
    fits: limits to choose from, the lowest first.
    """

    runs: int
    without_peak: int
    at_limit: int
    ran_out_elsewhere: int
    at_soft_limit: int
    failed: int
    unknown: int
    swapped: int
    least: int | None
    median: int | None
    most: int | None
    used: int | None
    p95: int | None
    missing: Missing | None
    more_than: int | None
    fits: tuple[Fit, ...]
    anonymous: Samples | None


def advice(runs: Iterable[PastRun]) -> Advice:
    """Return what these runs suggest for the next one."""
    every = list(runs)
    counted = [run for run in every if run.is_conclusive]
    known = [run for run in counted if run.known_need is not None]
    peaks = sorted(run.peak for run in known if not run.needed_more and run.peak is not None)
    needed_more = [run for run in known if run.needed_more]
    ran_out, at_limit = sum(run.ran_out for run in known), sum(run.ended_at_limit for run in known)
    unknown = sum(run.might_have_run_out for run in every)
    missing = _missing(len(known), len(needed_more), unknown)
    p95 = None if missing else peaks[_rank(PERCENT, len(known))]
    return Advice(
        runs=len(known),
        without_peak=len(counted) - len(known),
        at_limit=at_limit,
        ran_out_elsewhere=ran_out - at_limit,
        at_soft_limit=len(needed_more) - ran_out,
        failed=len(every) - len(counted) - unknown,
        unknown=unknown,
        swapped=sum(bool(run.swap_peak) for run in known),
        least=peaks[0] if peaks else None,
        median=peaks[_rank(50, len(peaks))] if peaks else None,
        most=peaks[-1] if peaks else None,
        used=max((run.peak for run in every if run.peak is not None), default=None),
        p95=p95,
        missing=missing,
        more_than=max((run.known_need or 0 for run in needed_more), default=None),
        fits=() if p95 is None else _fits(peaks, p95),
        anonymous=_samples(every),
    )


def rounded_up(size: int) -> int:
    """Return a size that is short to write and at most an eighth larger: a multiple of a power of two, 4K at least."""
    step = max(4096, 1 << max(0, size.bit_length() - 4))
    return -(-size // step) * step


def are_too_many(needed_more: int, runs: int) -> bool:
    """Tell whether so many of these runs leave no run whose peak is the percentile."""
    return needed_more * 100 >= (100 - PERCENT) * runs


def _missing(runs: int, needed_more: int, unknown: int) -> Missing | None:
    if not runs:
        return Missing.NO_PEAKS
    if are_too_many(needed_more, runs):
        return Missing.TOO_MANY_RAN_OUT
    if runs < ENOUGH:
        return Missing.TOO_FEW_RUNS
    return Missing.TOO_MANY_UNKNOWN if are_too_many(needed_more + unknown, runs + unknown) else None


def _rank(percent: int, count: int) -> int:
    """Return the place of a percentile in a sorted list: the least value that so many percent do not exceed."""
    return -(-percent * count // 100) - 1


def _fits(peaks: Sequence[int], p95: int) -> tuple[Fit, ...]:
    """Return a limit for nearly all runs, and one for every run that succeeded."""
    limits = dict.fromkeys((rounded_up(p95), rounded_up(peaks[-1])))
    return tuple(Fit(limit, sum(peak <= limit for peak in peaks)) for limit in limits)


def _samples(runs: Iterable[PastRun]) -> Samples | None:
    found = [run.largest_anon for run in runs if run.largest_anon is not None]
    return Samples(max(found), len(found)) if found else None
