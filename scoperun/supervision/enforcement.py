"""Refuse limits that are not in force: systemd silently accepts limits that it cannot set."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.errors import LimitNotEnforced
from scoperun.spec.limits import READ_BACK, describe, not_in_force

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scoperun.kernel.scope_cgroup import ScopeCgroup
    from scoperun.spec.limits import LimitsInForce
    from scoperun.spec.properties import Property


_CONTROLLERS = {"TasksMax": "pids", "CPUQuotaPerSecUSec": "cpu"}

_NEEDED = {"MemoryAccounting", "TasksAccounting", "AddRef", "CollectMode", "Description", "Documentation", "Slice"}
"""Properties of nearly every run. They need no check, since they cannot be without effect."""


def check_limits(properties: Iterable[Property], scope: ScopeCgroup) -> LimitsInForce:
    """Return the limits that the kernel applies to `scope`.

    Raise LimitNotEnforced if the kernel visibly does not apply `properties`.
    """
    limits = scope.limits()
    asked = [each for each in properties if each.name not in _NEEDED]
    missing = not_in_force(asked, limits, page_size=os.sysconf("SC_PAGE_SIZE"))
    for limit in missing:
        controller = _CONTROLLERS.get(limit.name, "memory")
        raise _not_enforced(describe(limit), scope.cgroup.missing(controller) or "the kernel has not kept it")
    if rest := [each for each in asked if each.name not in READ_BACK]:
        from scoperun.kernel.readback import why_void  # noqa: PLC0415  the usual limits do not need it

        for each in rest:
            if (reason := why_void(each, scope.cgroup)) is not None:
                raise _not_enforced(f"{each.name}=", reason)
    return limits


def _not_enforced(limit: str, reason: str) -> LimitNotEnforced:
    return LimitNotEnforced(
        f"{limit} would not be enforced: {reason}",
        hint="scoperun(1), REQUIREMENTS, explains how to fix that; `require_limits=False` runs the command anyway",
    )
