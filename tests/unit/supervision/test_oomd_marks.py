"""A mark of systemd-oomd is believed if the marked cgroup's processes were killed, and stays refused if they lived."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from scoperun.evidence.events import Counters, OomdMark
from scoperun.kernel.cgroup import Cgroup
from scoperun.record import replace
from scoperun.supervision.settling import OomdMarks
from tests.unit.stories import START, counted

MARK = OomdMark(1, cgroup=START.cgroup)
GONE = Counters(oomd_marks=(MARK,))


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process that is killed at the end."""
    with subprocess.Popen(["sleep", "1000"]) as sleeper:
        yield sleeper
        sleeper.kill()


class Scope:
    """A scope with these marks."""

    cgroup = Cgroup(str(START.cgroup), "/nonexistent")

    def __init__(self, marks: list[OomdMark]) -> None:
        self._marks = marks

    def oomd_marks(self) -> list[OomdMark]:
        return self._marks


def marks_on(scope: Scope, keeper: int) -> OomdMarks:
    return OomdMarks(cast("Any", scope), cast("Any", SimpleNamespace(pid=keeper)))


async def test_a_mark_is_believed_if_the_keeper_was_killed_too(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    marks = marks_on(Scope([replace(MARK, pids=(process.pid,))]), process.pid)
    await marks.look(was_killed=True)
    assert marks.judged(GONE).oomd_kills == 1


async def test_processes_that_were_killed_below_the_scope_are_waited_for(process: subprocess.Popen[bytes]) -> None:
    """The command can end before all of them have."""
    marks = marks_on(Scope([OomdMark(1, pids=(process.pid,), cgroup=f"{START.cgroup}/work")]), os.getpid())
    asyncio.get_running_loop().call_later(0.1, process.kill)
    await marks.look(was_killed=False)
    assert process.poll() is not None


async def test_a_forged_mark_is_not_believed_later_because_the_cgroup_is_gone(process: subprocess.Popen[bytes]) -> None:
    """E.g. systemd killed the keeper in the end, because the leftovers did not end."""
    forged = replace(MARK, pids=(process.pid,))
    marks = marks_on(Scope([forged]), process.pid)
    await marks.look(was_killed=True)
    assert marks.judged(counted(0, oomd_marks=(forged,))).oomd_kills == 0
    assert marks.judged(GONE).oomd_kills == 0


@pytest.mark.parametrize("pids", [(), (1,)])
async def test_the_mark_on_the_scope_is_not_believed_if_the_command_ended_by_itself(pids: tuple[int, ...]) -> None:
    """E.g. it had systemd stop the scope, and systemd kills the keeper or has killed it."""
    marks = marks_on(Scope([replace(MARK, pids=pids)]), 1)
    await marks.look(was_killed=False)
    assert marks.judged(GONE).oomd_kills == 0


def test_a_mark_that_came_while_leftovers_were_awaited_is_believed() -> None:
    marks = marks_on(Scope([]), os.getpid())
    assert marks.judged(counted(0)).oomd_kills == 0
    assert marks.judged(GONE).oomd_kills == 1
