"""An attempt as a line of a log that GNU parallel reads. No I/O.

What is kept to here:

1. A line has the nine columns of `parallel --joblog`, whatever is in the command: tabs and newlines are escapes.
2. `parallel --resume-failed` takes a job as done whose Exitval and Signal are 0. So both are 0 only for a success:
   Exitval is 137 for an OOM kill, also if the command exited with 0, and 125 if it is not known that it succeeded.
3. `parallel --retry-failed` executes what is in Command. So that is what a shell executes: the text that the user
   wrote, or the words, quoted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.batch.attempt import OOM_STATUS
from scoperun.console.joblog import COLUMNS, host_name
from scoperun.console.shell_words import quoted

if TYPE_CHECKING:
    from scoperun.batch.attempt import Attempt
    from scoperun.batch.job import Job

HEADER = "\t".join(COLUMNS[:9]) + "\n"

_NOT_KNOWN = 125


def line(job: Job, attempt: Attempt, host: str) -> str:
    """Return the line of an attempt, with its newline."""
    status, signal = _ended(attempt)
    values = (
        f"{job.seq}",
        host_name(host),
        f"{attempt.started:.3f}",
        "-" if attempt.runtime is None else f"{attempt.runtime:.3f}",
        "0",
        "0",
        f"{status}",
        f"{signal}",
        job.text if job.text.isprintable() else " ".join(map(quoted, job.command)),
    )
    return "\t".join(values) + "\n"


def _ended(attempt: Attempt) -> tuple[int, int]:
    """Return the columns Exitval and Signal."""
    signal = attempt.signal or 0
    if attempt.ran_out:
        return OOM_STATUS, signal
    if attempt.is_success:
        return 0, 0
    status = attempt.exit_status or 0
    return (status, signal) if status or signal else (_NOT_KNOWN, 0)
