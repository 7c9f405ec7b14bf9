"""`scopectl freeze`: have the kernel not run a unit's processes."""

from __future__ import annotations

import os

from scoperun.ctl.acting import Did, Every, Target, Units, acted
from scoperun.ctl.declared import Json, System
from scoperun.ctl.freezing import is_frozen
from scoperun.errors import ScoperunError
from scoperun.kernel.process_facts import cgroup_name


def command(units: Units, *, every: Every = False, json: Json = False, system: System = False) -> int:
    """Freeze units.

    They keep their memory, and go on where they were after "scopectl thaw". It
    returns when none of their processes runs any more. Time limits go on
    running, and systemd 257 and later do not stop a frozen unit. The unit that
    scopectl itself runs in is not frozen.
    """
    return acted(units, _freeze, system=system, json=json, every=every)


async def _freeze(target: Target) -> Did:
    if target.seen.cgroup is not None and target.seen.cgroup.contains(cgroup_name(os.getpid()) or ""):
        raise ScoperunError("scopectl runs in it itself, and would be frozen too")
    await target.invocation.freeze()
    if is_frozen(target.seen.cgroup) is False:
        raise ScoperunError("systemd says that it is frozen, but by the kernel's account it is not")
    return Did(["frozen"], {})
