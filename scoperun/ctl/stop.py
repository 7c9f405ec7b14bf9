"""`scopectl stop`: end what runs in units."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from scoperun.ctl.acting import GONE, Did, Every, Globs, Target, Units, acted
from scoperun.ctl.declared import Json, System
from scoperun.ctl.freezing import is_frozen
from scoperun.errors import ManagerError, ScoperunError
from scoperun.kernel.process_table import running_name
from scoperun.systemd.answers import UNIT
from scoperun.systemd.jobs import job_ended

if TYPE_CHECKING:
    from scoperun.kernel.cgroup import Cgroup

NoBlock = Annotated[
    bool, typer.Option("--no-block", help="Do not wait until the units have ended.", show_default=False)
]


def command(
    units: Units, *, no_block: NoBlock = False, every: Every = False, json: Json = False, system: System = False
) -> int:
    """Stop units.

    Every process gets SIGTERM, and those that are left after TimeoutStopSec=
    get SIGKILL. It returns when the units have ended. A glob does not mean the
    unit that scopectl itself runs in.
    """
    act = _queue_stop if no_block else _stop
    return acted(units, act, system=system, json=json, globs=Globs(every, spare_own=True))


async def _queue_stop(target: Target) -> Did:
    if is_frozen(target.seen.cgroup):
        return await _stop(target)  # since systemd 257 the job of a frozen unit ends at once, without a stop
    await _queued(target)
    return Did(["stop queued"], {})


async def _stop(target: Target) -> Did:
    folder = _inode(target.seen.cgroup)
    result = await job_ended(
        target.session.manager, target.name, lambda: _queued(target), is_over=lambda: _is_over(target)
    )
    if result == "frozen":
        raise _is_frozen(target, "its job ended as 'frozen'")
    if result != "done":
        raise ScoperunError(f"it was not stopped: its job ended as {result!r}")
    if left := _living(target.seen.cgroup, folder):
        raise ScoperunError(
            f"systemd has given it up, and these processes still run: {', '.join(map(str, left))}",
            hint=f"scopectl kill -s KILL {target.name}",
        )
    return Did(["stopped"], {})


async def _is_over(target: Target) -> bool:
    """Tell whether the unit has ended."""
    try:
        (state,) = (await target.invocation.properties(UNIT, {"ActiveState"})).values()
    except ManagerError as error:
        if error.name in GONE:
            return True
        raise
    return state in {"inactive", "failed"}


async def _queued(target: Target) -> str:
    """Queue the stop and return its job. Since systemd 257 a frozen unit cannot be stopped."""
    try:
        return await target.invocation.stop()
    except ManagerError as error:
        if is_frozen(target.seen.cgroup):
            raise _is_frozen(target, error.message) from None
        raise


def _is_frozen(target: Target, reason: str) -> ScoperunError:
    return ScoperunError(
        f"it is frozen, and this systemd does not stop a frozen unit: {reason}",
        hint=f"first: scopectl thaw {target.name}",
    )


def _inode(cgroup: Cgroup | None) -> int | None:
    """Return the inode of a cgroup's folder, which no other cgroup of that name has; None if it is not there."""
    try:
        return None if cgroup is None else os.stat(cgroup.path).st_ino
    except OSError:
        return None


def _living(cgroup: Cgroup | None, folder: int | None) -> list[int]:
    """Return the PIDs of the processes that run in a cgroup and below.

    folder: its inode; if it has another one now, this is the cgroup of a unit that has started since: no processes.
    """
    cgroups = [] if cgroup is None else [cgroup, *cgroup.below()]
    pids = [pid for each in cgroups for pid in each.pids() or () if running_name(pid) is not None]
    return pids if _inode(cgroup) == folder else []
