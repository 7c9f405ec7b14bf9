"""Limits that hold nothing are refused: systemd accepts one that it cannot set, and says nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.errors import LimitNotEnforced
from scoperun.limits import describe, not_in_force

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scoperun.io.scope_cgroup import ScopeCgroup
    from scoperun.properties import Property


_CONTROLLERS = {"TasksMax": "pids", "CPUQuotaPerSecUSec": "cpu"}


def check_limits(properties: Iterable[Property], scope: ScopeCgroup) -> None:
    """Raise LimitNotEnforced if the kernel does not hold `scope` to a limit that `properties` ask for."""
    missing = not_in_force(properties, scope.limits(), page_size=os.sysconf("SC_PAGE_SIZE"))
    if not missing:
        return
    limit = missing[0]
    controller = _CONTROLLERS.get(limit.name, "memory")
    reason = scope.cgroup.missing(controller) or "the kernel does not keep it so"
    raise LimitNotEnforced(
        f"{describe(limit)} would not be enforced: {reason}",
        hint="scoperun(1), REQUIREMENTS, says how to mend that; --no-require-limits runs the command all the same",
    )
