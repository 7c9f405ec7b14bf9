"""The two processes of a scope: if one cannot be started, that is one line, and nothing is left of either."""

from __future__ import annotations

import errno
import os
import resource
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from scoperun import ScoperunError
from scoperun.process.processes import spawn
from scoperun.spec.request import RunRequest

from .program import children

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REQUEST = RunRequest(command=("true",))


def open_files() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


@contextmanager
def room_for(number: int) -> Iterator[None]:
    """Leave room for so many more descriptors."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    filling: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(max(open_files(), key=int)) + 20, before[1]))
    try:
        with suppress(OSError):
            while True:
                filling.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(number):
            os.close(filling.pop())
        yield
    finally:
        for fd in filling:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def spawns_with_room_for(number: int) -> bool:
    """Tell whether so many descriptors are enough; if not, that must be one line, and nothing may be left."""
    files, processes = open_files(), children()
    try:
        with room_for(number), spawn(REQUEST):
            return True
    except ScoperunError as error:
        assert error.message.startswith("cannot start ")  # noqa: PT017  most of the numbers are too few
        assert error.message.endswith(": Too many open files")  # noqa: PT017
        return False
    finally:
        assert (open_files(), children()) == (files, processes)


def test_without_free_descriptors_nothing_is_left_of_the_attempt() -> None:
    """It fails at each step in turn: at the first pipe, at the second, at the pidfd, at the keeper's pipe."""
    assert [spawns_with_room_for(number) for number in range(8)] == [False] * 6 + [True] * 2


@pytest.mark.parametrize(("call", "time"), [("fork", 1), ("pidfd_open", 1), ("posix_spawn", 1), ("pidfd_open", 2)])
def test_without_room_for_a_process_it_is_one_line_and_nothing_is_left(
    call: str, time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    original: Callable[..., int] = getattr(os, call)
    calls: list[object] = []

    def refuse(*arguments: Any, **options: Any) -> int:
        calls.append(arguments)
        if len(calls) == time:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return original(*arguments, **options)

    files = open_files()
    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(ScoperunError, match=r"^cannot start .*: Resource temporarily unavailable$"), spawn(REQUEST):
        pass
    assert (open_files(), children()) == (files, [])


def refuse_signals(*_: object) -> NoReturn:
    """Raise what the kernel answers when a process has become another user's, as with sudo(8)."""
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def test_a_command_that_became_another_users_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with spawn(REQUEST) as processes:
        processes.keeper.close()
        monkeypatch.setattr(signal, "pidfd_send_signal", refuse_signals)
        processes.workload.send(signal.SIGUSR1)
        processes.workload.kill()
        assert children() == [processes.workload.pid]


def test_an_ended_command_that_became_another_users_is_reaped(monkeypatch: pytest.MonkeyPatch) -> None:
    with spawn(REQUEST) as processes:
        processes.keeper.close()
        os.kill(processes.workload.pid, signal.SIGKILL)
        os.waitid(os.P_PID, processes.workload.pid, os.WEXITED | os.WNOWAIT)
        monkeypatch.setattr(signal, "pidfd_send_signal", refuse_signals)
    assert children() == []
