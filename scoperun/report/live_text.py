"""What a scope uses, as one line for a terminal. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.printable import one_line
from scoperun.spec.sizes import INFINITY, format_size, format_time

if TYPE_CHECKING:
    from scoperun.evidence.events import Sampled
    from scoperun.evidence.start import Start


class LiveText:
    """The lines of one run."""

    def __init__(self, start: Start) -> None:
        """Take how the run began."""
        self._start = start
        self._before: Sampled | None = None

    def of(self, sample: Sampled) -> str:
        """Return the line for a sample; a dash is what could not be read. All its characters are one cell wide."""
        memory = _size(sample.memory)
        if sample.memory_max not in {None, INFINITY}:
            memory += f" of {_size(sample.memory_max)}"
        parts = [
            f"memory {memory}",
            f"swap {_size(sample.swap)}",
            f"cpus {_cpus(sample, self._before)}",
            f"tasks {'-' if sample.tasks is None else sample.tasks}",
            format_time(int(max(sample.at - self._start.monotonic, 0.0))),
            one_line(self._start.unit),
        ]
        if sample.events is not None and sample.events.get("oom_kill"):
            parts.insert(0, "OUT OF MEMORY")
        self._before = sample
        return ascii("  ".join(parts))[1:-1]


def _size(size: int | None) -> str:
    return "-" if size is None else format_size(size)


def _cpus(sample: Sampled, before: Sampled | None) -> str:
    """Return the processors in use since the sample before."""
    if before is None or before.cpu is None or sample.cpu is None or sample.at <= before.at:
        return "-"
    return f"{max(sample.cpu - before.cpu, 0.0) / (sample.at - before.at):.2f}"
