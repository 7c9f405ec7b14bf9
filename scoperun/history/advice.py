"""The limit on memory that earlier runs suggest. No I/O.

What is kept to here:

* A run that ran out of memory needed more than is known. It counts as above every limit.
* The 95th percentile is given only if it is the peak of a run: from 20 runs on, of which fewer than 5 % ran out.
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


@dataclass(frozen=True, slots=True)
class Fit:
    """How many runs did not need more than a limit, in bytes."""

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
    at_limit: those that ran out of memory at their own limit. ran_out_elsewhere: those that did so at another limit, or
    at one that is not known. failed: those that ended without success for other reasons. swapped: those that used swap,
    which the peak does not contain.
    least, median, most: of the peaks of runs that did not run out of memory.
    p95: the 95th percentile of all peaks. missing: why there is none; more_than: then the limit has to be higher.
    fits: limits to choose from, the lowest first.
    """

    runs: int
    without_peak: int
    at_limit: int
    ran_out_elsewhere: int
    failed: int
    swapped: int
    least: int | None
    median: int | None
    most: int | None
    p95: int | None
    missing: Missing | None
    more_than: int | None
    fits: tuple[Fit, ...]
    anonymous: Samples | None


def advice(runs: Iterable[PastRun]) -> Advice:
    """Return what these runs suggest for the next one."""
    every = list(runs)
    known = [run for run in every if run.known_need is not None]
    peaks = sorted(run.peak for run in known if not run.ran_out and run.peak is not None)
    ran_out = [run for run in known if run.ran_out]
    missing = _missing(len(known), len(ran_out))
    p95 = None if missing else peaks[_rank(PERCENT, len(known))]
    at_limit = sum(run.ended_at_limit for run in ran_out)
    return Advice(
        runs=len(known),
        without_peak=len(every) - len(known),
        at_limit=at_limit,
        ran_out_elsewhere=len(ran_out) - at_limit,
        failed=sum(not run.ran_out and run.verdict != "success" for run in known),
        swapped=sum(bool(run.swap_peak) for run in known),
        least=peaks[0] if peaks else None,
        median=peaks[_rank(50, len(peaks))] if peaks else None,
        most=peaks[-1] if peaks else None,
        p95=p95,
        missing=missing,
        more_than=max((run.known_need or 0 for run in known), default=None) if missing else None,
        fits=() if p95 is None else _fits(peaks, p95),
        anonymous=_samples(every),
    )


def rounded_up(size: int) -> int:
    """Return a size that is short to write and at most an eighth larger: a multiple of a power of two, 4K at least."""
    step = max(4096, 1 << max(0, size.bit_length() - 4))
    return -(-size // step) * step


def _missing(runs: int, ran_out: int) -> Missing | None:
    if not runs:
        return Missing.NO_PEAKS
    if ran_out * 100 >= (100 - PERCENT) * runs:
        return Missing.TOO_MANY_RAN_OUT
    return Missing.TOO_FEW_RUNS if runs < ENOUGH else None


def _rank(percent: int, count: int) -> int:
    """Return the place of a percentile in a sorted list: the least value that so many percent do not exceed."""
    return -(-percent * count // 100) - 1


def _fits(peaks: Sequence[int], p95: int) -> tuple[Fit, ...]:
    """Return a limit for nearly all runs, and one for every run that did not run out of memory."""
    limits = dict.fromkeys((rounded_up(p95), rounded_up(peaks[-1])))
    return tuple(Fit(limit, sum(peak <= limit for peak in peaks)) for limit in limits)


def _samples(runs: Iterable[PastRun]) -> Samples | None:
    found = [run.largest_anon for run in runs if run.largest_anon is not None]
    return Samples(max(found), len(found)) if found else None
