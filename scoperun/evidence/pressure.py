"""How long a scope has waited for memory, processors and disks, as the kernel counts it (PSI). No I/O."""

from __future__ import annotations

from scoperun.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """Seconds that a scope has waited since it began; None for what could not be read.

    memory_some, cpu_some, io_some: at least one process waited, for memory, for a processor, for a disk.
    memory_full, cpu_full, io_full: all processes that had something to do waited at the same time.
    """

    memory_some: float | None = None
    memory_full: float | None = None
    cpu_some: float | None = None
    cpu_full: float | None = None
    io_some: float | None = None
    io_full: float | None = None
