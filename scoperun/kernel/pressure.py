"""How long a cgroup has waited for memory, processors and disks (memory.pressure, cpu.pressure, io.pressure).

The files are described in https://docs.kernel.org/accounting/psi.html. Reads only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.evidence.pressure import Pressure

if TYPE_CHECKING:
    from scoperun.kernel.cgroup import Cgroup

_NOT_READABLE: tuple[None, None] = (None, None)


def pressure(cgroup: Cgroup) -> Pressure | None:
    """Return how long a cgroup and those below have waited so far; None if nothing of that can be read."""
    memory_some, memory_full = _totals(cgroup.text("memory.pressure"))
    cpu_some, cpu_full = _totals(cgroup.text("cpu.pressure"))
    io_some, io_full = _totals(cgroup.text("io.pressure"))
    found = Pressure(
        memory_some=memory_some,
        memory_full=memory_full,
        cpu_some=cpu_some,
        cpu_full=cpu_full,
        io_some=io_some,
        io_full=io_full,
    )
    return None if found == Pressure() else found


def _totals(text: str | None) -> tuple[float | None, float | None]:
    """Return the seconds of `some` and of `full` in lines such as `some avg10=0.00 avg60=0.00 avg300=0.00 total=5`."""
    if text is None:
        return _NOT_READABLE
    totals = {}
    for line in text.splitlines():
        kind, *values = line.split()
        for value in values:
            if value.startswith("total="):
                totals[kind] = int(value.removeprefix("total=")) / 1e6
    return totals.get("some"), totals.get("full")
