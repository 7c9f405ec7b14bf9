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
    counts = [properties.get(name) for name in ("OOMKills", "ManagedOOMKills")]
    counted = [count for count in counts if isinstance(count, int) and count != INFINITY]
    result = result if isinstance(result, str) and result else None
    known = max([*counted[:1], *([seen] if seen else [])], default=None)
    return Ending(
        unit=unit,
        invocation_id=invocation_id,
        result=result,
        oom_killed=_was_killed(result, counted, properties, seen=seen),
        oom_kills=known if known or not _is_oom(result) else None,
    )


def _was_killed(
    result: str | None, counted: list[int], properties: Mapping[str, Any], *, seen: int | None
) -> bool | None:
    if _is_oom(result) or seen or any(counted):
        return True
    if counted:
        return False
    # With these policies systemd makes every OOM kill the result; OOMPolicy= of scopes is on D-Bus since it does so.
    makes_result = properties.get("OOMPolicy") in {"stop", "kill"} and properties.get("Delegate") is False
    return False if result is not None and makes_result else None


def _is_oom(result: str | None) -> bool:
    return result == _OOM_KILL
