"""Warnings about limits that do not do what they seem to. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.spec.scope import units_of
from scoperun.spec.sizes import INFINITY, format_size

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from scoperun.spec.limits import Ceiling
    from scoperun.spec.properties import Property


def traps(
    properties: Iterable[Property],
    *,
    has_swap: bool,
    has_zswap: bool | None,
    about: Collection[str] | None = None,
    what: str = "the command",
) -> list[str]:
    """Return one warning line for each combination of properties that was hardly intended.

    has_swap: whether the machine has any swap. has_zswap: whether zswap is switched on; None if the kernel does
    not have it, and refuses limits on it.
    about: only those that one of these properties has a part in. what: what is limited.
    """
    values = {each.name: each.value for each in properties}
    found = [*_traps(values, what, has_swap=has_swap), *_zswap_traps(values, has_swap=has_swap, has_zswap=has_zswap)]
    return [text for names, text in found if about is None or not names.isdisjoint(about)]


def _traps(values: Mapping[str, object], what: str, *, has_swap: bool) -> Iterator[tuple[set[str], str]]:
    """Yield the names of properties that do not go together, and why."""
    most, high, swap = (_limit(values.get(name)) for name in ("MemoryMax", "MemoryHigh", "MemorySwapMax"))
    if high is not None and most is not None and high >= most:
        yield (
            {"MemoryHigh", "MemoryMax"},
            f"MemoryHigh={format_size(high)} does nothing: MemoryMax={format_size(most)} is reached first and kills",
        )
    elif high is not None and (swap == 0 or not has_swap) and values.get("ManagedOOMMemoryPressure") != "kill":
        way_out = "allow it `memory_swap_max`" if has_swap else "this machine has none; add some"
        text = (
            f"MemoryHigh={format_size(high)} without swap slows {what} to a crawl instead of having it "
            f"killed: {way_out}, or leave out MemoryHigh="
        )
        yield {"MemoryHigh", "MemorySwapMax", "ManagedOOMMemoryPressure"}, text
    if most is not None and has_swap and values.get("MemorySwapMax", INFINITY) == INFINITY:
        text = (
            f"MemoryMax={format_size(most)} with unlimited swap pushes {what} into swap and kills it only when "
            "that is full"
        )
        yield {"MemoryMax", "MemorySwapMax"}, text


def _zswap_traps(
    values: Mapping[str, object], *, has_swap: bool, has_zswap: bool | None
) -> Iterator[tuple[set[str], str]]:
    """Yield the same for a limit on zswap, but for 0, which holds wherever there is no zswap."""
    limit = _limit(values.get("MemoryZSwapMax"))
    if not limit or has_zswap is None:
        return
    does_nothing = f"MemoryZSwapMax={format_size(limit)} does nothing"
    if not has_zswap:
        yield {"MemoryZSwapMax"}, f"{does_nothing}: zswap is not switched on"
    elif not has_swap or values.get("MemorySwapMax") == 0:
        way_out = "allow it `memory_swap_max`" if has_swap else "this machine has none; add some"
        yield (
            {"MemoryZSwapMax", "MemorySwapMax"},
            f"{does_nothing} without swap, because zswap has what would go there: {way_out}",
        )


def low_ceiling(
    limit: int | None, ceiling: Ceiling | None, *, what: str = "the scope is", field: str = "memory_max"
) -> str | None:
    """Return a warning if a unit can have less memory than its own limit says, None if not.

    limit: the unit's own limit in bytes. ceiling: the least limit of the unit and those above it, or of these alone.
    what: what is limited, with its verb. field: what gives it the limit.
    """
    if limit in {None, INFINITY} or ceiling is None or ceiling.limit >= limit:
        return None
    above = units_of(ceiling.cgroup)[-1] if units_of(ceiling.cgroup) else ceiling.cgroup
    return (
        f"`{field}={format_size(limit)}` cannot be reached: {above}, which {what} in, allows "
        f"{format_size(ceiling.limit)} for everything in it together"
    )


def _limit(value: object) -> int | None:
    """Return a limit in bytes, None if there is none."""
    return value if isinstance(value, int) and value != INFINITY else None
