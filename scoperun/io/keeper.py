"""The process that keeps the scope's counters readable.

A cgroup is removed as soon as its last process has ended, zombies not counted, and memory.events and memory.peak go
with it; whoever reads them after the command's end loses that race about one time in five. The keeper is a process in
the scope that does nothing until we have read them. It is cat(1), reading a pipe whose other end only we hold: tiny,
and gone by itself if we die.
"""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack, suppress

from scoperun.dataclass import dataclass
from scoperun.errors import ScoperunError

_PROGRAM = "/bin/cat"


@dataclass(slots=True, kw_only=True)
class Keeper:
    """A process that lives until `close`, or until this process dies."""

    pid: int
    _pidfd: int
    _pipe: int
    _closed: bool = False

    @property
    def was_killed(self) -> bool:
        """Somebody else has killed it."""
        if self._closed:
            return False
        try:
            ended = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # another part of this program was told; nothing else ends it while we hold the pipe
            return True
        return ended is not None and ended.si_status == signal.SIGKILL

    def close(self) -> None:
        """End the keeper and wait until it is dead; the scope can then end."""
        if self._closed:
            return
        self._closed = True
        os.close(self._pipe)
        # The closed pipe would do, but not soon if the scope is frozen or throttled. Where another part of this program
        # has waited for the keeper, its number may be another's by now.
        with suppress(ProcessLookupError, ChildProcessError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        os.close(self._pidfd)


def spawn() -> Keeper:
    """Start a keeper, still outside of any scope: what it needs of memory is not charged there."""
    try:
        return _spawn()
    except OSError as error:
        raise ScoperunError(f"cannot start {_PROGRAM}, which holds the scope's counters: {error.strerror}") from None


def _spawn() -> Keeper:
    keeper_end, our_end = os.pipe()
    with ExitStack() as on_error:
        on_error.callback(os.close, our_end)
        try:
            pid = os.posix_spawn(
                _PROGRAM,
                ["cat"],
                {},
                file_actions=_file_actions(keeper_end),
                # A session of its own: what the terminal does to our process group is not for the keeper. And systemd's
                # SIGTERM under OOMPolicy=stop must not end it; a blocked mask survives the exec.
                setsid=True,
                setsigmask=signal.valid_signals(),
            )
        finally:
            os.close(keeper_end)
        on_error.callback(_end, pid)
        keeper = Keeper(pid=pid, _pidfd=os.pidfd_open(pid), _pipe=our_end)
        on_error.pop_all()
    return keeper


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _file_actions(keeper_end: int) -> list[tuple[int, ...] | tuple[int, int, str, int, int]]:
    """Give it the pipe as standard input and nothing else: whatever it held would look open to who reads it."""
    inherited = [fd for fd in map(int, os.listdir("/proc/self/fd")) if _is_inherited(fd)]
    return [
        *((os.POSIX_SPAWN_CLOSE, fd) for fd in inherited),
        (os.POSIX_SPAWN_DUP2, keeper_end, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]


def _is_inherited(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:  # the descriptor of the listing itself
        return False
