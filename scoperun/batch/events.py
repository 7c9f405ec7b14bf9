"""What happens in a batch, as values: for what prints, counts or logs it. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.batch.rows import WAITING
from scoperun.record import dataclass

if TYPE_CHECKING:
    from scoperun.batch.attempt import Attempt
    from scoperun.batch.job import Job
    from scoperun.report.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """An attempt of a job begins. memory: its limit, in bytes."""

    job: Job
    number: int
    unit: str
    memory: int
    alone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """An attempt has ended, and that is kept.

    report: None if the command did not run. state: that of the job now: how it ended, or `waiting`.
    memory: the limit of its next attempt. is_interrupted: we ended it, and it tells nothing about the job.
    """

    job: Job
    attempt: Attempt
    report: Report | None
    state: str
    memory: int
    is_interrupted: bool = False

    @property
    def is_final(self) -> bool:
        """Whether the job has ended for good."""
        return self.state != WAITING


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that people should know, in one line."""

    text: str


Event = Started | Finished | Noted
