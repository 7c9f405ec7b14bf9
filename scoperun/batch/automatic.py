"""The memory that --mem auto gives each job: what earlier runs suggest, or without any an equal share. No I/O.

* The 95th percentile of their peaks, rounded up, where there is one. Otherwise, if none ran out, what was enough for
  all that succeeded.
* If too many ran out for a percentile, it is known what is too little, and what one that succeeded used at most: the
  share of a job, if that is enough for both, or else the next size that is.
* Never more than the total.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.history.advice import rounded_up
from scoperun.spec.sizes import PAGE, format_size

if TYPE_CHECKING:
    from scoperun.history.advice import Advice


def automatic(advice: Advice | None, *, total: int, slots: int) -> tuple[int, str]:
    """Return the memory for a job in bytes, and a text that says where it comes from.

    advice: what earlier runs tell, None without any. total: bytes for all jobs together. slots: jobs at once.
    """
    share = max(total // slots // PAGE * PAGE, PAGE)
    size, reason = _suggested(advice, share) or (share, f"{format_size(total)} for {_count(slots, 'job')} at once")
    if size <= total:
        return size, f"{format_size(size)}: {reason}"
    return total, f"{format_size(total)}, all that there is, where {format_size(size)} is suggested: {reason}"


def _suggested(advice: Advice | None, share: int) -> tuple[int, str] | None:
    """Return what earlier runs suggest, and the reason; None if they tell nothing."""
    if advice is None:
        return None
    runs = _count(advice.runs, "earlier run")
    if advice.p95 is not None:
        return rounded_up(advice.p95), f"the 95th percentile of {runs}, rounded up"
    if advice.more_than is not None:
        return _where_some_ran_out(advice.more_than, advice.most or 0, share, runs)
    if advice.most is not None:
        return rounded_up(advice.most), f"the largest peak of {runs}, rounded up"
    return None


def _where_some_ran_out(too_little: int, used: int, share: int, runs: str) -> tuple[int, str]:
    reason = f"by {runs}, {format_size(too_little)} is too little"
    if used > too_little:
        reason += f", and one used {format_size(used)}"
    least = max(used, too_little + 1)
    return share if share >= least else rounded_up(least), reason


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
