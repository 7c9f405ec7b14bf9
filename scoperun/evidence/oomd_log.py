"""What systemd-oomd's messages in the journal say about a kill. No I/O."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING

from scoperun.evidence.kernel_report import is_within
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBER = r"[0-9]+(?:\.[0-9]+)?%"

# monitor_memory_pressure_contexts_handler() and monitor_swap_contexts_handler() in src/oom/oomd-manager.c. Newer
# versions mark a cgroup first and kill it a moment later. A cgroup below a delegated scope can have any name, but a
# monitored one is that of a unit, which has no spaces in its name. Compiled at their first use: few runs need them, and
# it takes 1000 us.
_KILLED = r"(?:Killed|Marked) (?P<cgroup>/.+?)(?: for killing)? due to memory "
_PRESSURE = (
    rf"{_KILLED}pressure for (?P<monitored>[^ ]*) being (?P<was>{_NUMBER}) > (?P<limit>{_NUMBER})"
    r" for > (?P<time>[0-9a-z .]+) with reclaim activity"
)
_USED = (
    rf"{_KILLED}used \([0-9]+\) / total \([0-9]+\) and swap used \([0-9]+\) / total \([0-9]+\)"
    rf" being more than (?P<limit>{_NUMBER})"
)


class OomdCause(enum.StrEnum):
    """Why systemd-oomd kills, in the words of its D-Bus signal Killed."""

    MEMORY_PRESSURE = "memory-pressure"
    MEMORY_USED = "memory-used"


@dataclass(frozen=True, slots=True, kw_only=True)
class OomdKill:
    """A kill, as systemd-oomd's message says it.

    cgroup: the one whose processes were killed. cause: why.
    monitored: the cgroup whose memory pressure was too high; None if the machine's memory and swap were too full.
    was: that pressure, e.g. `12.34%`. limit: ManagedOOMMemoryPressureLimit= or SwapUsedLimit=, e.g. `60.00%`.
    time: how long the pressure was above the limit, e.g. `20s`.
    """

    cgroup: str
    cause: OomdCause
    monitored: str | None
    was: str | None
    limit: str
    time: str | None


def oomd_kills(messages: Iterable[str], scope: str | None) -> list[OomdKill]:
    """Return the kills in a scope, or in cgroups below it, that messages of systemd-oomd tell of."""
    found = map(_kill, messages)
    return [kill for kill in found if kill is not None and scope and is_within(kill.cgroup, scope)]


def _kill(message: str) -> OomdKill | None:
    if match := re.fullmatch(_PRESSURE, message):
        kill = OomdKill(cause=OomdCause.MEMORY_PRESSURE, **match.groupdict())
        return kill if is_within(kill.cgroup, kill.monitored or "/") else None
    if match := re.fullmatch(_USED, message):
        return OomdKill(cause=OomdCause.MEMORY_USED, monitored=None, was=None, time=None, **match.groupdict())
    return None
