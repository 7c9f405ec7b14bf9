"""A child's end has the time from the kernel, not the time at which we notice it."""

import os
import subprocess
import sys
import time

import pytest

from scoperun.kernel.last_run import ended_by
from tests.unit.kernel.test_process_table import LEADERLESS, ended

THREADED = (
    "import threading; thread = threading.Thread(target=sum, args=(range(10**6),)); thread.start(); thread.join()"
)


def test_an_end_that_is_read_late_has_its_earlier_time() -> None:
    began = time.monotonic()
    with subprocess.Popen(["true"]) as child:
        ended(child)
        seen = time.monotonic()
        deadline = seen + 0.5
        while time.monotonic() < deadline:  # keeps the processor busy, so that its clock advances
            pass
        at = ended_by(child.pid)
    assert at is not None
    assert began < at < deadline


@pytest.mark.parametrize("program", [THREADED, LEADERLESS], ids=["threaded", "without its first thread"])
def test_the_end_of_one_thread_is_not_the_end_of_the_process(program: str) -> None:
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        child.stdin.close()
        ended(child)
        assert ended_by(child.pid) is None


def test_a_process_that_is_gone_has_no_last_run() -> None:
    with subprocess.Popen(["true"]) as child:
        child.wait()
        assert ended_by(child.pid) is None


def test_our_own_processors_are_restored() -> None:
    before = os.sched_getaffinity(0)
    with subprocess.Popen(["true"]) as child:
        ended_by(ended(child))
    assert os.sched_getaffinity(0) == before
