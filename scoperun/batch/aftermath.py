"""What follows from the end of an attempt: whether its job waits again, and whether the batch itself has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.batch.ending import ending
from scoperun.batch.retry import next_attempt
from scoperun.batch.rows import WAITING, Ended

if TYPE_CHECKING:
    from scoperun.batch.ground import Ground
    from scoperun.batch.retry import Policy
    from scoperun.batch.running_job import Outcome, RunningJob
    from scoperun.batch.state import State
    from scoperun.errors import ScoperunError

_MOST_REFUSALS = 3
"""Commands in a row that cannot be started before the batch gives up."""


class Aftermath:
    """Judges the ends of attempts, one after the other. failure: why the batch has failed, None as long as not."""

    def __init__(self, state: State, policy: Policy, *, total: int) -> None:
        """Take what is known about earlier attempts, and the rules. total: bytes that all jobs may have together."""
        self.failure: ScoperunError | None = None
        self._state = state
        self._policy = policy
        self._total = total
        self._refusals = 0

    def of(self, running: RunningJob, outcome: Outcome, ground: Ground) -> Ended:
        """Return what is to be kept of an attempt that has ended."""
        attempt, place = outcome.attempt, running.place
        self._count_refusals(outcome, ground)
        was_ended_by_us = (outcome.was_stopped or ground.has_lost_guard) and not attempt.is_success
        if outcome.refusal is not None or was_ended_by_us:
            return Ended(attempt, WAITING, place.memory, place.alone, counts=False)
        attempts = [*self._state.attempts(running.job.seq), attempt]
        again = None if attempt.is_success else next_attempt(self._policy, attempts, self._total)
        if again is None:
            return Ended(attempt, ending(attempts), place.memory)
        return Ended(attempt, WAITING, again.memory, again.alone)

    def _count_refusals(self, outcome: Outcome, ground: Ground) -> None:
        """Count commands in a row that cannot be started. While systemd or the guard is gone, they say nothing."""
        if outcome.was_stopped:
            return
        if outcome.refusal is None:
            self._refusals = 0
        elif not outcome.is_of_bus and ground.is_sound:
            self._refusals += 1
            if self._refusals >= _MOST_REFUSALS and self.failure is None:
                self.failure = outcome.refusal
