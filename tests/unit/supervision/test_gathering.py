"""What systemd is asked to move into a scope: only processes that live just before it is asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from scoperun.errors import ManagerError
from scoperun.spec.request import RunRequest
from scoperun.supervision.attachment import Wanted
from scoperun.supervision.candidates import Mover
from scoperun.supervision.gathering import gathered

from .test_candidates import process

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
    _, two, three = members = [
        SimpleNamespace(pid=pid, lives=True, facts=process(pid=pid, leader=pid)) for pid in (11, 12, 13)
    ]

    def end(number: int) -> None:
        if number == 1:
            two.lives = False

    manager = Manager(end)

    async def of_system() -> Manager:
        three.lives = False  # while the connection is made
        return manager

    managers: Any = SimpleNamespace(own=manager, of_system=of_system, is_system=False)
    herd: Any = SimpleNamespace(
        outside=lambda _: [each for each in members if each.lives and len(manager.asked) < 2],
        members={each.pid: each for each in members},
    )
    cgroup: Any = SimpleNamespace(name="/user@1.service/a.scope")
    wanted = Wanted(run=RunRequest(command=("true",)), pids=(11, 12, 13))
    mover = Mover(pid=1, uid=None, mains={}, watched=frozenset())
    assert await gathered(herd, cgroup, wanted, managers=managers, mover=mover) == {}
    assert manager.asked == [[11, 12], [11]]
