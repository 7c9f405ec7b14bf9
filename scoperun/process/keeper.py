"""The process that keeps the scope's counters readable.

A cgroup is removed as soon as its last process has ended, zombies not counted, and memory.events and memory.peak go
with it; whoever reads them after the command's end loses that race about one time in five. The keeper is a process in
the scope that does nothing until we have read them. It is cat(1) or, where that is nowhere, a shell, reading a pipe
whose other end only we hold: tiny, and gone by itself if we die.
"""

from __future__ import annotations

import errno
import os
import signal
from contextlib import ExitStack, suppress

from scoperun.errors import ScoperunError
from scoperun.evidence.events import Process
from scoperun.kernel.process_table import name_of
from scoperun.kernel.wait import bury, has_ended, readable
from scoperun.process.streams import inherited_descriptors
from scoperun.record import dataclass

_CAT = ("cat",)
_SHELL = ("sh", "-c", "read -r line")
_PROGRAMS = {
    "/bin/cat": _CAT,
    "/usr/bin/cat": _CAT,
    "/run/current-system/sw/bin/cat": _CAT,  # NixOS
    "/run/current-system/profile/bin/cat": _CAT,  # Guix
    "/bin/sh": _SHELL,  # both have that, for system(3)
}
"""Where to look for a program that reads to the end of its standard input; $PATH might lead root to another user's."""

_CANNOT_BE_EXECUTED = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENOEXEC, errno.ELOOP}

_FileAction = tuple[int, ...] | tuple[int, int, str, int, int]


@dataclass(slots=True, kw_only=True)
class Keeper:
    """A process that lives until `end`, or until this process dies."""

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

    @property
    def process(self) -> Process:
        """The keeper as one of the processes of the scope."""
        return Process(pid=self.pid, name=name_of(self.pid))

    async def ends_within(self, seconds: float) -> bool:
        """Tell whether it is dead in so many seconds; a debugger that holds it might take longer."""
        import asyncio  # noqa: PLC0415  what only forks does without

        with suppress(TimeoutError):
            await asyncio.wait_for(readable(self._pidfd), seconds)
        return has_ended(self._pidfd)

    def end(self) -> None:
        """Kill the keeper; the scope can then end."""
        if self._closed:
            return
        self._closed = True
        os.close(self._pipe)
        # The closed pipe would do, but not soon if the scope is frozen or throttled. Where another part of this program
        # has waited for the keeper, its number may be another's by now.
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Kill the keeper if need be, and leave no zombie; give the descriptors back."""
        self.end()
        if self._pidfd >= 0:
            bury(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1


def spawn() -> Keeper:
    """Start a keeper, still outside of any scope: what it needs of memory is not charged there."""
    try:
        return _spawn()
    except OSError as error:
        raise ScoperunError(f"cannot start cat or sh, which holds the scope's counters: {error.strerror}") from None


def _spawn() -> Keeper:
    keeper_end, our_end = os.pipe()
    with ExitStack() as on_error:
        on_error.callback(os.close, our_end)
        try:
            pid = _start(_file_actions(keeper_end))
        finally:
            os.close(keeper_end)
        on_error.callback(_end, pid)
        keeper = Keeper(pid=pid, _pidfd=os.pidfd_open(pid), _pipe=our_end)
        on_error.pop_all()
    return keeper


def _start(file_actions: list[_FileAction]) -> int:
    """Start the first program that can be executed and return its PID."""
    failures = []
    for program, words in _PROGRAMS.items():
        try:
            return os.posix_spawn(
                program,
                words,
                {},
                file_actions=file_actions,
                # A session of its own: what the terminal does to our process group is not for the keeper. And systemd's
                # SIGTERM under OOMPolicy=stop must not end it; a blocked mask survives the exec.
                setsid=True,
                setsigmask=signal.valid_signals(),
            )
        except OSError as error:
            if error.errno not in _CANNOT_BE_EXECUTED:
                raise
            failures.append(error)
    raise failures[0]


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _file_actions(keeper_end: int) -> list[_FileAction]:
    """Give it the pipe as standard input and nothing else: whatever it held would look open to who reads it."""
    return [
        *((os.POSIX_SPAWN_CLOSE, fd) for fd in inherited_descriptors()),
        (os.POSIX_SPAWN_DUP2, keeper_end, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
