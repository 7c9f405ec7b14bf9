"""Running processes are held by pidfds, and no other one is taken for them."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from scoperun.kernel.process_facts import command_line, descendants, process_facts
from scoperun.supervision.herd import Herd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.kernel.process_facts import ProcessFacts


@contextmanager
def running(script: str) -> Iterator[tuple[int, str]]:
    """Run a line of sh that prints a line and then waits for its input to end."""
    process = subprocess.Popen(["sh", "-c", f"{script}\nread _"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield process.pid, process.stdout.readline().decode().strip()
    finally:
        process.communicate()


@pytest.fixture
def herd() -> Iterator[Herd]:
    """Return a herd without members."""
    with Herd() as opened:
        yield opened


def test_a_process_is_held_with_what_is_known_of_it(herd: Herd) -> None:
    with running("echo") as (pid, _):
        facts = herd.add(pid)
        assert facts is not None
        assert (facts.pid, facts.leader, facts.name, facts.parent) == (pid, pid, "sh", os.getpid())
        assert facts.uids == (os.getuid(), os.geteuid(), os.geteuid(), os.geteuid())
        assert (facts.is_kernel, facts.is_zombie) == (False, False)
        assert command_line(pid)[:2] == ["sh", "-c"]
        assert [each.pid for each in herd.living()] == [pid]
    assert herd.living() == []
    assert herd.members[pid].cgroup() is None, "its number can be another process's now"


def test_a_process_that_is_gone_is_not_held(herd: Herd) -> None:
    with running("echo") as (pid, _):
        pass
    assert herd.add(pid) is None
    assert herd.add(2**31) is None
    assert herd.members == {}


def test_a_zombie_is_held_and_known_as_one(herd: Herd) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        facts = herd.add(pid)
        assert facts is not None
        assert facts.is_zombie
        assert herd.living() == []
    finally:
        os.waitpid(pid, 0)


def test_a_thread_is_known_by_its_leader_and_not_held(herd: Herd) -> None:
    told, end = threading.Event(), threading.Event()
    numbers = []

    def work() -> None:
        numbers.append(threading.get_native_id())
        told.set()
        end.wait()

    thread = threading.Thread(target=work)
    thread.start()
    told.wait()
    try:
        facts = herd.add(numbers[0])
    finally:
        end.set()
        thread.join()
    assert facts is not None
    assert facts.leader == os.getpid()
    assert herd.members == {}


def test_descendants_are_found_at_every_depth_and_held(herd: Herd) -> None:
    with running("sh -c 'sleep 1000 & echo $$ $!; wait' &") as (pid, line):
        below = list(map(int, line.split()))
        found: list[ProcessFacts] = []
        assert set(below) <= set(descendants([pid]))
        herd.add(pid)
        herd.add_descendants(leave_out=below[1], see=found.append)
        assert {each.pid for each in found} == {below[0]}
        assert below[1] not in herd.members
        assert descendants([pid], leave_out=below[0]) == []
        for each in below:
            os.kill(each, signal.SIGKILL)


def test_a_stranger_that_has_got_the_number_of_a_descendant_is_not_held(
    herd: Herd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reused(roots: set[int], *, leave_out: int) -> list[int]:
        return sorted({*descendants(roots, leave_out=leave_out), stranger})

    with running("sleep 1000 & echo $!") as (pid, child), running("echo") as (stranger, _):
        monkeypatch.setattr("scoperun.supervision.herd.descendants", reused)
        found: list[ProcessFacts] = []
        herd.add(pid)
        before = len(os.listdir("/proc/self/fd"))
        try:
            herd.add_descendants(leave_out=0, see=found.append)
        finally:
            os.kill(int(child), signal.SIGKILL)
        assert [each.pid for each in found] == [int(child)]
        assert set(herd.members) == {pid, int(child)}
        assert len(os.listdir("/proc/self/fd")) == before + 1


def test_a_thread_of_the_kernel_is_known_as_one() -> None:
    facts = process_facts(2)  # kthreadd, unless this is a PID namespace
    if facts is not None and facts.name == "kthreadd":
        assert facts.is_kernel
    own = process_facts(os.getpid())
    assert own is not None
    assert not own.is_kernel
