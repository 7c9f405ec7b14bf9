"""`scopectl freeze`: have the kernel not run a unit's processes."""

from __future__ import annotations

from scoperun.ctl.acting import Did, Every, Target, Units, acted
from scoperun.ctl.declared import Json, System
from scoperun.ctl.freezing import is_frozen
from scoperun.errors import ScoperunError


def command(units: Units, *, every: Every = False, json: Json = False, system: System = False) -> int:
    """Freeze units.

    They keep their memory, and go on where they were after "scopectl thaw". It
    returns when none of their processes runs any more. Time limits go on
    running, and systemd 257 and later do not stop a frozen unit.
    """
    return acted(units, _freeze, system=system, json=json, every=every)


async def _freeze(target: Target) -> Did:
    await target.invocation.freeze()
    if is_frozen(target.seen.cgroup) is False:
        raise ScoperunError("systemd says that it is frozen, but by the kernel's account it is not")
    return Did(["frozen"], {})
