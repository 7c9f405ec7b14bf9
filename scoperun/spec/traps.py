"""Warnings about limits that do not do what they seem to. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.spec.scope import units_of
from scoperun.spec.sizes import INFINITY, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scoperun.spec.limits import Ceiling
    from scoperun.spec.properties import Property


def traps(properties: Iterable[Property], *, has_swap: bool) -> list[str]:
    """Return one warning line for each combination of properties that was hardly intended.

    has_swap: whether the machine has any swap.
    """
    values = {each.name: each.value for each in properties}
    most, high, swap = (_limit(values.get(name)) for name in ("MemoryMax", "MemoryHigh", "MemorySwapMax"))
    found = []
    if high is not None and most is not None and high >= most:
        found.append(
            f"MemoryHigh={format_size(high)} does nothing: MemoryMax={format_size(most)} is reached first and kills"
        )
    elif high is not None and (swap == 0 or not has_swap) and values.get("ManagedOOMMemoryPressure") != "kill":
        way_out = "allow it `memory_swap_max`" if has_swap else "this machine has none; add some"
        found.append(
            f"MemoryHigh={format_size(high)} without swap slows the command to a crawl instead of having it "
            f"killed: {way_out}, or leave out MemoryHigh="
        )
    if most is not None and has_swap and values.get("MemorySwapMax", INFINITY) == INFINITY:
        found.append(
            f"MemoryMax={format_size(most)} with unlimited swap pushes the command into swap and kills it only when "
            "that is full"
        )
    return found


def low_ceiling(limit: int | None, ceiling: Ceiling | None) -> str | None:
    """Return a warning if a scope can have less memory than its own limit says, None if not.

    limit: the scope's own limit in bytes. ceiling: the least limit of the scope and those above it.
    """
    if limit in {None, INFINITY} or ceiling is None or ceiling.limit >= limit:
        return None
    above = units_of(ceiling.cgroup)[-1] if units_of(ceiling.cgroup) else ceiling.cgroup
    return (
        f"`memory_max={format_size(limit)}` cannot be reached: {above}, which the scope is in, allows "
        f"{format_size(ceiling.limit)} for everything in it together"
    )


def _limit(value: object) -> int | None:
    """Return a limit in bytes, None if there is none."""
    return value if isinstance(value, int) and value != INFINITY else None
