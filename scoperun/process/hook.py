"""A program of the user's that is started when a run is over, e.g. to send a message.

It is not our command: it gets no terminal and no input, and not much time, because our caller waits for us.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

from scoperun.kernel.wait import bury, has_ended
from scoperun.process.execution import execute
from scoperun.record import dataclass
from scoperun.spec.values import signal_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from scoperun.process.identity import Identity

_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)
_NOT_EXECUTED = 125


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A program, without arguments.

    path: its absolute path. identity: the user and group to run it as, None for ours.
    within: seconds after which it is killed.
    """

    path: str
    identity: Identity | None = None
    within: float = 10.0

    def check(self) -> None:
        """Raise OSError unless it is a file that the user may execute."""
        if self.identity is None:
            _check(self.path)
            return
        with _statuses_kept():
            status = os.waitstatus_to_exitcode(os.waitpid(_forked(self._check_as_user), 0)[1])
        if status:
            raise OSError(status, os.strerror(status))

    def _check_as_user(self) -> None:
        if self.identity is not None:
            self.identity.assume()
        _check(self.path)

    def run(self, environment: Mapping[str, str]) -> str | None:
        """Start it, wait for its end, and return what went wrong, None if it exited with status 0.

        A session of its own keeps away what the terminal sends. After `within` seconds, or when a signal handler raises
        an exception here, it is killed together with its process group. Raises OSError if it cannot be forked.
        """
        failure, its_failure = os.pipe()
        with open(failure, "rb") as failed, _statuses_kept(), _woken() as woken, _blocked() as mask:
            try:
                pid = _forked(lambda: self._become(environment, mask), its_failure)
            finally:
                os.close(its_failure)
            return self._ending(pid, failed.read, woken, mask)

    def _become(self, environment: Mapping[str, str], mask: Collection[int]) -> NoReturn:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.setsid()
        for number in _PYTHON_IGNORES:
            signal.signal(number, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.set_inheritable(2, True)
        os.dup2(2, 1)
        if self.identity is not None:
            self.identity.assume()
        execute([self.path], environment)

    def _ending(self, pid: int, failure: Callable[[], bytes], woken: int, mask: Collection[int]) -> str | None:
        """Wait for the end of the child, or kill its group; return what went wrong.

        woken: see `_woken`. mask: the signals that stay blocked during the wait.
        """
        pidfd = os.pidfd_open(pid)
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            if not _ends_within(pidfd, self.within, woken):
                return f"it was killed because it had not ended after {self.within:g}s"
            ended = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
            assert ended is not None  # noqa: S101  only WNOHANG makes it so
            if ended.si_code != os.CLD_EXITED:
                return f"it was killed by {signal_name(ended.si_status)}"
            if reason := failure():
                return f"it cannot be executed: {reason.decode()}"
            return f"it exited with status {ended.si_status}" if ended.si_status else None
        finally:
            _kill_unless_ended(pid, pidfd)
            os.close(pidfd)


def _ends_within(pidfd: int, seconds: float, woken: int) -> bool:
    """Tell whether the process ends within so many seconds."""
    poll, deadline = select.poll(), time.monotonic() + seconds
    for fd in (pidfd, woken):
        poll.register(fd, select.POLLIN)
    while not has_ended(pidfd):
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        if any(fd == woken for fd, _ in poll.poll(left * 1000)):
            os.read(woken, 4096)  # the handler has run by now, and has not raised an exception
    return True


@contextmanager
def _woken() -> Iterator[int]:
    """Yield a descriptor that can be read when a signal has come.

    poll(2) alone would not notice one that comes just before it: Python runs handlers only between its own steps.
    """
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    try:
        yield woken
    finally:
        signal.set_wakeup_fd(before)
        os.close(woken)
        os.close(wake)


@contextmanager
def _blocked() -> Iterator[Collection[int]]:
    """Block all signals and yield those that were blocked before.

    A handler that raises an exception right after the fork would leave the child without a time limit.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield mask
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def _statuses_kept() -> Iterator[None]:
    """Have the kernel keep the status of a child, which it discards if we were started with SIGCHLD ignored."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before)


def _check(path: str) -> None:
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EACCES, "it is not a file")
    if not os.access(path, os.X_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _forked(action: Callable[[], object], failure: int | None = None) -> int:
    """Fork a child that calls `action`, and return its PID.

    It exits with the number of the OSError that this raises, else with 0.
    failure: a descriptor that gets the reason as text.
    """
    pid = os.fork()
    if pid:
        return pid
    status = _NOT_EXECUTED
    try:
        action()
        status = 0
    except OSError as error:
        status = error.errno or status
        if failure is not None:
            os.write(failure, (error.strerror or str(error)).encode())
    finally:
        os._exit(status)


def _kill_unless_ended(pid: int, pidfd: int) -> None:
    """Kill the group if its leader still runs, and reap the leader. Its PID cannot be reused before that."""
    if not has_ended(pidfd):
        with suppress(OSError):  # it might run as another user by now, e.g. with sudo(8)
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.killpg(pid, signal.SIGKILL)
    bury(pidfd)
