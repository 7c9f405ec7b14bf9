"""The process that ends when this one does, even by SIGKILL.

systemd stops the scopes that are bound to its scope. It is a shell that reads a pipe whose other end only we hold.
It uses builtins alone as long as it lives, and remembers one cgroup for each of our scopes, by a small number that is
used again: any number of scopes can come and go.

At the end of the pipe it does what systemd does not do:

* Since 257 systemd does not stop a scope that is frozen. The kernel kills frozen processes (cgroup.kill), so the guard
  has it do that. It writes to no other place than it was told: /proc/self/cgroup is the terminal's scope until systemd
  has moved it.
* systemd never notices the end of a scope whose processes were dead when it moved them in. So a guard that was told of
  no cgroup might not be in its scope yet, nor the command in its own: it lives on for another second.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from scoperun.errors import ScoperunError
from scoperun.kernel.wait import bury, has_ended
from scoperun.process.keeper import reader

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCRIPT = """
most=-1
while read -r number path; do
    eval "cgroup$number=\\$path"
    [ "$number" -le "$most" ] || most=$number
done
if [ "$most" -lt 0 ]; then
    for folder in /bin /usr/bin /run/current-system/sw/bin /run/current-system/profile/bin; do
        [ -x "$folder/sleep" ] && exec "$folder/sleep" 1
    done
fi
while [ "$most" -ge 0 ]; do
    eval "path=\\$cgroup$most"
    most=$((most - 1))
    [ -n "$path" ] || continue
    while read -r key value; do
        [ "$key $value" != "frozen 1" ] || echo 1 >"$path/cgroup.kill"
    done <"$path/cgroup.events"
done
"""
_PROGRAMS = {"/bin/sh": ("sh", "-c", _SCRIPT)}  # NixOS and Guix have it too, for system(3)

_ends: set[int] = set()
"""Our ends of the pipes of all guards, which a fork without exec must not hold open (multiprocessing)."""


class GuardProcess:
    """The process, until `end` or the end of this process. pid: its PID."""

    def __init__(self, pid: int, pidfd: int, pipe: int) -> None:
        """Take what `reader` returns."""
        os.set_blocking(pipe, False)
        self.pid = pid
        self._pidfd = pidfd
        self._pipe = pipe
        self._untold: dict[int, str] = {}
        self._is_waiting = False
        self._free: list[int] = []
        self._used = 0
        _ends.add(pipe)

    @property
    def was_lost(self) -> bool:
        """Whether it has ended although `end` was not called."""
        return self._pipe >= 0 and has_ended(self._pidfd)

    @property
    def was_ended(self) -> bool:
        """Whether `end` was called."""
        return self._pipe < 0

    @contextmanager
    def told(self, cgroup: str) -> Iterator[None]:
        """Have it know the cgroup of a scope in the context. cgroup: the path of its folder."""
        if self._free:
            number = self._free.pop()
        else:
            number, self._used = self._used, self._used + 1
        self._tell(number, cgroup)
        try:
            yield
        finally:
            self._tell(number, "")
            self._free.append(number)

    def _tell(self, number: int, cgroup: str) -> None:
        line = f"{number} {cgroup}\n"
        if len(os.fsencode(line)) > select.PIPE_BUF:  # longer than any path that can be opened
            return
        self._untold.pop(number, None)
        self._untold[number] = line
        self._send()

    def _send(self) -> None:
        """Send what it was not told yet, as far as the pipe has room: something might have stopped the guard.

        What it was told of a number takes the place of what is not sent yet, so this does not grow either.
        """
        while self._untold and self._pipe >= 0:
            number, line = next(iter(self._untold.items()))
            try:
                os.write(self._pipe, os.fsencode(line))
            except BlockingIOError:
                self._wait(True)
                return
            except BrokenPipeError:  # it was killed
                self._untold.clear()
                break
            del self._untold[number]
        self._wait(False)

    def _wait(self, wanted: bool) -> None:
        if wanted == self._is_waiting:
            return
        self._is_waiting = wanted
        loop = asyncio.get_running_loop()
        if wanted:
            loop.add_writer(self._pipe, self._send)
        else:
            loop.remove_writer(self._pipe)

    def end(self) -> None:
        """Kill it, so that its scope can end."""
        if self._pipe < 0:
            return
        self._wait(False)
        _ends.discard(self._pipe)
        # Killed before it reads the end of the pipe: nothing is to be killed by it.
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        os.close(self._pipe)
        self._pipe = -1

    def close(self) -> None:
        """Kill it if it still runs, reap it, and close the descriptors."""
        self.end()
        if self._pidfd >= 0:
            bury(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1


def spawn() -> GuardProcess:
    """Start a guard outside of its scope; raise ScoperunError."""
    try:
        return GuardProcess(*reader(_PROGRAMS))
    except OSError as error:
        raise ScoperunError(f"cannot start sh as the guard of `die_with_scoperun`: {error.strerror}") from None


def _close_ends() -> None:
    for fd in _ends:
        with suppress(OSError):
            os.close(fd)
    _ends.clear()


os.register_at_fork(after_in_child=_close_ends)
