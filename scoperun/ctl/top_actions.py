"""What `scopectl top` can do to the selected unit, each after a question. Without a terminal.

The question is about the activation whose numbers are on the screen, and so is what follows: the unit's name can belong
to another one before the user has answered.
"""

from __future__ import annotations

import enum
import os
import signal
from typing import TYPE_CHECKING

from scoperun.console.option_values import memory
from scoperun.ctl.acting import LEFT_ALONE
from scoperun.ctl.freezing import freeze
from scoperun.errors import InvalidValue, ManagerError, ScoperunError
from scoperun.kernel.cgroup import Cgroup
from scoperun.record import dataclass
from scoperun.spec.properties import Property
from scoperun.spec.scope import MANAGERS_OWN
from scoperun.spec.sizes import INFINITY, format_size
from scoperun.systemd.units import NO_SUCH_INVOCATION, Invocation, invocation_of

if TYPE_CHECKING:
    from scoperun.ctl.sampling import Sampler, Usage
    from scoperun.systemd.manager import Manager


class Action(enum.StrEnum):
    """What can be done."""

    LIMIT = "limit"
    FREEZE = "freeze"
    THAW = "thaw"
    STOP = "stop"
    KILL = "kill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An action on one activation of a unit, about which the user is to be asked.

    limit: for Action.LIMIT the new MemoryMax= in bytes, INFINITY for none. folder: the unit's cgroup, to read back.
    """

    action: Action
    invocation: Invocation
    usage: Usage
    folder: str
    limit: int | None = None

    @property
    def question(self) -> str:
        """What the user is asked, without a question mark: strangers' text is not yet escaped."""
        name, what = self.usage.unit, f" ({self.usage.command})" if self.usage.command else ""
        match self.action:
            case Action.FREEZE:
                return f"Freeze {name}, so that its processes do not run{what}"
            case Action.THAW:
                return f"Let the processes of {name} run again{what}"
            case Action.STOP:
                return f"Stop {name}: SIGTERM, after a time SIGKILL{what}"
            case Action.KILL:
                return f"Kill all processes of {name} with SIGKILL{what}"
        kills = "; it uses more, so the kernel will kill" if self._is_below_use else ""
        return f"Limit the memory of {name} to {format_size(self.limit or 0)}{kills}{what}"

    @property
    def _is_below_use(self) -> bool:
        return self.usage.memory is not None and self.limit is not None and self.limit < self.usage.memory

    @property
    def _cgroup(self) -> Cgroup:
        return Cgroup(self.usage.cgroup, self.folder)

    async def done(self) -> str:
        """Do it and return what happened; raise ScoperunError if it cannot be done."""
        try:
            return await self._done()
        except ScoperunError as error:
            if isinstance(error, ManagerError) and error.name == NO_SUCH_INVOCATION:
                raise ScoperunError(f"{self.usage.unit} has ended meanwhile") from None
            is_frozen = self.action is Action.STOP and "frozen" in error.message  # as systemd 257 and 262 say
            hint = "thaw it first" if is_frozen else error.hint
            raise ScoperunError(f"{self.usage.unit}: {error.message}", hint=hint) from None

    async def _done(self) -> str:
        name = self.usage.unit
        match self.action:
            case Action.FREEZE:
                await freeze(self.invocation, self._cgroup)
                return f"{name} is frozen"
            case Action.THAW:
                await self.invocation.thaw()
                return f"{name} runs again"
            case Action.STOP:
                await self.invocation.stop()
                return f"{name} is being stopped"
            case Action.KILL:
                await self.invocation.kill(signal.SIGKILL)
                return f"{name}: SIGKILL was sent to its processes"
        limit = self.limit or 0
        await self.invocation.set_properties([Property(name="MemoryMax", signature="t", value=limit)])
        return f"{name}: {self._read_back(limit)}"

    def _read_back(self, limit: int) -> str:
        held = self._cgroup.number("memory.max")
        page = os.sysconf("SC_PAGE_SIZE")
        wanted = limit if limit == INFINITY else limit // page * page
        if held == wanted:
            return f"MemoryMax={format_size(wanted)} is in force until the unit ends"
        says = "nothing" if held is None else format_size(held)
        return f"MemoryMax={format_size(limit)} was accepted, but memory.max says {says}"


async def plan(action: Action, usage: Usage, sampler: Sampler, manager: Manager, *, limit: str = "") -> Plan:
    """Return the plan of an action on the activation whose numbers are `usage`; raise ScoperunError if it is over.

    limit: for Action.LIMIT, what the user wrote as its size.
    """
    if usage.unit.endswith(".slice"):
        raise InvalidValue(f"{usage.unit} is a slice", hint="choose a scope or a service")
    if usage.unit == MANAGERS_OWN:
        raise ScoperunError(f"{usage.unit}: {LEFT_ALONE}")
    size = memory(limit) if action is Action.LIMIT else None
    identifier = await invocation_of(manager, usage.unit)
    # The cgroup from which the numbers came is still there, so the identifier is of the same activation.
    if not identifier or not sampler.is_there(usage.unit):
        raise ScoperunError(f"{usage.unit} has ended")
    invocation = Invocation(manager, usage.unit, identifier)
    return Plan(action=action, invocation=invocation, usage=usage, folder=sampler.folder(usage.unit), limit=size)
