"""The process that keeps the scope's counters readable.

A cgroup is removed as soon as its last process has ended, zombies not counted, and memory.events and memory.peak go
with it: reading them after the command's end loses that race about one time in five. The keeper is a process in the
scope that does nothing until we have read them. It is cat(1), or a shell where cat is missing, and reads a pipe whose
other end only we hold: it is tiny, and ends by itself if we die.
"""

from __future__ import annotations

import errno
import os
import signal
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from scoperun.errors import ScoperunError
from scoperun.evidence.events import Process
from scoperun.kernel.process_table import name_of
from scoperun.kernel.wait import bury, has_ended, readable
from scoperun.process.streams import inherited_descriptors
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

_CAT = ("cat",)
_SHELL = ("sh", "-c", "read -r line")
_PROGRAMS = {
    "/bin/cat": _CAT,
    "/usr/bin/cat": _CAT,
    "/run/current-system/sw/bin/cat": _CAT,  # NixOS
    "/run/current-system/profile/bin/cat": _CAT,  # Guix
    "/bin/sh": _SHELL,  # both have that, for system(3)
}
"""Programs that read their standard input, and their arguments. $PATH could lead root to another user's program."""

_ALL_SIGNALS = frozenset(signal.valid_signals())

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
        """Whether something other than `end` has killed it."""
        if self._closed:
            return False
        try:
            ended = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # another part of this program reaped it; only a kill ends it while we hold the pipe
            return True
        return ended is not None and ended.si_status == signal.SIGKILL

    @property
    def process(self) -> Process:
        """The keeper as a process of the scope."""
        return Process(pid=self.pid, name=name_of(self.pid))

    async def ends_within(self, seconds: float) -> bool:
        """Tell whether it is dead within so many seconds; a debugger can hold it for longer."""
        import asyncio  # noqa: PLC0415  code that only forks does not need it

        with suppress(TimeoutError):
            await asyncio.wait_for(readable(self._pidfd), seconds)
        return has_ended(self._pidfd)

    def end(self) -> None:
        """Kill the keeper, so that the scope can end."""
        if self._closed:
            return
        self._closed = True
        os.close(self._pipe)
        # The closed pipe would end it as well, but not soon if the scope is frozen or throttled. A pidfd, because its
        # PID can be reused by now if another part of this program has reaped it.
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Kill the keeper if it still runs, reap it, and close the descriptors."""
        self.end()
        if self._pidfd >= 0:
            bury(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1


def spawn() -> Keeper:
    """Start a keeper outside the scope, so that its memory is not charged there; raise ScoperunError."""
    try:
        return _spawn()
    except OSError as error:
        raise ScoperunError(f"cannot start cat or sh, which holds the scope's counters: {error.strerror}") from None


def _spawn() -> Keeper:
    pid, pidfd, our_end = reader(_PROGRAMS)
    return Keeper(pid=pid, _pidfd=pidfd, _pipe=our_end)


def reader(programs: Mapping[str, tuple[str, ...]]) -> tuple[int, int, int]:
    """Start a process that reads a pipe, detached from all else of ours; raise OSError.

    programs: paths and their words; the first that can be executed is. Returns its PID, its pidfd and our end.
    """
    its_end, our_end = os.pipe()
    with ExitStack() as on_error:
        on_error.callback(os.close, our_end)
        try:
            pid = _start(programs, _file_actions(its_end))
        finally:
            os.close(its_end)
        on_error.callback(_end, pid)
        pidfd = os.pidfd_open(pid)
        on_error.pop_all()
    return pid, pidfd, our_end


def _start(programs: Mapping[str, tuple[str, ...]], file_actions: list[_FileAction]) -> int:
    """Start the first program that can be executed and return its PID."""
    failures = []
    for program, words in programs.items():
        try:
            return os.posix_spawn(
                program,
                words,
                {},
                file_actions=file_actions,
                # A session of its own keeps away what the terminal sends to our process group. All signals are blocked,
                # because systemd's SIGTERM, e.g. under OOMPolicy=stop, must not end it; the mask survives the exec.
                setsid=True,
                setsigmask=_ALL_SIGNALS,
            )
        except OSError as error:
            if error.errno not in _CANNOT_BE_EXECUTED:
                raise
            failures.append(error)
    raise failures[0]


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _file_actions(its_end: int) -> list[_FileAction]:
    """Give it the pipe as standard input and close what it inherits, which would keep others' pipes open."""
    return [
        (os.POSIX_SPAWN_DUP2, its_end, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, 1, 2),
        *_closing_the_rest(),
    ]


def _closing_the_rest() -> list[tuple[int, int]]:
    close_from: int | None = getattr(os, "POSIX_SPAWN_CLOSEFROM", None)  # since Python 3.13
    if close_from is not None:
        return [(close_from, 3)]
    # Among 32 runs at once, the list takes 0.4 ms.
    return [(os.POSIX_SPAWN_CLOSE, fd) for fd in inherited_descriptors() if fd > 2]
