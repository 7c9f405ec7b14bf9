"""What the state of a batch keeps, as values. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass

if TYPE_CHECKING:
    from scoperun.batch.attempt import Attempt


WAITING = "waiting"
"""The state of a job that waits for an attempt."""

RUNNING = "running"
"""The state of a job that has an attempt whose end is not known. The others are those of scoperun.batch.ending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What belongs to the batch as a whole.

    id: part of the names of its scopes. created: seconds since 1970. cwd: where its jobs start.
    words: its options, as on the command line. command: the first word of what is run, for rules in config files.
    total: bytes that all jobs together may have, as long as it was not resumed.
    """

    id: str
    created: float
    cwd: str
    words: tuple[str, ...] = ()
    command: str = ""
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What another terminal wants of the runner.

    slots: jobs at once, None for what the options say. is_paused: no more starts for now. stops: how often it was told
    to stop.
    """

    slots: int | None = None
    is_paused: bool = False
    stops: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A job that waits. place: in the order of starts. memory: bytes for its next attempt, alone: without another."""

    place: int
    seq: int
    memory: int
    alone: bool


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt whose end is not known. boot: the boot ID of the machine's run in which it began."""

    seq: int
    number: int
    unit: str
    boot: str
    started: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of an attempt, to be kept.

    attempt: how it ended. state: that of its job now: how it ended, or `waiting` for another attempt.
    memory, alone: of the next attempt. counts: the attempt tells something about the job.
    """

    attempt: Attempt
    state: str
    memory: int
    alone: bool = False
    counts: bool = True
