"""Refuse limits that are not in force: systemd silently accepts limits that it cannot set."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.errors import LimitNotEnforced
from scoperun.kernel.cgroup import NOT_DELEGATED
from scoperun.spec.limits import READ_BACK, describe, not_in_force
from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scoperun.kernel.scope_cgroup import ScopeCgroup
    from scoperun.spec.limits import LimitsInForce
    from scoperun.spec.properties import Property


_CONTROLLERS = {"TasksMax": "pids", "CPUQuotaPerSecUSec": "cpu"}

_LACKED = {
    "MemoryZSwapMax": "memory.zswap.max: that needs Linux 5.19 or later, built with CONFIG_ZSWAP",
    "MemorySwapMax": "memory.swap.max: that needs swap accounting (CONFIG_SWAP, and no swapaccount=0)",
}
"""Files that a kernel can lack although it has the controller, and what it needs to have them."""

_DELEGATE = (
    "as root: systemctl edit user@.service, add [Service] and Delegate=cpu cpuset io memory pids, and log in again"
)

_NEEDED = {"MemoryAccounting", "TasksAccounting", "AddRef", "CollectMode", "Description", "Documentation", "Slice"}
"""Properties of nearly every run. They need no check, since they cannot be without effect."""


def check_limits(properties: Iterable[Property], scope: ScopeCgroup) -> LimitsInForce:
    """Return the limits that the kernel applies to `scope`.

    Raise LimitNotEnforced if the kernel visibly does not apply `properties`.
    """
    limits = scope.limits()
    for limit, reason in unenforced(properties, scope, limits):
        raise _not_enforced(limit, reason)
    return limits


def unenforced(properties: Iterable[Property], scope: ScopeCgroup, limits: LimitsInForce) -> Iterator[tuple[str, str]]:
    """Yield each of `properties` that the kernel visibly does not apply, and why. limits: those of `scope`."""
    asked = [each for each in properties if each.name not in _NEEDED]
    for limit in not_in_force(asked, limits, page_size=os.sysconf("SC_PAGE_SIZE")):
        yield describe(limit), scope.cgroup.missing(_CONTROLLERS.get(limit.name, "memory")) or _why(limit, limits)
    if rest := [each for each in asked if each.name not in READ_BACK]:
        from scoperun.kernel.readback import why_void  # noqa: PLC0415  the usual limits do not need it

        for each in rest:
            if (reason := why_void(each, scope.cgroup)) is not None:
                yield f"{_written(each.name)}=", reason


def unavailable(properties: Iterable[Property], manager: str) -> Iterator[LimitNotEnforced]:
    """Yield an error for each of `properties` of what is to be attached, if a manager's units lack its controller.

    manager: the name of its cgroup, empty for the root.
    """
    from scoperun.kernel.facilities import Facilities  # noqa: PLC0415  a run reads back what is in force instead

    kernel = Facilities()
    of_kernel, of_manager = kernel.controllers("") or (), kernel.controllers(manager) or ()
    for each in properties:
        controller = _controller_of(each)
        if controller is None or controller in of_manager or each.value in (INFINITY, None):
            continue
        reason = f"{NOT_DELEGATED} the {controller} controller to your manager"
        if controller not in of_kernel:
            reason = f"the kernel has no {controller} controller on the unified cgroup hierarchy"
        yield _not_enforced(describe(each), reason, otherwise="attaches them anyway")


def _controller_of(wanted: Property) -> str | None:
    if wanted.name in READ_BACK:
        return _CONTROLLERS.get(wanted.name, "memory")
    from scoperun.kernel.readback import file_of  # noqa: PLC0415  the usual limits do not need it

    file = file_of(wanted.name)
    return None if file is None else file.partition(".")[0]


def _why(limit: Property, limits: LimitsInForce) -> str:
    """Return why a limit is not in force although its controller is there."""
    if getattr(limits, READ_BACK[limit.name]) is None and limit.name in _LACKED:
        return f"this kernel has no {_LACKED[limit.name]}"
    return "the kernel has not kept it"


def _written(name: str) -> str:
    """Return a property's name as unit files have it: D-Bus has times in microseconds."""
    return name.removesuffix("USec") + "Sec" if name.endswith("USec") else name


def _not_enforced(limit: str, reason: str, *, otherwise: str = "runs the command anyway") -> LimitNotEnforced:
    remedy = _DELEGATE if reason.startswith(NOT_DELEGATED) else "scoperun(1), REQUIREMENTS, explains how to fix that"
    return LimitNotEnforced(
        f"{limit} would not be enforced: {reason}",
        hint=f"{remedy}; `require_limits=False` {otherwise}",
    )
