"""What the command line asks of a batch, as one value. No I/O."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue
from scoperun.record import dataclass

if TYPE_CHECKING:
    from scoperun.batch.halt import Halt
    from scoperun.batch.job_files import Asked
    from scoperun.batch.limits import Common
    from scoperun.batch.retry import Policy


class Progress(enum.StrEnum):
    """How the progress is shown: auto is a bar on a terminal and lines elsewhere."""

    AUTO = "auto"
    BAR = "bar"
    LINES = "lines"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a batch.

    source: where its jobs come from. shared: what they have in common. slots: how many run at once at most.
    total: bytes that they may have together, None for the usual. delay: seconds between two starts at least.
    path: the folder for its state, None for the usual. is_resumed: go on with a batch. is_retry: and try failed jobs
    again. gives_memory: jobs that are left get the memory of `shared`. words: the options as typed, for a later runner;
    command: the first word of what is run, "" if it is not known.
    joblog, results: a file and a folder to write, None for none. record: the name in the history, None for none.
    """

    source: Asked
    shared: Common
    slots: int
    total: int | None
    policy: Policy
    halt: Halt | None
    delay: float
    path: str | None
    is_resumed: bool
    is_retry: bool
    gives_memory: bool
    is_shuffled: bool
    words: tuple[str, ...]
    command: str
    joblog: str | None
    results: str | None
    record: str | None
    keeps_order: bool
    is_tagged: bool
    progress: Progress
    json: bool
    dry_run: bool
    system: bool


def slots(text: str) -> int:
    """Return a number of jobs at once. Raises InvalidValue."""
    if not text.isascii() or not text.isdecimal() or len(text) > 6 or int(text) == 0:
        raise InvalidValue(f"{text!r} is not a number of jobs at once", hint="from 1 to 999999")
    return int(text)


def retries(text: str) -> int:
    """Return a number of further attempts. Raises InvalidValue."""
    if not text.isascii() or not text.isdecimal() or len(text) > 4:
        raise InvalidValue(f"{text!r} is not a number of further attempts", hint="e.g. 3")
    return int(text)
