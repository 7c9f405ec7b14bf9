"""scopectl as a program, and what the fake systemd answers to it about its units."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from typing import TYPE_CHECKING

from dbus_next.signature import Variant

from .fake_systemd import NAME, PATH, Unit
from .program import Ended, children
from .steps import PATIENCE, answer, refusal

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from dbus_next.message import Message

    from .fake_systemd import FakeSystemd

GONE = refusal(f"{NAME}.NoUnitForInvocationID", "No unit with the specified invocation ID known.")


async def start(*argv: str) -> Process:
    """Start scopectl with these arguments."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scoperun.ctl", *argv, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
    )


async def scopectl(*argv: str) -> Ended:
    """Run scopectl with these arguments to its end."""
    process = await start(*argv)
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    assert process.returncode is not None
    assert b"internal error" not in err, err
    return Ended(status=process.returncode, out=out.decode(), err=err.decode(), left=children())


class Units:
    """Units of the fake that scopectl finds and acts on; each call is in `acts` with the unit's name.

    cgroup: the manager's own.
    """

    def __init__(self, systemd: FakeSystemd, runtime_dir: str) -> None:
        self.systemd = systemd
        self.acts: list[tuple[str, str]] = []
        self.states: dict[str, str] = {}
        self.cgroup = "/no/such/manager"
        self._folder = f"{runtime_dir}/systemd/transient"
        os.makedirs(self._folder, exist_ok=True)
        systemd.at |= {
            "ListUnitsByPatterns": self._list,
            "Get ControlGroup": lambda call: answer(call, "v", Variant("s", self.cgroup)),
            "Stop": self._stop,
            **dict.fromkeys(("Kill", "Freeze", "Thaw", "SetProperties"), self._take),
        }

    def add(self, name: str, *, state: str = "active", ours: bool = True) -> Unit:
        """Add a unit in this state; `ours`: scoperun has asked for it."""
        unit = Unit(name=name, properties={"PIDs": Variant("au", [])}, owner=None)
        self.systemd.units[name] = unit
        self.states[name] = state
        documentation = "man:scoperun(1)" if ours else "man:other(1)"
        with open(f"{self._folder}/{name}", "w", encoding="utf-8") as file:
            file.write(f"[Unit]\nDocumentation={documentation}\n")
        return unit

    def _list(self, call: Message) -> Message:
        rows = [
            [name, "a unit", "loaded", state, "running", "", f"{PATH}/unit/x", 0, "", "/"]
            for name, state in self.states.items()
        ]
        return answer(call, "a(ssssssouso)", rows)

    def _take(self, call: Message) -> Message:
        unit = self.systemd._by_invocation(call)  # noqa: SLF001
        if unit is None:
            return GONE(call)  # type: ignore[return-value]
        self.acts.append((call.member, unit.name))
        return answer(call)

    def _stop(self, call: Message) -> Message:
        unit = self.systemd._by_invocation(call)  # noqa: SLF001
        if unit is None:
            return GONE(call)  # type: ignore[return-value]
        self.acts.append((call.member, unit.name))
        asyncio.get_running_loop().call_soon(self.systemd.job_removed, unit, "done")
        return answer(call, "o", f"{PATH}/job/1")
