"""What `scopectl wait` concludes about the end of a unit. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass
from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_OOM_KILL = "oom-kill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a unit ended, as far as it is known.

    result: Result=, verbatim; None if it is not known. oom_killed: the kernel's OOM killer or systemd-oomd has killed
    processes in it; None if that is not known. oom_kills: how many kills were counted, None if that is not known.
    """

    unit: str
    invocation_id: str
    result: str | None
    oom_killed: bool | None
    oom_kills: int | None

    @property
    def is_success(self) -> bool:
        """Whether it is known that it ended well."""
        return self.result == "success" and self.oom_killed is False

    @property
    def sentence(self) -> str:
        """How it ended, for people."""
        kills = {None: ", whether with OOM kills is unknown", False: "", True: ", with OOM kills"}[self.oom_killed]
        if self.oom_kills:
            kills = f", with {self.oom_kills} OOM kill{'s' if self.oom_kills > 1 else ''}"
        return f"{self.unit}: {self.result or 'result unknown'}{kills}"

    @property
    def words(self) -> tuple[str, str, str]:
        """The unit, its result, and whether there were OOM kills: `yes`, `no` or `unknown`."""
        killed = {None: "unknown", False: "no", True: "yes"}[self.oom_killed]
        return self.unit, self.result or "unknown", killed


def ending(unit: str, invocation_id: str, properties: Mapping[str, Any], *, seen: int | None) -> Ending:
    """Return how a unit ended. properties: what systemd says; seen: the kills that were counted while it ran."""
    result = properties.get("Result")
    result = result if isinstance(result, str) and result else None
    kills, by_oomd = (_known(properties.get(name)) for name in ("OOMKills", "ManagedOOMKills"))
    # Without the memory controller nothing is counted, and systemd reports 0.
    counts = seen is not None or _known(properties.get("MemoryPeak")) is not None
    killed: bool | None = None
    if result == _OOM_KILL or seen or kills or by_oomd:
        killed = True
    elif counts and (kills == 0 or _makes_result(result, properties)):
        killed = False
    return Ending(
        unit=unit,
        invocation_id=invocation_id,
        result=result,
        oom_killed=killed,
        oom_kills=max(kills or 0, seen or 0) or (0 if counts and kills == 0 and result != _OOM_KILL else None),
    )


def _makes_result(result: str | None, properties: Mapping[str, Any]) -> bool:
    """Tell whether an OOM kill would be the result: systemd has OOMPolicy= for scopes since it does that."""
    is_told = properties.get("OOMPolicy") in {"stop", "kill"} and properties.get("Delegate") is False
    return result is not None and is_told


def _known(value: object) -> int | None:
    """Return a number of systemd's, None if it does not know it."""
    return value if isinstance(value, int) and value != INFINITY else None
