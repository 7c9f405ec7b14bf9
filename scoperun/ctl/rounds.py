"""Rounds of `scopectl top`, one at each interval: from a manager and its cgroups, with descriptions from systemd.

The units are found by walking the manager's slices, which takes less time than asking systemd. That is asked only for
the description of a unit that was not there before, and which cgroup is the unit's if there are several of its name.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scoperun.ctl.sampling import Sampler
from scoperun.ctl.unit_places import placed
from scoperun.errors import ScoperunError
from scoperun.kernel.held_cgroup import room_of_this_process
from scoperun.kernel.unit_cgroups import manager_cgroup, unit_cgroups
from scoperun.systemd import unit_files
from scoperun.systemd.units import list_units

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.ctl.sampling import Round
    from scoperun.ctl.session import Session
    from scoperun.kernel.cgroup import Cgroup
    from scoperun.systemd.manager import Manager


_LATE = "systemd has not answered yet"


class Rounds:
    """Takes rounds, to be closed after use.

    trouble: why systemd has not said what the units run, None if it has.
    """

    def __init__(self, sampler: Sampler, manager: Manager) -> None:
        """Take what reads the cgroups, and the manager that knows what the units run."""
        self.sampler = sampler
        self.trouble: str | None = None
        self._manager = manager
        self._asking: asyncio.Task[None] | None = None
        self._cgroups: dict[str, Cgroup] = {}

    async def next(self, patience: float) -> Round:
        """Read a round; raise ScoperunError if cgroup v2 is gone.

        patience: seconds to wait for what systemd says of units; it is in a later round if that takes longer.
        """
        await self._place(patience)
        self.sampler.find(self._cgroups)
        if self._asking is None and self.sampler.nameless():
            self._asking = asyncio.create_task(self._ask())
        if self._asking is not None:
            done, _ = await asyncio.wait({self._asking}, timeout=patience)
            self._asking = None if done else self._asking
            self.trouble = self.trouble if done else _LATE
        return self.sampler.read()

    def close(self) -> None:
        """Wait for no answer any more, and close the files."""
        if self._asking is not None:
            self._asking.cancel()
        self.sampler.close()

    async def _place(self, patience: float) -> None:
        """Find the units' cgroups; they stay as they were if systemd does not say which."""
        try:
            async with asyncio.timeout(patience):
                self._cgroups = await placed(self._manager, unit_cgroups(self.sampler.manager))
                self.trouble = None
        except TimeoutError:
            self.trouble = _LATE
        except ScoperunError as error:
            self.trouble = error.message

    async def _ask(self) -> None:
        names = self.sampler.nameless()
        try:
            listed = await list_units(self._manager, patterns=[_literally(name) for name in names])
        except ScoperunError as error:
            self.trouble = error.message
        else:
            self.sampler.describe(dict.fromkeys(names, "") | {unit.name: unit.description for unit in listed})


@contextmanager
def rounds(session: Session, manager: str, *, every: bool) -> Iterator[Rounds]:
    """Return what takes rounds.

    manager: the name of the manager's cgroup. every: of all scopes and services, not only scopes of scoperun.
    """
    folder = unit_files.folder(os.environ, system=session.system)

    def is_shown(unit: str) -> bool:
        if every:
            return True
        file = unit_files.transient_file(folder, unit) if unit.endswith(".scope") else None
        return file is not None and file.is_ours

    sampler = Sampler(manager_cgroup(manager), is_shown, room_of_this_process())
    taken = Rounds(sampler, session.manager)
    try:
        yield taken
    finally:
        taken.close()


def _literally(name: str) -> str:
    """Return the glob that matches only this name: systemd's names can have backslashes."""
    return name.replace("\\", "\\\\")
