"""What the report of an earlier run says about its memory and its end: JSON -> a value. No I/O.

The JSON comes from the history or from a file of the user's; a key that another version of scoperun does not have is
not known.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST = 2**63 - 1
"""The largest number of bytes that the kernel and systemd can mean; what is larger is not a size."""

OOM_KILL = "oom-kill"
SUCCESS = "success"
UNKNOWN = "unknown"

NO_REPORT = "there is no report in it"
TOO_DEEP = "it is nested too deeply"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run that has ended. Sizes are bytes; None is what is not known, and of a limit also that there was none.

    verdict: in the words of the report, None if that cannot be read.
    peak, swap_peak: the most memory and swap that it used.
    limit: its own limit on memory at the end. limit_of: at which limit it ran out of memory, None if it did not.
    oom_limit: that limit in bytes.
    was_told_to_end: it was signalled or killed because it passed a soft limit, on memory or on pressure.
    largest_anon: the largest sample of its anonymous memory, from a timeline.
    """

    verdict: str | None
    peak: int | None = None
    swap_peak: int | None = None
    limit: int | None = None
    limit_of: str | None = None
    oom_limit: int | None = None
    was_told_to_end: bool = False
    largest_anon: int | None = None

    @property
    def ran_out(self) -> bool:
        """Whether something in it was killed because memory ran out, so that it needed more than it got."""
        return self.verdict == OOM_KILL

    @property
    def ended_at_limit(self) -> bool:
        """Whether it ran out of memory at its own limit."""
        return self.ran_out and self.limit_of == "scope"

    @property
    def needed_more(self) -> bool:
        """Whether it was ended, or told to end, before it had the memory that it needed."""
        return self.ran_out or self.was_told_to_end

    @property
    def is_conclusive(self) -> bool:
        """Whether it tells what the job needs: not if it ended without success for another reason than memory."""
        return self.needed_more or self.verdict in {SUCCESS, None}

    @property
    def might_have_run_out(self) -> bool:
        """Whether its end is not known, so that it could be one that ran out of memory."""
        return self.verdict == UNKNOWN and not self.needed_more

    @property
    def known_need(self) -> int | None:
        """The bytes that it is known to have used or, if it ran out of memory, needed more than."""
        own = self.oom_limit or self.limit if self.ended_at_limit else None
        return max((size for size in (self.peak, own) if size is not None), default=None)


def past_run(report: Mapping[str, Any]) -> PastRun:
    """Return what a report says; raises ValueError if it is not one."""
    verdict = report.get("verdict")
    if not isinstance(verdict, str):
        raise ValueError("it has no verdict")
    memory, oom = _part(report, "memory"), _part(report, "oom")
    limit_of = oom.get("limit_of")
    return PastRun(
        verdict=verdict,
        peak=_size(memory.get("peak")),
        swap_peak=_size(memory.get("swap_peak")),
        limit=_size(_part(report, "limits").get("memory_max")),
        limit_of=limit_of if isinstance(limit_of, str) else None,
        oom_limit=_size(oom.get("limit")),
        was_told_to_end=any(_told_to_end(_part(report, soft)) for soft in ("soft_memory", "soft_pressure")),
        largest_anon=_size(_part(report, "timeline").get("largest_anon")),
    )


def reports_in(text: str) -> list[dict[str, Any]]:
    """Return the reports in the content of a file: of --report, or with lines of --report-fd.

    A last line without a newline, which is not JSON, is still being written, or was cut: it is ignored if there is a
    report before it. Raises ValueError if there is no report.
    """
    try:
        found = [_parsed(text)]
    except ValueError:
        *whole, last = text.split("\n")
        found = [_parsed(line) for line in whole if line.strip()]
        try:
            found += [_parsed(last)] if last.strip() else []
        except ValueError:
            if not found:
                raise
    reports = [each for each in found if isinstance(each, dict) and isinstance(each.get("verdict"), str)]
    if not reports:
        raise ValueError(NO_REPORT)
    return reports


def _parsed(text: str) -> Any:
    """Return what JSON says; raises ValueError also if it is nested deeper than Python reads."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def _told_to_end(soft: Mapping[str, Any]) -> bool:
    """Tell whether a signal was sent at this soft limit, or a kill followed."""
    passed = soft.get("passed")
    told = isinstance(passed, list) and any(isinstance(each, dict) and each.get("told") is True for each in passed)
    return told or soft.get("killed") is True


def _part(report: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = report.get(key)
    return part if isinstance(part, dict) else {}


def _size(value: object) -> int | None:
    """Return a number of bytes; "infinity", which is no limit, is None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST else None
