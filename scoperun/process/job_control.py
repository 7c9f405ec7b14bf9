"""Stop when the command stops, so that a shell with job control sees its job stop, and continue when it continues.

A stopped process receives nothing. What continues the whole job, e.g. fg, continues us too; but the command can also be
continued or killed alone. So while we are stopped a child of ours watches the command: the waker.
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
    """Stop this process by signal `number`, as the command was; return the waker's PID once continued.

    signals: the signalfd that receives SIGCHLD; the signals that stop a process are blocked.
    Return None at once if no shell would continue us: there is no terminal, or the waker cannot be started. In an
    orphaned process group the kernel does not let these signals stop a process.
    """
    # SIGSTOP cannot be blocked, and it stops a process in an orphaned process group too.
    number = signal.SIGTSTP if number == signal.SIGSTOP else number
    if not _has_terminal():
        return None
    try:
        waker = _start_waker(workload, signals)
    except OSError:  # e.g. too many processes: better not to stop than to stop forever
        return None
    # A SIGCONT from here on cancels the pending stop; an earlier one shows in the command's state.
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

    The waker is not the command's parent, so it gets no SIGCHLD when the command continues. But SIGCHLD to us also
    wakes every process that waits for an epoll instance to which we have added our signalfd ("epoll(7) semantics" in
    signalfd(2)). Two details: no SIGCHLD is sent while one is pending, so we take a pending one first. And a process
    that is woken looks for signals of its own, so the waker keeps one pending; with EPOLLET that counts once for each
    time that the waker is woken.
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
        os.kill(os.getpid(), signal.SIGCHLD)  # stays pending, as SIGCHLD is blocked
        epoll.poll()  # returns at once, for that one
        if is_stopped(command):
            epoll.poll()
        signal.pidfd_send_signal(sleeper, signal.SIGCONT)  # raises if that process is dead
    finally:
        os._exit(0)
