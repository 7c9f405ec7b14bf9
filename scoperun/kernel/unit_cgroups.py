"""The cgroups of a manager's units, found by walking its slices. Reads only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.kernel.cgroup import Cgroup, hierarchy_of_this_machine
from scoperun.spec.scope import unit_in

if TYPE_CHECKING:
    from collections.abc import Iterator


def unit_cgroups(manager: Cgroup) -> dict[str, list[Cgroup]]:
    """Return the cgroups that have the name of a unit of a manager's, by the unit; slices come before what is in them.

    A unit has one cgroup. There are more if another process has made some: only systemd knows which is the unit's.

    manager: the manager's own cgroup. Only slices are looked into: cgroups in other units are their own affair.
    """
    found: dict[str, list[Cgroup]] = {}
    for unit, cgroup in _below(manager):
        found.setdefault(unit, []).append(cgroup)
    return found


def manager_cgroup(name: str) -> Cgroup:
    """Return a manager's own cgroup by its name, empty for the root. Raises ScoperunError without cgroup v2."""
    path, counts_alone = hierarchy_of_this_machine()
    return Cgroup(name or "/", f"{path}{name}", counts_alone)


def _below(parent: Cgroup, above: str = "") -> Iterator[tuple[str, Cgroup]]:
    """Yield the units in the manager's cgroup or in a slice; above: the slice's name without its ending.

    Anyone who may make cgroups there can give them any name. A slice's name says which slice it is in, and so how deep.
    """
    for entry in _folders(parent.path):
        unit = unit_in(entry)
        stem, dot, kind = unit.rpartition(".")
        if not dot or not unit.isascii() or (kind == "slice" and stem.rpartition("-")[0] != above):
            continue
        cgroup = Cgroup(f"{parent.name.rstrip('/')}/{entry}", f"{parent.path}/{entry}", parent.counts_alone)
        yield unit, cgroup
        if kind == "slice":
            yield from _below(cgroup, stem)


def _folders(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:  # the cgroup was removed meanwhile
        return []
