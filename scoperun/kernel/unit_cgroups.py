"""The cgroups of a manager's units, found by walking its slices. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.kernel.cgroup import Cgroup, hierarchy_of_this_machine

if TYPE_CHECKING:
    from collections.abc import Iterator


def unit_cgroups(manager: Cgroup) -> dict[str, Cgroup]:
    """Return the cgroup of each unit of a manager by the unit's name; slices come before what is in them.

    manager: the manager's own cgroup. Only slices are looked into: cgroups in other units are their own affair.
    """
    return dict(_below(manager))


def manager_cgroup(name: str) -> Cgroup:
    """Return a manager's own cgroup by its name, empty for the root. Raises ScoperunError without cgroup v2."""
    path, counts_alone = hierarchy_of_this_machine()
    return Cgroup(name or "/", f"{path}{name}", counts_alone)


def _below(parent: Cgroup) -> Iterator[tuple[str, Cgroup]]:
    for cgroup in parent.directly_below():
        unit = cgroup.name.rpartition("/")[2].removeprefix("_")  # see units_of()
        if "." not in unit:
            continue
        yield unit, cgroup
        if unit.endswith(".slice"):
            yield from _below(cgroup)
