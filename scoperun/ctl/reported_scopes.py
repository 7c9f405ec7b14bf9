"""The scopes on whose kills a scoperun reports, so that the watch leaves them to it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from scoperun.kernel.descriptors import to_spare
from scoperun.kernel.keepers import living_keeper
from scoperun.kernel.unit_cgroups import unit_cgroups
from scoperun.spec.scope import GENERATED_PREFIX
from scoperun.systemd.unit_files import transient_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scoperun.kernel.cgroup import Cgroup

_REMEMBERED = 4096
"""Scopes that are remembered: a report in the kernel's log can come after their end."""

_STARTING = 0.1
"""Seconds after which systemd has put all processes into a scope that it starts."""


class ReportedScopes:
    """The scopes that were looked at, while they last and a while longer.

    A scope's file, which is gone with it, says whether it began with a keeper. The keeper's end is the end of its
    scoperun: nothing reports on what is left in the scope then.
    """

    def __init__(self, folder: str, manager: Cgroup) -> None:
        """Know none yet. folder: of the files of transient units. manager: the manager's own cgroup."""
        self._folder = folder
        self._manager = manager
        self._reported: dict[str, bool] = {}
        self._keepers: dict[str, int] = {}
        self._most = to_spare()

    @property
    def names(self) -> set[str]:
        """The scopes with a scoperun."""
        return {unit for unit, is_reported in self._reported.items() if is_reported}

    def look(self, units: Iterable[str]) -> None:
        """See which of these units are scopes with a scoperun.

        On a busy machine an announcement can come later than a scope's end: then a name that scoperun gives decides.
        """
        cgroups: dict[str, list[Cgroup]] | None = None
        for unit in units:
            if not unit.endswith(".scope"):
                continue
            file = transient_file(self._folder, unit)
            known = self._reported.pop(unit, None)
            if file is None:
                self._reported[unit] = unit.startswith(GENERATED_PREFIX) if known is None else known
            elif not file.has_keeper:
                self._reported[unit] = False
            else:
                self._reported[unit] = known is not False
                if unit not in self._keepers:
                    cgroups = unit_cgroups(self._manager) if cgroups is None else cgroups
                    self._reported[unit] |= self._follow(unit, cgroups.get(unit, []))
        while len(self._reported) > _REMEMBERED:
            del self._reported[next(iter(self._reported))]

    def close(self) -> None:
        """Close all descriptors."""
        for unit in [*self._keepers]:
            self._let_go(unit)

    def _follow(self, unit: str, cgroups: Sequence[Cgroup]) -> bool:
        """Wait for the end of the scope's keeper; tell whether there is one in a cgroup of the scope's name."""
        if not cgroups or len(self._keepers) >= self._most:
            return False
        keeper = _keeper(cgroups)
        try:
            if keeper is not None:
                self._keepers[unit] = os.pidfd_open(keeper)
        except OSError:
            keeper = None
        if keeper is None:  # it has ended, or systemd is still about to put it there
            asyncio.get_running_loop().call_later(_STARTING, self._see_what_is_left, unit, cgroups)
            return False
        asyncio.get_running_loop().add_reader(self._keepers[unit], self._ended, unit, cgroups)
        return True

    def _ended(self, unit: str, cgroups: Sequence[Cgroup]) -> None:
        self._let_go(unit)
        self._see_what_is_left(unit, cgroups)

    def _see_what_is_left(self, unit: str, cgroups: Sequence[Cgroup]) -> None:
        if unit in self._reported and any(each.pids() for each in cgroups):
            self._reported[unit] = _keeper(cgroups) is not None

    def _let_go(self, unit: str) -> None:
        pidfd = self._keepers.pop(unit)
        asyncio.get_running_loop().remove_reader(pidfd)
        os.close(pidfd)


def _keeper(cgroups: Sequence[Cgroup]) -> int | None:
    return next((pid for each in cgroups if (pid := living_keeper(each)) is not None), None)
