"""When a batch stops early because jobs failed: --halt. No I/O.

As in GNU parallel: `now` stops the jobs that run, `soon` lets them end, and no other job starts. A percentage is one of
all jobs, not of those that have ended, so 10 % of 20 jobs are reached by the second that fails. A job fails once: an
attempt that is followed by another is not a failure. What failed under an earlier runner does not count.
"""

from __future__ import annotations

import re

from scoperun.errors import InvalidValue
from scoperun.record import dataclass

_GRAMMAR = re.compile(r"(now|soon),fail=(?:(100|[1-9][0-9]?)%|([1-9][0-9]{0,17}))", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """When to stop. is_now: jobs that run are stopped too. failures: how many jobs fail; is_percent: of a hundred."""

    is_now: bool
    failures: int
    is_percent: bool = False

    def should_halt(self, *, failed: int, total: int) -> bool:
        """Tell whether so many jobs have failed, of so many that the batch has."""
        return failed > 0 and (failed * 100 >= self.failures * total if self.is_percent else failed >= self.failures)


def halt(text: str) -> Halt:
    """Return what --halt says, e.g. `now,fail=1` or `soon,fail=10%`. Raises InvalidValue."""
    said = _GRAMMAR.fullmatch(text)
    if said is None:
        hint = "now or soon, and how many fail, e.g. now,fail=1 or soon,fail=10%"
        raise InvalidValue(f"{text!r} does not say when to halt", hint=hint)
    when, percent, count = said.groups()
    return Halt(is_now=when == "now", failures=int(percent or count), is_percent=percent is not None)
