"""Freeze a unit, and see whether one is frozen."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from scoperun.errors import BusUnavailable, ScoperunError
from scoperun.kernel.process_facts import cgroup_name

if TYPE_CHECKING:
    from scoperun.kernel.cgroup import Cgroup
    from scoperun.systemd.units import Invocation

BUSES = {"dbus.service", "dbus-broker.service"}
"""The services of the bus, by which systemd is asked for everything, a thaw included."""


def is_frozen(cgroup: Cgroup | None) -> bool | None:
    """Tell whether the kernel runs none of a cgroup's processes; None if it does not say."""
    events = None if cgroup is None else cgroup.table("cgroup.events")
    return None if events is None or "frozen" not in events else bool(events["frozen"])


def is_our_own(cgroup: Cgroup | None) -> bool:
    """Tell whether this process is in a cgroup or below it."""
    return cgroup is not None and cgroup.contains(cgroup_name(os.getpid()) or "")


async def freeze(invocation: Invocation, cgroup: Cgroup | None) -> None:
    """Freeze a unit; raise ScoperunError if it is not frozen then, is the bus, or if this process is in it.

    cgroup: the unit's. If systemd does not answer, or the wait is interrupted, it is asked to thaw the unit, which it
    freezes all the same once it can.
    """
    if is_our_own(cgroup):
        raise ScoperunError("scopectl runs in it itself, and would be frozen too")
    if invocation.name in BUSES:
        raise ScoperunError("it is the bus, without which nothing could be thawed again")
    ran_before = is_frozen(cgroup) is False
    try:
        await invocation.freeze()
    except asyncio.CancelledError:
        _take_back(invocation, ran_before=ran_before)
        raise
    except BusUnavailable as error:
        if _take_back(invocation, ran_before=ran_before):
            error.message += "; it was asked to thaw the unit again"
        raise
    if is_frozen(cgroup) is False:
        raise ScoperunError("systemd says that it is frozen, but by the kernel's account it is not")


def _take_back(invocation: Invocation, *, ran_before: bool) -> bool:
    """Ask systemd to thaw a unit that was not frozen before; tell whether it was asked."""
    if not ran_before:
        return False
    try:
        invocation.post_thaw()
    except ScoperunError:  # the bus is gone
        return False
    return True
