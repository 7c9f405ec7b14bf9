"""A systemd that knows some units, notes what it is asked to do, and can refuse."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from scoperun.ctl.session import Session
from scoperun.spec.scope import unit_at

if TYPE_CHECKING:
    from scoperun.errors import ManagerError


class FakeManager:
    """Answers the calls that `scopectl top` makes. units, cgroups: each unit's description and cgroup by its name."""

    def __init__(self) -> None:
        self.units: dict[str, str] = {}
        self.cgroups: dict[str, str] = {}
        self.done: list[tuple[Any, ...]] = []
        self.refusal: ManagerError | None = None
        self.identifies, self.acts = asyncio.Event(), asyncio.Event()  # what is not set waits
        self.lists = asyncio.Event()
        for event in (self.identifies, self.acts, self.lists):
            event.set()

    def session(self) -> Session:
        return Session(self, system=False)  # type: ignore[arg-type]

    async def call(self, member: str, _signature: str, *arguments: Any, answer: str = "") -> list[Any]:
        assert (member, answer) == ("ListUnitsByPatterns", "a(ssssssouso)")
        await self.lists.wait()
        if self.refusal is not None:
            raise self.refusal
        wanted = [pattern.replace("\\\\", "\\") for pattern in arguments[1]]
        rows = [[name, text, "loaded", "active", "running"] for name, text in self.units.items() if name in wanted]
        return [rows]

    async def get(self, path: str, _interface: str, name: str) -> Any:
        if name == "ControlGroup":
            await self.lists.wait()
            return self.cgroups.get(unit_at(path) or "", "")
        assert name == "InvocationID"
        await self.identifies.wait()
        return b"\x01" * 16

    async def call_object(
        self, path: str, _interface: str, member: str, _signature: str, *arguments: Any, once: bool = False
    ) -> list[Any]:
        assert once == (member == "Kill"), "a signal is sent once"
        await self.acts.wait()
        if self.refusal is not None:
            raise self.refusal
        self.done.append((path, member, *arguments))
        return ["/org/freedesktop/systemd1/job/1"]
