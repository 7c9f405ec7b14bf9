"""One change at a time: what reads limits, changes them and may set them back must not overlap with another."""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from scoperun.systemd import unit_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OF_ROOT = "/run/scoperun.lock"
"""A file of its own for the system's units: what other users can open, they can keep locked."""


@contextmanager
def one_at_a_time(environment: Mapping[str, str], *, system: bool) -> Iterator[None]:
    """Wait until no other scopectl changes units of this manager, and keep others waiting during the context.

    If its place is missing or not ours, there is no lock, and no error.
    """
    with ExitStack() as stack:
        with suppress(OSError):
            fd = _opened(environment, system=system)
            stack.callback(os.close, fd)
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield


def _opened(environment: Mapping[str, str], *, system: bool) -> int:
    if system:
        return os.open(_OF_ROOT, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    managers_own = os.path.dirname(unit_files.folder(environment, system=False))
    return os.open(managers_own, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
