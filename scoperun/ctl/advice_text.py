"""What earlier runs suggest, in words. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.history.advice import ENOUGH, Missing
from scoperun.spec.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.history.advice import Advice

_UNITS = (("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10))


def lines(title: str, advice: Advice) -> Iterator[str]:
    """Yield the lines about one job. title: the name of its runs, or how many reports there are."""
    yield f"{title}: {_runs(advice.runs)}{''.join(f', {text}' for text in _left_out(advice))}"
    if advice.missing is None:
        widest = max(len(exact_size(fit.memory_max)) for fit in advice.fits)
        for fit in advice.fits:
            yield f"  --mem {exact_size(fit.memory_max):<{widest}}  fits {fit.runs} of {_runs(advice.runs)}"
    else:
        yield f"  {_more_than(advice)}"
    yield from (f"  {text}" for text in _facts(advice))


def exact_size(size: int) -> str:
    """Return a size as --mem takes it, without rounding: 1920M, 2G."""
    return next((f"{size // unit}{suffix}" for suffix, unit in _UNITS if size and size % unit == 0), f"{size}")


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _left_out(advice: Advice) -> Iterator[str]:
    if advice.without_peak:
        yield f"and {advice.without_peak} without a known peak, left out"


def _more_than(advice: Advice) -> str:
    """Return what is known without a percentile, and why there is none."""
    if advice.missing is Missing.NO_PEAKS or advice.more_than is None:
        return "nothing is known about the memory that it needs"
    known = f"--mem: more than {format_size(advice.more_than)}"
    ran_out = advice.at_limit + advice.ran_out_elsewhere
    if advice.missing is Missing.TOO_MANY_RAN_OUT:
        return f"{known}, because {ran_out} of {_runs(advice.runs)} ran out of memory and would have needed more"
    return f"{known}, the largest peak so far: {ENOUGH} runs are needed for a percentile"


def _facts(advice: Advice) -> Iterator[str]:
    if advice.least is not None and advice.most is not None and advice.median is not None:
        p95 = "" if advice.p95 is None else f", 95th percentile {format_size(advice.p95)}"
        spread = f"{format_size(advice.least)} to {format_size(advice.most)}, median {format_size(advice.median)}{p95}"
        yield f"peaks, with page cache: {spread}"
    if advice.at_limit:
        yield f"{_runs(advice.at_limit)} ran out of memory at the run's own limit: counted as more than that"
    if advice.ran_out_elsewhere:
        yield f"{_runs(advice.ran_out_elsewhere)} ran out of memory at another limit: counted as more than the peak"
    if advice.failed:
        yield f"{_runs(advice.failed)} ended without success otherwise: they might have needed more"
    if advice.swapped:
        yield f"{_runs(advice.swapped)} used swap too, which the peaks do not contain"
    if advice.anonymous is not None:
        largest, runs = format_size(advice.anonymous.largest), _runs(advice.anonymous.runs)
        yield f"anonymous memory: largest sample {largest}, in {runs} with a timeline"
