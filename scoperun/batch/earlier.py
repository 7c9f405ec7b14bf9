"""What an earlier runner of a batch has left: its jobs are stopped before they run again."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from scoperun.batch.unit_names import scopes_of, slice_name
from scoperun.errors import ScoperunError
from scoperun.kernel.machine_memory import boot_id
from scoperun.systemd.shared import shared_manager
from scoperun.systemd.slices import stop_unit
from scoperun.systemd.units import list_units

if TYPE_CHECKING:
    from scoperun.batch.state import State
    from scoperun.systemd.manager import Manager


async def clear_earlier(state: State, batch: str, *, system: bool) -> None:
    """Stop the slice and the scopes of an earlier runner, and let their jobs wait again.

    Jobs end with their runner, but one that ignores SIGTERM lives until --kill-after. Those of another boot are gone.
    Raises ScoperunError if a scope is still there, because its job must not run twice at a time.
    """
    attempts = state.open_attempts()
    here = boot_id()
    if any(each.boot == here for each in attempts):
        await _stop(batch, system=system)
    state.interrupt(attempts, now=time.time())


async def _stop(batch: str, *, system: bool) -> None:
    async with shared_manager(os.environ, system=system) as manager:
        for pattern in (slice_name(batch, system=system), scopes_of(batch)):
            for unit in await _active(manager, pattern):
                await stop_unit(manager, unit)
        for unit in await _active(manager, scopes_of(batch)):
            hint = f"see: systemctl {'' if system else '--user '}status {unit}"
            raise ScoperunError(f"{unit} of an earlier run of this batch does not end", hint=hint)


async def _active(manager: Manager, pattern: str) -> list[str]:
    return [unit.name for unit in await list_units(manager, patterns=[pattern]) if unit.is_active]
