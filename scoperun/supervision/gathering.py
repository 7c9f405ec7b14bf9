"""Move into a scope that runs what of the processes is still outside: descendants, and those born meanwhile."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.errors import ScoperunError
from scoperun.supervision.candidates import why_refused
from scoperun.supervision.movers import mover_of

if TYPE_CHECKING:
    from scoperun.kernel.cgroup import Cgroup
    from scoperun.kernel.process_facts import ProcessFacts
    from scoperun.supervision.attachment import Wanted
    from scoperun.supervision.candidates import Mover
    from scoperun.supervision.herd import Herd, Member
    from scoperun.supervision.movers import Managers

_MOST_PASSES = 20
"""The most times that descendants which were born meanwhile are moved."""


async def gathered(herd: Herd, cgroup: Cgroup, wanted: Wanted, *, managers: Managers, mover: Mover) -> dict[int, str]:
    """Move what is still outside, until nothing is; return what stays outside, by PID, with the reason.

    cgroup: of the scope. mover: as `mover_of` returned it for the processes that the herd has.
    """
    reasons: dict[int, str] = {}
    failure = ""
    for _ in range(_MOST_PASSES):
        new: list[ProcessFacts] = []
        if wanted.tree:
            herd.add_descendants(leave_out=os.getpid(), see=new.append)
        if new:
            mover = await mover_of(managers, [each.facts for each in herd.living()])
        strays = herd.outside(cgroup.name)
        for each in strays:
            if (reason := why_refused(each.facts, mover, force=wanted.force)) is not None:
                reasons[each.pid] = reason
        outside = [each for each in strays if each.pid not in reasons]
        if not outside:
            break
        failure = await _moved(outside, cgroup, managers)
    else:
        reasons |= {each.pid: failure or "it was born meanwhile" for each in herd.outside(cgroup.name)}
    return {pid: reason for pid, reason in reasons.items() if herd.members[pid].lives}


async def _moved(members: list[Member], cgroup: Cgroup, managers: Managers) -> str:
    """Have the system's systemd move processes into our scope; return why that failed, "" if it did not.

    The user's own systemd does that only for scopes with Delegate=.
    """
    if managers.is_system:
        return "the system's systemd adds no process to a scope that runs"
    whole = await managers.own.control_group()
    user = os.path.basename(whole)
    try:
        manager = await managers.of_system()
    except ScoperunError as error:
        return error.message
    failure = ""
    # If one of them ends meanwhile, a call for all fails before it has moved any.
    for some in (members, *([each] for each in members if len(members) > 1)):
        pids = [each.pid for each in some if each.lives]  # just before the call: a PID can be reused
        if not pids:
            continue
        try:
            await manager.call("AttachProcessesToUnit", "ssau", user, cgroup.name.removeprefix(whole), pids)
        except ScoperunError as error:
            failure = error.message
        else:
            if some is members:
                return ""
    return failure
