"""Whether a cgroup uses more memory than a cap allows: what the cap allows no swap for has to fit into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass
from scoperun.spec.sizes import INFINITY, format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.kernel.cgroup import Cgroup
    from scoperun.spec.properties import Property


@dataclass(frozen=True, slots=True)
class Over:
    """More than a cap allows, in bytes. swapped: those in swap that are above the cap's MemorySwapMax=."""

    memory: int
    swapped: int
    limit: int

    def __str__(self) -> str:
        """Return it in words, as what follows `uses`."""
        if not self.swapped:
            return format_size(self.memory)
        return f"{format_size(self.memory)} and {format_size(self.swapped)} of swap that the cap does not allow"


def over(cgroup: Cgroup, cap: Sequence[Property]) -> Over | None:
    """Return what a cgroup uses if it is more than the cap's MemoryMax=, else None.

    What is swapped stays there when the swap is limited, but has to fit into memory as soon as it is needed. Without
    MemorySwapMax= in the cap the limit on swap stays as it is, and what is swapped is within it.
    """
    limit, used = _limit("MemoryMax", cap), cgroup.number("memory.current")
    if limit is None or used is None:
        return None
    swap = _limit("MemorySwapMax", cap)
    swapped = 0 if swap is None else max((cgroup.number("memory.swap.current") or 0) - swap, 0)
    return Over(used, swapped, limit) if used + swapped > limit else None


def _limit(name: str, cap: Sequence[Property]) -> int | None:
    """Return a limit of a cap in bytes, None if it has none."""
    value = next((each.value for each in cap if each.name == name), None)
    return value if isinstance(value, int) and value != INFINITY else None
