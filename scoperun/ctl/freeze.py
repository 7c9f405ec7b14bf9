"""`scopectl freeze`: have the kernel not run a unit's processes."""

from __future__ import annotations

from scoperun.ctl import freezing
from scoperun.ctl.acting import Did, Every, Globs, Target, Units, acted
from scoperun.ctl.declared import Json, System


def command(units: Units, *, every: Every = False, json: Json = False, system: System = False) -> int:
    """Freeze units.

    They keep their memory, and go on where they were after "scopectl thaw". It
    returns when none of their processes runs any more. Time limits go on
    running, and systemd 257 and later do not stop a frozen unit. The unit that
    scopectl itself runs in is not frozen.
    """
    return acted(units, _freeze, system=system, json=json, globs=Globs(every, spare_own=True))


async def _freeze(target: Target) -> Did:
    await freezing.freeze(target.invocation, target.seen.cgroup)
    return Did(["frozen"], {})
