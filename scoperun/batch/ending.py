"""How a job ended for good, and a batch of them. No I/O.

The law of this file:

1. The last attempt decides, by its verdict: what an earlier one ran out of does not matter if the last one succeeded.
2. A verdict of `unknown` or `resources` is a failure, also if the command exited with 0: it might not have done its
   work.
3. A batch exits with the first status that applies: 130 if it was interrupted and jobs are left, 125 if it failed
   itself, 3 if a job ran out of memory for good, 1 if a job failed or could not be executed, 124 if all that failed
   took too long, else 0.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from scoperun.evidence.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scoperun.batch.attempt import Attempt


class Ending(enum.StrEnum):
    """How a job ended."""

    DONE = "done"
    FAILED = "failed"
    OUT_OF_MEMORY = "out-of-memory"
    TIMEOUT = "timeout"
    NOT_EXECUTED = "not-executed"


FAILURES = (Ending.FAILED, Ending.OUT_OF_MEMORY, Ending.TIMEOUT, Ending.NOT_EXECUTED)
"""The ends of jobs that did not do what they were asked for."""

INTERRUPTED_STATUS = 130
FAILED_ITSELF_STATUS = 125
OUT_OF_MEMORY_STATUS = 3
FAILED_STATUS = 1
TIMEOUT_STATUS = 124

_BY_VERDICT = {
    Verdict.SUCCESS: Ending.DONE,
    Verdict.OOM_KILL: Ending.OUT_OF_MEMORY,
    Verdict.TIMEOUT: Ending.TIMEOUT,
}


def ending(attempts: Sequence[Attempt]) -> Ending:
    """Return how a job ended after these attempts, the last one last; without any it has not ended."""
    last = attempts[-1]
    if last.verdict is None:
        return Ending.NOT_EXECUTED
    return _BY_VERDICT.get(last.verdict, Ending.FAILED)


def exit_status(counts: Mapping[str, int], *, is_interrupted: bool = False, has_failed: bool = False) -> int:
    """Return what a batch exits with.

    counts: how many jobs are in each state, by its word. is_interrupted: it was told to end while jobs were left.
    has_failed: the batch itself has.
    """
    if is_interrupted:
        return INTERRUPTED_STATUS
    if has_failed:
        return FAILED_ITSELF_STATUS
    if counts.get(Ending.OUT_OF_MEMORY):
        return OUT_OF_MEMORY_STATUS
    if counts.get(Ending.FAILED) or counts.get(Ending.NOT_EXECUTED):
        return FAILED_STATUS
    return TIMEOUT_STATUS if counts.get(Ending.TIMEOUT) else 0
