"""The process with which a run ends is held before anything starts, or there is a clear error."""

import asyncio
import os
import subprocess

import pytest

from scoperun.errors import ScoperunError
from scoperun.process.parent import own_parent, process


def test_the_own_parent_lives() -> None:
    with own_parent(os.getppid()) as parent:
        assert parent.pid == os.getppid()
        parent.see_alive()


def test_a_parent_outside_of_the_pid_namespace_is_refused() -> None:
    with pytest.raises(
        ScoperunError, match=r"outside of this PID namespace, where its end cannot be seen \(with a PID"
    ):
        own_parent(0)


def test_another_parent_than_at_first_means_that_the_first_has_ended() -> None:
    with pytest.raises(ScoperunError, match=r"^the parent has ended already$"):
        own_parent(os.getpid())


def test_a_parent_that_is_gone_has_ended() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    with pytest.raises(ScoperunError, match=r"^the parent has ended already$"):
        own_parent(gone.pid)
    with pytest.raises(ScoperunError, match=rf"^there is no process {gone.pid} \(or it is hidden"):
        process(gone.pid)


def test_a_zombie_has_ended() -> None:
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(ScoperunError, match=rf"^process {zombie.pid} has ended already$"):
        process(zombie.pid)
    zombie.wait()


def test_scoperun_does_not_wait_for_its_own_end() -> None:
    with pytest.raises(ScoperunError, match=rf"^process {os.getpid()} is scoperun itself$"):
        process(os.getpid())


@pytest.fixture
def orphan() -> int:
    """Return the PID of a process that is not our child."""
    return int(subprocess.check_output(["sh", "-c", "sleep 1000 >/dev/null & echo $!"]))


async def test_the_end_of_a_process_that_is_not_our_child_is_noticed(orphan: int) -> None:
    pid = orphan
    with process(pid) as held:
        held.see_alive()
        os.kill(pid, 9)
        await asyncio.wait_for(held.ended(), 20)
        with pytest.raises(ScoperunError, match=rf"^process {pid} has ended before the command had started$"):
            held.see_alive("before the command had started")


def test_a_refusal_keeps_no_descriptor() -> None:
    before = os.listdir("/proc/self/fd")
    for refused in (own_parent, process):
        with pytest.raises(ScoperunError):
            refused(os.getpid())
    assert os.listdir("/proc/self/fd") == before
