"""A workload that is not our child: its end is noticed, and its status is known or None."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from scoperun.supervision.adopted import Adopted
from scoperun.supervision.herd import Herd


@pytest.mark.parametrize(("script", "status"), [("exit 3", 3), ("kill -TERM $$", -signal.SIGTERM)])
async def test_a_status_is_read_until_the_parent_has_taken_it(script: str, status: int) -> None:
    with Herd() as herd, subprocess.Popen(["sh", "-c", f"read _; {script}"], stdin=subprocess.PIPE) as process:  # noqa: ASYNC220
        herd.add(process.pid)
        adopted = Adopted(herd.members[process.pid])
        assert not adopted.ended
        assert process.stdin is not None
        process.stdin.close()
        exited = await adopted.wait()
        assert (exited.status, exited.name) == (status, "sh")
        assert adopted.ended


async def test_a_status_that_is_gone_is_never_that_of_another_process() -> None:
    """Since Linux 6.15 the pidfd still has it."""
    with Herd() as herd:
        with subprocess.Popen(["sh", "-c", "read _; exit 3"], stdin=subprocess.PIPE) as process:  # noqa: ASYNC220
            herd.add(process.pid)
        adopted = Adopted(herd.members[process.pid])
        exited = await adopted.wait()
        assert exited.status in {None, 3}
        assert (exited.name, exited.cgroup) == (None, None), "it might have executed another program since"
        assert adopted.send(signal.SIGTERM), "it went nowhere"


def test_a_signal_goes_to_the_held_process() -> None:
    with Herd() as herd, subprocess.Popen(["sleep", "1000"]) as process:
        herd.add(process.pid)
        Adopted(herd.members[process.pid]).kill()
        assert process.wait() == -signal.SIGKILL
    assert os.getpid() != process.pid
