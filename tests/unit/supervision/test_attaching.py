"""Whom systemd is asked to move into a scope: only processes that live just before it is asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from scoperun.errors import ManagerError
from scoperun.supervision.attaching import _Attaching

if TYPE_CHECKING:
    from collections.abc import Callable


class Manager:
    """A manager that refuses every call. met: called with the number of each call."""

    def __init__(self, met: Callable[[int], None]) -> None:
        self.asked: list[list[int]] = []
        self._met = met

    async def control_group(self) -> str:
        return "/user@1.service"

    async def call(self, *arguments: Any) -> list[Any]:
        self.asked.append(arguments[-1])
        self._met(len(self.asked))
        raise ManagerError("no", name="x")


async def test_a_process_that_ended_meanwhile_is_not_named_to_systemd() -> None:
    one, two, three = (SimpleNamespace(pid=pid, lives=True) for pid in (1, 2, 3))

    def end(number: int) -> None:
        if number == 1:
            two.lives = False

    manager = Manager(end)

    async def of_system() -> Manager:
        three.lives = False  # while the connection is made
        return manager

    managers = SimpleNamespace(own=manager, of_system=of_system, is_system=False)
    run = SimpleNamespace(scope_properties=tuple)
    wanted: Any = SimpleNamespace(run=run)
    nothing: Any = None
    attaching = _Attaching(managers, wanted, nothing, nothing)  # type: ignore[arg-type]
    members: Any = [one, two, three]
    cgroup: Any = SimpleNamespace(name="/user@1.service/a.scope")
    assert await attaching._moved(members, cgroup) == "no"  # noqa: SLF001
    assert manager.asked == [[1, 2], [1]]
