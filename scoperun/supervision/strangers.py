"""Release the processes that systemd has put into our scope in place of ours; never stop or kill them.

scoperun.systemd.pid_namespace refuses a run beforehand if this would happen, as far as the bus lets it know.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scoperun.errors import ScopeFailed, ScoperunError
from scoperun.kernel.cgroup import cgroup_of
from scoperun.spec.properties import Property
from scoperun.spec.sizes import INFINITY
from scoperun.systemd.manager import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from scoperun.process.processes import Processes
    from scoperun.spec.properties import Value
    from scoperun.systemd.unit import Unit

_LIMITS = {
    "MemoryMax", "MemoryHigh", "MemorySwapMax", "MemoryZSwapMax", "TasksMax", "CPUQuotaPerSecUSec", "CPUWeight",
    "IOWeight", "StartupMemoryMax", "StartupMemoryHigh", "StartupMemorySwapMax", "StartupMemoryZSwapMax",
    "StartupCPUWeight", "StartupIOWeight", "AllowedCPUs", "AllowedMemoryNodes", "StartupAllowedCPUs",
    "StartupAllowedMemoryNodes", "IODeviceWeight", "IOReadBandwidthMax", "IOWriteBandwidthMax", "IOReadIOPSMax",
    "IOWriteIOPSMax", "DevicePolicy", "DeviceAllow", "IPAddressDeny", "IPIngressFilterPath", "IPEgressFilterPath",
    "SocketBindDeny", "RestrictNetworkInterfaces", "ManagedOOMSwap", "ManagedOOMMemoryPressure",
}  # fmt: skip
"""The properties that restrict a scope's processes and can be changed while the scope runs."""

_UNLIMITED: dict[str, Value] = {
    "t": INFINITY, "s": "auto", "ay": b"", "as": [], "a(st)": [], "a(ss)": [], "a(iayu)": [], "a(iiqq)": [],
    "(bas)": [False, []],
}  # fmt: skip
"""The value that lifts such a property, by its D-Bus signature."""


async def see_no_strangers(unit: Unit, processes: Processes) -> None:
    """Release processes in the scope that are not ours, if there are any, and raise ScopeFailed, which names them."""
    ours = {processes.workload.pid, processes.keeper.pid}
    if _inside(unit.name, ours) == ours:
        return
    listed = await unit.processes()
    # Look for ours again: while systemd starts the scope, it is still moving them there.
    if strangers := sorted(set(listed) - _inside(unit.name, ours)):
        lifted = "their limits were lifted again" if await let_go(unit) else "their limits could not be lifted"
        raise ScopeFailed(
            f"Failed to start scope {unit.name!r}: systemd reads PIDs in another PID namespace and "
            f"has put other processes into the scope (there {', '.join(map(str, strangers))}); {lifted}"
        )


def _inside(unit: str, pids: set[int]) -> set[int]:
    """Return those of our processes that are in the scope."""
    return {pid for pid in pids if _is_inside(unit, pid)}


def _is_inside(unit: str, pid: int) -> bool:
    with suppress(ScoperunError):
        return cgroup_of(pid).of_unit(unit) is not None
    return False


async def let_go(unit: Unit) -> bool:
    """Abandon the scope and lift its limits; tell whether all of that was done."""
    limits = [each for each in unit.request.properties if each.sets in _LIMITS]
    # All at once, but one call each: if systemd refuses one property of a call, it sets none of them.
    steps = [_done(unit.abandon()), *(_done(_lift(unit, each)) for each in limits)]
    is_done = all(await asyncio.gather(*steps))
    return await _done(unit.unref()) and is_done


async def _lift(unit: Unit, limit: Property) -> None:
    signature = "t" if limit.signature == "u" else limit.signature  # TasksMax= lifts TasksMaxScale
    lifted = Property(name=limit.sets, signature=signature, value=_UNLIMITED[signature])
    await unit.set_properties((lifted,))


async def _done(step: Coroutine[Any, Any, None]) -> bool:
    with suppress(*UNANSWERED):
        await step
        return True
    return False
