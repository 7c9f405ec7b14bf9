"""Stopping when the command does, so that a shell with job control sees its job stop, and going on when it goes on.

A stopped process hears nothing. What continues the whole job, as fg does, continues us too; but the command can also be
continued or killed alone. So a child of ours watches it while we are stopped: the waker.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, NoReturn

from scoperun.kernel.process_table import is_stopped

if TYPE_CHECKING:
    from scoperun.process.child import Child


def stop_with(workload: Child, number: int, signals: int) -> int | None:
    """Stop as the command has, by signal `number`; return once continued, with the PID that the waker had.

    signals: the signalfd by which this process is told of its children; it holds back what stops a process.
    Returns None at once where no shell would continue us: without a terminal, or in an orphaned process group, in which
    the kernel has none of these signals stop a process.
    """
    # SIGSTOP cannot be held back, and stops a process in an orphaned group too.
    number = signal.SIGTSTP if number == signal.SIGSTOP else number
    if not _has_terminal():
        return None
    try:
        waker = _start_waker(workload, signals)
    except OSError:  # e.g. too many processes: better awake than asleep for ever
        return None
    # What continues us from here on takes back a stop that is held; what came before shows in the command's state.
    os.kill(os.getpid(), number)
    if workload.stopped_by() is None:
        signal.sigtimedwait({number}, 0)
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    os.kill(waker, signal.SIGKILL)
    os.waitpid(waker, 0)
    return waker


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _start_waker(workload: Child, signals: int) -> int:
    """Fork the waker.

    It is not the command's parent, and is not told when that continues. But SIGCHLD to us also wakes whatever waits for
    an epoll instance to which we have added our signalfd ("epoll(7) semantics" in signalfd(2)). Two details: none is
    sent while one is pending, so that one is taken first. And what is woken looks for signals of its own, so the waker
    has one pending; EPOLLET then has that count once for each time that it is woken.
    """
    with select.epoll() as epoll, ExitStack() as opened:
        us = os.pidfd_open(os.getpid())
        opened.callback(os.close, us)
        epoll.register(signals, select.EPOLLIN | select.EPOLLET)
        epoll.register(workload.pidfd, select.EPOLLIN)
        epoll.register(us, select.EPOLLIN)
        signal.sigtimedwait({signal.SIGCHLD}, 0)
        waker = os.fork()
        if waker == 0:
            _wake(us, workload.pid, epoll)
    return waker


def _wake(sleeper: int, command: int, epoll: select.epoll) -> NoReturn:
    """In the waker: continue the process of pidfd `sleeper` at the next news of the command."""
    try:
        os.kill(os.getpid(), signal.SIGCHLD)  # it is held
        epoll.poll()  # that is the first one to count
        if is_stopped(command):
            epoll.poll()
        signal.pidfd_send_signal(sleeper, signal.SIGCONT)  # or it is dead
    finally:
        os._exit(0)
