"""What `scopectl set` and `scopectl cap` warn of: limits that do not do what they seem to. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.console.field_names import in_options
from scoperun.kernel.swap import has_swap, has_zswap
from scoperun.spec.limits import READ_BACK
from scoperun.spec.properties import Property
from scoperun.spec.sizes import INFINITY
from scoperun.spec.traps import low_ceiling, traps

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from scoperun.kernel.cgroup import Cgroup


def of_limits(limits: Sequence[Property], about: Collection[str]) -> list[str]:
    """Return the warnings about limits together; about: only those that one of these properties has a part in."""
    found = traps(limits, has_swap=has_swap(), has_zswap=has_zswap(), about=about, what="it")
    return [in_options(each) for each in found]


def of_unit(wanted: Sequence[Property], cgroup: Cgroup) -> list[str]:
    """Return the warnings about limits that a unit was given, together with those that it has besides."""
    own = {each.name: each for each in in_force(cgroup)} | {each.name: each for each in wanted}
    return [*of_limits([*own.values()], {each.name for each in wanted}), *of_place(wanted, cgroup, "the unit is")]


def of_place(wanted: Sequence[Property], cgroup: Cgroup, what: str) -> list[str]:
    """Return a warning if something above a cgroup allows less memory; what: what is limited, with its verb."""
    return below(wanted, cgroup.levels()[1:], what)


def below(wanted: Sequence[Property], levels: Sequence[Cgroup], what: str) -> list[str]:
    """Return a warning if one of these cgroups allows less memory than the limit, the innermost of them first."""
    limit = next((each.value for each in wanted if each.name == "MemoryMax" and isinstance(each.value, int)), None)
    ceiling = next((found for each in levels if (found := each.memory_ceiling()) is not None), None)
    text = low_ceiling(limit, ceiling, what=what)
    return [] if text is None else [in_options(text)]


def in_force(cgroup: Cgroup) -> list[Property]:
    """Return the limits on memory that the kernel holds a cgroup to."""
    limits = cgroup.limits()
    names = ("MemoryMax", "MemoryHigh", "MemorySwapMax")
    values = {name: getattr(limits, READ_BACK[name]) for name in names}
    return [
        Property(name=name, signature="t", value=value)
        for name, value in values.items()
        if value is not None and value != INFINITY
    ]
