"""The process that keeps the scope's counters readable.

A cgroup is removed as soon as its last process has ended, zombies not counted, and memory.events and memory.peak go
with it; whoever reads them after the command's end loses that race about one time in five. The keeper is a process in
the scope that does nothing until we have read them. It is cat(1), reading a pipe whose other end only we hold: tiny,
and gone by itself if we die.
"""

from __future__ import annotations

import os
import signal

from scoperun.dataclass import dataclass
from scoperun.errors import ScoperunError

_PROGRAM = "/bin/cat"


@dataclass(slots=True, kw_only=True)
class Keeper:
    """A process that lives until `close`, or until this process dies."""

    pid: int
    _pipe: int
    _closed: bool = False

    @property
    def was_killed(self) -> bool:
        """Somebody else has killed it."""
        if self._closed:
            return False
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return ended is not None and ended.si_status == signal.SIGKILL

    def close(self) -> None:
        """End the keeper and wait until it is dead; the scope can then end."""
        if self._closed:
            return
        self._closed = True
        os.close(self._pipe)
        # The closed pipe would do, but not soon if the scope is frozen or throttled.
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def spawn() -> Keeper:
    """Start a keeper, still outside of any scope: what it needs of memory is not charged there."""
    keeper_end, our_end = os.pipe()
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
    except OSError as error:
        os.close(our_end)
        raise ScoperunError(f"cannot start {_PROGRAM}, which holds the scope's counters: {error.strerror}") from None
    finally:
        os.close(keeper_end)
    return Keeper(pid=pid, _pipe=our_end)


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
