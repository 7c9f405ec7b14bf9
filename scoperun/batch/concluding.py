"""What is said at the end of a runner, and the exit status."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.batch.ending import FAILURES, exit_status
from scoperun.batch.need import need
from scoperun.batch.rows import RUNNING, WAITING
from scoperun.batch.summary import ROWS, summary
from scoperun.console.field_names import in_options
from scoperun.console.output import columns, print_error, print_json_line, say
from scoperun.console.shell_words import quoted
from scoperun.printable import one_line
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scoperun.batch.state import State
    from scoperun.errors import ScoperunError


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """How a runner has ended.

    path: the folder of the batch. elapsed: seconds since the batch began, None if this is not its first runner.
    failure: why the batch itself has failed. was_told_to_end: by a signal, or from another terminal.
    unprinted: why not all that jobs print was printed yet. unreadable: why it never can be, by the numbers of jobs.
    unwritten: why not all was written, by option.
    """

    path: str
    elapsed: float | None
    failure: ScoperunError | None
    was_told_to_end: bool
    unprinted: str | None
    unreadable: Mapping[int, str]
    unwritten: Mapping[str, str]


def concluded(state: State, close: Close, *, json: bool) -> int:
    """Say how the batch ended, and return the exit status."""
    counts = state.counts()
    is_left = bool(close.unprinted or counts.get(WAITING) or counts.get(RUNNING))
    status = exit_status(
        counts,
        is_interrupted=close.was_told_to_end and is_left,
        has_failed=bool(close.failure or close.unprinted or close.unreadable),
    )
    needed = need(state.kept_attempts(), state.interrupted_attempts())
    told = summary(counts, state.failures(FAILURES, most=ROWS), needed, elapsed=close.elapsed)
    if not json:
        print_error(told.text(width=columns() if os.isatty(2) else None))
    for complaint in _complaints(close):
        say(complaint)
    if is_left:
        say(f"scopectl: to go on: scopectl batch --resume --state {quoted(close.path)}")
    if json:  # last, because it can fail
        print_json_line(told.to_json() | {"exit_status": status})
    return status


def _complaints(close: Close) -> list[str]:
    found = []
    if close.failure is not None:
        found.append(f"scopectl: {in_options(close.failure.complaint)}")
    if close.unprinted is not None:
        found.append(f"scopectl: not all that jobs print was printed: {close.unprinted}")
    if close.unreadable:
        seq, why = next(iter(close.unreadable.items()))
        which = f"job {seq}" if len(close.unreadable) == 1 else f"{len(close.unreadable)} jobs, e.g. job {seq}"
        found.append(one_line(f"scopectl: not all that jobs print was printed: that of {which}: {why}"))
    found += [one_line(f"scopectl: {option}: not all was written: {why}") for option, why in close.unwritten.items()]
    return found
