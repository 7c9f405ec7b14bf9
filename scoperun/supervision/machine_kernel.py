"""The checks of what the kernel offers: controllers, swap accounting, its log, pressure. Reads only."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from scoperun.errors import ScoperunError
from scoperun.evidence.kernel_report import KernelLogUnreadable
from scoperun.kernel.facilities import OLD_NAMES
from scoperun.kernel.swap import has_swap
from scoperun.supervision.check import Check, State
from scoperun.supervision.machine_services import own_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scoperun.kernel.facilities import Facilities

UNIFIED_REMEDY = "remove systemd.unified_cgroup_hierarchy=0 from the kernel command line"

_BUILT_WITH = {
    "memory": "CONFIG_MEMCG",
    "pids": "CONFIG_CGROUP_PIDS",
    "cpu": "CONFIG_FAIR_GROUP_SCHED",
    "io": "CONFIG_BLK_CGROUP",
    "cpuset": "CONFIG_CPUSETS",
}
"""The option that a kernel with the controller was built with."""
_DELEGATE = "systemctl edit user@.service, add [Service] and Delegate=cpu memory pids, and log in again"
_DELEGATE_ALL = _DELEGATE.replace("cpu memory pids", "cpu cpuset io memory pids")
_DELEGATING = (
    "mkdir -p /etc/systemd/system/user@.service.d",
    r"printf '[Service]\nDelegate=cpu cpuset io memory pids\n' >/etc/systemd/system/user@.service.d/50-delegate.conf",
    "systemctl daemon-reload",
)
_TURN_ZSWAP_ON = "echo Y >/sys/module/zswap/parameters/enabled"


def delegated(kernel: Facilities, cgroup: str, *, system: bool) -> Iterator[Check]:
    """Yield a check for each controller that limits need, and for swap; without that of memory no run is limited.

    cgroup: the name of the manager's cgroup, empty for the root.
    """
    for controller, state, options in (
        ("memory", State.MISSING, "`memory_max`"),
        ("pids", State.LIMITED, "`tasks_max`"),
        ("cpu", State.LIMITED, "`cpu_quota` and `cpu_weight`"),
        ("io", State.LIMITED, "limits on disks"),
        ("cpuset", State.LIMITED, "AllowedCPUs= and AllowedMemoryNodes="),
    ):
        name, effect = f"{controller} controller", f"{options} would be refused"
        if controller in (_controllers(kernel, cgroup) or ()):
            whose = "the system's manager has it" if system else "delegated to your manager"
            yield Check(name=name, state=State.OK, found=whose)
        elif controller in (_controllers(kernel, "") or ()):
            found = f"not delegated to your manager: {effect}"
            remedy = _DELEGATE_ALL if controller in {"io", "cpuset"} else _DELEGATE
            yield Check(name=name, state=state, found=found, remedy=remedy, commands=_DELEGATING)
        else:
            remedy = offering(kernel, controller)
            yield Check(name=name, state=state, found=f"the kernel does not offer it: {effect}", remedy=remedy)
    yield _swap_accounting(kernel, f"{cgroup}/system.slice" if system else cgroup)


def offering(kernel: Facilities, controller: str) -> str:
    """Return what has the kernel offer a controller on the unified hierarchy."""
    if kernel.is_legacy(controller):
        return UNIFIED_REMEDY
    for name in (controller, OLD_NAMES.get(controller)):
        if name in kernel.disabled():
            return f"remove cgroup_disable={name} from the kernel command line"
    return f"use a kernel that was built with {_BUILT_WITH[controller]}; a container only has what it was given"


def _swap_accounting(kernel: Facilities, cgroup: str) -> Check:
    name = "swap accounting"
    try:
        has_memory, has_limit = (kernel.has_file(cgroup, f"memory.{file}") for file in ("max", "swap.max"))
    except ScoperunError as error:
        return Check(name=name, state=State.MISSING, found=error.message)
    if has_limit:
        swap = "the machine has swap" if has_swap() else "the machine has no swap"
        return Check(name=name, state=State.OK, found=f"on; {swap}")
    if not has_memory:
        return Check(name=name, state=State.MISSING, found="not known without the memory controller")
    found = "off: `memory_max` alone, which sets `memory_swap_max=0`, would be refused"
    return Check(name=name, state=State.MISSING, found=found, remedy="boot with swapaccount=1")


def _controllers(kernel: Facilities, cgroup: str) -> Sequence[str] | None:
    try:
        return kernel.controllers(cgroup)
    except ScoperunError:  # cgroup v2 is not mounted, which another check says
        return None


def kernel_checks(kernel: Facilities) -> Iterator[Check]:
    """Yield what a run uses if it is there."""
    match kernel.zswap_is_on():
        case True:
            yield Check(name="zswap", state=State.OK, found="on")
        case False:
            yield Check(
                name="zswap",
                state=State.LIMITED,
                found="off: `memory_zswap_max` has no effect",
                remedy=f"as root: {_TURN_ZSWAP_ON}",
                commands=(_TURN_ZSWAP_ON,),
                is_choice=True,
            )
        case None:
            found = "the kernel does not have it: `memory_zswap_max` has no effect"
            yield Check(name="zswap", state=State.LIMITED, found=found)
    try:
        yield Check(name="kernel log", state=State.OK, found=f"readable: {kernel.readable_log()}")
    except KernelLogUnreadable as error:
        reason, _, remedy = str(error).partition(": ")
        found = f"{reason}; victims are named from what was seen before the kill"
        yield Check(
            name="kernel log",
            state=State.LIMITED,
            found=found,
            remedy=remedy or None,
            commands=_reading(remedy),
            is_choice=not remedy.startswith("join"),
        )
    if kernel.has_pressure():
        yield Check(name="pressure (PSI)", state=State.OK, found="measured")
    else:
        built = "a kernel that was built with CONFIG_PSI"
        remedy = f"use {built}" if kernel.is_told("psi=1") else f"boot with psi=1, {built}"
        yield Check(name="pressure (PSI)", state=State.LIMITED, found="not measured", remedy=remedy)
    yield _user_namespace(kernel)


def _reading(remedy: str) -> tuple[str, ...]:
    """Return the command that lets this user read the kernel's log, from the remedy in words."""
    if remedy.startswith("join group systemd-journal"):
        return (f"usermod --append --groups systemd-journal {shlex.quote(own_name())}",)
    return ("sysctl kernel.dmesg_restrict=0",) if "dmesg_restrict" in remedy else ()


def _user_namespace(kernel: Facilities) -> Check:
    """Tell whether this user has the same number here as outside."""
    match kernel.has_all_user_ids():
        case True:
            found = "the machine's own"
        case False:
            found = "another one than the machine's, e.g. a container's: outside, this user can have another number"
        case None:
            found = "not known: /proc/self/uid_map cannot be read"
    return Check(name="user namespace", state=State.OK, found=found)
