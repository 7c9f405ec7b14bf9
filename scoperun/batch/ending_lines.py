"""What is said of a job that has not succeeded, when that happens. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.batch.unit_names import is_slice
from scoperun.console.field_names import in_options
from scoperun.evidence.oom_limit import LimitOf
from scoperun.evidence.verdict import Verdict
from scoperun.printable import one_line, utf8
from scoperun.spec.sizes import format_size
from scoperun.spec.values import signal_name

if TYPE_CHECKING:
    from scoperun.batch.attempt import Attempt
    from scoperun.batch.events import Finished


def ending_line(event: Finished) -> str | None:
    """Return the line about the end of an attempt, None if there is nothing to say."""
    attempt = event.attempt
    if attempt.is_success or event.is_interrupted:
        return None
    return one_line(f"scopectl: job {event.job.seq} {how(attempt)}{_what_next(event)}: {event.job.text}")


def complaint(attempt: Attempt) -> str | None:
    """Return why the command could not be executed, with options in place of fields; None if it could be."""
    return None if attempt.error is None else in_options(utf8(attempt.error))


def how(attempt: Attempt) -> str:
    """Return how an attempt ended, after the name of its job."""
    match attempt.verdict:
        case None:
            return f"could not be started: {complaint(attempt)}"
        case Verdict.OOM_KILL:
            killed = f" ({attempt.victim} was killed)" if attempt.victim else ""
            return f"ran out of {_whose(attempt)}{killed}"
        case Verdict.TIMEOUT:
            return "took too long"
        case Verdict.EXIT_CODE:
            return f"exited with {attempt.exit_status}"
        case Verdict.SIGNAL if attempt.signal is not None:
            return f"was ended by {signal_name(attempt.signal)}"
    return f"ended with verdict {attempt.verdict}"


def _whose(attempt: Attempt) -> str:
    match attempt.limit_of:
        case LimitOf.SCOPE if attempt.limit_unit == attempt.unit:
            return "its memory" if attempt.limit is None else f"its {format_size(attempt.limit)} of memory"
        case LimitOf.SCOPE:
            return "memory at a limit inside its scope"
        case LimitOf.SLICE if is_slice(attempt.limit_unit or ""):
            return "the memory of all jobs together"
        case LimitOf.SLICE:
            return f"the memory of {attempt.limit_unit or 'a slice'}"
        case LimitOf.HOST:
            return "the machine's memory"
        case LimitOf.SYSTEMD_OOMD:
            return "memory, as systemd-oomd sees it"
    return "memory"


def _what_next(event: Finished) -> str:
    if event.is_final:
        return ""
    if event.memory != event.attempt.memory:
        return f"; it is tried again with {format_size(event.memory)}"
    return "; it is tried again"
