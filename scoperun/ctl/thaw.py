"""`scopectl thaw`: have the kernel run a frozen unit's processes again."""

from __future__ import annotations

from scoperun.ctl.acting import Did, Every, Globs, Target, Units, acted
from scoperun.ctl.declared import Json, System
from scoperun.ctl.freezing import is_frozen
from scoperun.errors import ScoperunError


def command(units: Units, *, every: Every = False, json: Json = False, system: System = False) -> int:
    """Thaw units."""
    return acted(units, _thaw, system=system, json=json, globs=Globs(every))


async def _thaw(target: Target) -> Did:
    await target.invocation.thaw()
    if is_frozen(target.seen.cgroup):
        raise ScoperunError("it is still frozen", hint="a slice above it is, or something else has frozen its cgroup")
    return Did(["thawed"], {})
