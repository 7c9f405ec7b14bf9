"""One change at a time: what reads limits, changes them and may set them back must not overlap with another."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from scoperun.console.locks import is_locked
from scoperun.console.output import say
from scoperun.errors import ScoperunError
from scoperun.systemd import unit_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OF_ROOT = "/run/scoperun.lock"
"""A file of its own for the system's units: what other users can open, they can keep locked."""

_PATIENCE = 30.0
_SILENCE = 1.0
"""Seconds for which the lock is waited for, and for how many of them without a word."""


@contextmanager
def one_at_a_time(environment: Mapping[str, str], *, system: bool) -> Iterator[None]:
    """Wait until no other scopectl changes units of this manager, and keep others waiting during the context.

    If its place is missing or not ours, there is no lock, and no error. Raises ScoperunError if the wait is long.
    """
    with ExitStack() as stack:
        with suppress(OSError):
            place = _OF_ROOT if system else os.path.dirname(unit_files.folder(environment, system=False))
            fd = _opened(place, system=system)
            stack.callback(os.close, fd)
            if os.fstat(fd).st_uid == os.geteuid():
                _lock(fd, place)
        yield


def _opened(place: str, *, system: bool) -> int:
    if system:
        return os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    return os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _lock(fd: int, place: str) -> None:
    if is_locked(fd, within=_SILENCE):
        return
    say("scopectl: waiting for another scopectl that changes units")
    if not is_locked(fd, within=_PATIENCE - _SILENCE):  # e.g. because the other one was stopped by Ctrl-Z
        raise ScoperunError(
            f"other scopectls have been changing units for {_PATIENCE:g} s",
            hint=f"lslocks shows which process holds {place}",
        )
