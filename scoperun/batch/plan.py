"""How the jobs of a batch are run, and how far a batch is told to end. No I/O."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from scoperun.record import dataclass
from scoperun.supervision.running import begun

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from scoperun.batch.events import Event
    from scoperun.batch.halt import Halt
    from scoperun.batch.job import Job
    from scoperun.batch.retry import Policy
    from scoperun.batch.running_job import Begin
    from scoperun.batch.streams import Streams
    from scoperun.spec.request import RunRequest
    from scoperun.supervision.supervision import Supervision


class Stage(enum.IntEnum):
    """How far a batch is told to end."""

    RUNNING = 0
    DRAINING = 1
    """No job starts any more."""
    STOPPING = 2
    """Jobs that run are stopped, too."""
    KILLING = 3


def _begun(
    request: RunRequest, streams: Streams, check: Callable[[], None]
) -> AbstractAsyncContextManager[Supervision]:
    return begun(request, before_exec=streams.take, check=check)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the jobs of a batch are run.

    batch: its ID. total: bytes that they may have together. system: they run in the system's manager.
    delay: seconds between two starts at least.
    request: makes the request for an attempt from the job, its memory, the names of its scope and of the slice; raises
    ScoperunError for one that cannot be run.
    streams: opens the output of an attempt, by its number.
    take: called with what happens; it must not raise. begin: begins an attempt.
    """

    batch: str
    total: int
    policy: Policy
    request: Callable[[Job, int, str, str], RunRequest]
    streams: Callable[[Job, int], Streams]
    take: Callable[[Event], None]
    halt: Halt | None = None
    delay: float = 0.0
    system: bool = False
    begin: Begin = _begun
