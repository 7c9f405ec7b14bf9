"""A line of JSON for each job that has ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from scoperun.batch.ending_lines import complaint
from scoperun.batch.events import Finished
from scoperun.printable import utf8

if TYPE_CHECKING:
    from typing import Any

    from scoperun.batch.events import Event


def end_line(event: Event) -> str | None:
    """Return the line for a job that has ended for good, None for another event."""
    return json.dumps(as_json(event)) if isinstance(event, Finished) and event.is_final else None


def as_json(event: Finished) -> dict[str, Any]:
    """Return the end of a job, with the keys that the manual page lists."""
    attempt = event.attempt
    return {
        "seq": event.job.seq,
        "id": event.job.name,
        "command": utf8(event.job.text),
        "state": event.state,
        "attempt": attempt.number,
        "unit": attempt.unit,
        "verdict": attempt.verdict,
        "exit_status": attempt.exit_status,
        "signal": attempt.signal,
        "memory_max": attempt.memory,
        "memory_peak": attempt.peak,
        "needed": attempt.needed,
        "limit_of": attempt.limit_of,
        "limit_unit": attempt.limit_unit,
        "victim": attempt.victim,
        "started": attempt.started,
        "ended": attempt.ended,
        "runtime": attempt.runtime,
        "error": complaint(attempt),
    }
