"""Freeze a unit, and see whether one is frozen."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.errors import BusUnavailable, ScoperunError
from scoperun.kernel.process_facts import cgroup_name

if TYPE_CHECKING:
    from scoperun.kernel.cgroup import Cgroup
    from scoperun.systemd.units import Invocation


def is_frozen(cgroup: Cgroup | None) -> bool | None:
    """Tell whether the kernel runs none of a cgroup's processes; None if it does not say."""
    events = None if cgroup is None else cgroup.table("cgroup.events")
    return None if events is None or "frozen" not in events else bool(events["frozen"])


def is_our_own(cgroup: Cgroup | None) -> bool:
    """Tell whether this process is in a cgroup or below it."""
    return cgroup is not None and cgroup.contains(cgroup_name(os.getpid()) or "")


async def freeze(invocation: Invocation, cgroup: Cgroup | None) -> None:
    """Freeze a unit; raise ScoperunError if it is not frozen then, or if this process is in it.

    cgroup: the unit's. If systemd does not answer, or the wait is interrupted, the unit is thawed: systemd freezes it
    all the same once it can.
    """
    if is_our_own(cgroup):
        raise ScoperunError("scopectl runs in it itself, and would be frozen too")
    ran_before = is_frozen(cgroup) is False
    try:
        await invocation.freeze()
    except (BusUnavailable, asyncio.CancelledError):
        if ran_before:
            with suppress(ScoperunError):
                await invocation.thaw()
        raise
    if is_frozen(cgroup) is False:
        raise ScoperunError("systemd says that it is frozen, but by the kernel's account it is not")
