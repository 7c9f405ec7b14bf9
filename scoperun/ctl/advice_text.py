"""What earlier runs suggest, in words. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.history.advice import ENOUGH, Missing
from scoperun.spec.sizes import exact_size, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.history.advice import Advice


def lines(title: str, advice: Advice) -> Iterator[str]:
    """Yield the lines about one job. title: the name of its runs, or how many reports there are."""
    yield f"{title}: {_runs(advice.runs)}{''.join(f', {text}' for text in _left_out(advice))}"
    if advice.missing is None:
        widest = max(len(exact_size(fit.memory_max)) for fit in advice.fits)
        for fit in advice.fits:
            yield f"  --mem {exact_size(fit.memory_max):<{widest}}  fits {fit.runs} of {_runs(advice.runs)}"
    else:
        yield f"  {_without_percentile(advice)}"
    yield from (f"  {text}" for text in _facts(advice))


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _left_out(advice: Advice) -> Iterator[str]:
    if advice.without_peak:
        yield f"and {advice.without_peak} without a known peak, left out"


def _without_percentile(advice: Advice) -> str:
    """Return why there is no percentile, and what is known without one."""
    if advice.missing is Missing.TOO_MANY_RAN_OUT and advice.more_than is not None:
        known = f"--mem: more than {format_size(advice.more_than)}"
        return f"{known}, because {_needed_more(advice)} and would have needed more"
    if advice.missing is Missing.NO_PEAKS or advice.used is None:
        return "nothing is known about the memory that it needs"
    used = f"--mem: at least {format_size(advice.used)} were used so far"
    if advice.missing is Missing.TOO_MANY_UNKNOWN:
        return f"{used}: no percentile, because {_might_have_needed_more(advice)}"
    return f"{used}: {ENOUGH} runs are needed for a percentile"


def _needed_more(advice: Advice) -> str:
    """Return how many runs were ended because of memory: a clause, of which they are the subject."""
    ran_out = advice.at_limit + advice.ran_out_elsewhere
    ends = [("ran out of memory", ran_out), ("were signalled or killed at a soft limit", advice.at_soft_limit)]
    how = " or ".join(text for text, count in ends if count)
    count = ran_out + advice.at_soft_limit
    return f"{count} of {_runs(advice.runs)} {how.replace('were', 'was') if count == 1 else how}"


def _might_have_needed_more(advice: Advice) -> str:
    """Return how many runs were ended because of memory, or might have been: a clause."""
    ended = advice.at_limit + advice.ran_out_elsewhere + advice.at_soft_limit
    might = f"{advice.unknown} of {_runs(advice.runs + advice.unknown)} might have run out of memory"
    return f"{might}, beside {ended} that needed more" if ended else might


def _largest_use(advice: Advice) -> Iterator[str]:
    """Yield the largest peak, unless the lines before it have said as much."""
    said = advice.most if advice.p95 is not None else advice.more_than
    is_said = advice.missing in {Missing.TOO_FEW_RUNS, Missing.TOO_MANY_UNKNOWN} or (
        said is not None and said >= (advice.used or 0)
    )
    if advice.used is not None and not is_said:
        yield f"at least {format_size(advice.used)} were used by one run"


def _facts(advice: Advice) -> Iterator[str]:
    yield from _largest_use(advice)
    if advice.least is not None and advice.most is not None and advice.median is not None:
        p95 = "" if advice.p95 is None else f", 95th percentile {format_size(advice.p95)}"
        spread = f"{format_size(advice.least)} to {format_size(advice.most)}, median {format_size(advice.median)}{p95}"
        others = " of the others" if advice.at_limit + advice.ran_out_elsewhere + advice.at_soft_limit else ""
        yield f"peaks{others}, with page cache: {spread}"
    if advice.at_limit:
        yield f"{_runs(advice.at_limit)} ran out of memory at the run's own limit: counted as more than that"
    if advice.ran_out_elsewhere:
        yield f"{_runs(advice.ran_out_elsewhere)} ran out of memory at another limit: counted as more than the peak"
    if advice.at_soft_limit:
        was = "was" if advice.at_soft_limit == 1 else "were"
        what = f"{_runs(advice.at_soft_limit)} {was} signalled or killed at a soft limit"
        yield f"{what}: counted as more than the peak"
    if advice.failed:
        yield f"{_runs(advice.failed)} ended without success for another reason, left out: what was needed is not known"
    if advice.unknown:
        what = "it might have" if advice.unknown == 1 else "they might have"
        yield f"{_runs(advice.unknown)} whose end is not known, left out: {what} run out of memory"
    if advice.swapped:
        yield f"{_runs(advice.swapped)} used swap too, which the peaks do not contain"
    if advice.anonymous is not None:
        largest, runs = format_size(advice.anonymous.largest), _runs(advice.anonymous.runs)
        yield f"anonymous memory: largest sample {largest}, in {runs} with a timeline"
