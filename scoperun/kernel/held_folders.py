"""Descriptors of a scope's cgroups: their extended attributes can be read through these after the cgroups are removed.

systemd-oomd writes its mark and then kills, and systemd or the command can remove the empty cgroup before we read it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from scoperun.kernel.files import attribute
from scoperun.record import dataclass

if TYPE_CHECKING:
    from scoperun.kernel.cgroup import Cgroup

_MOST = 32
"""The most folders that are held; a container runtime can make and remove any number of cgroups."""


@dataclass(frozen=True, slots=True)
class HeldFolder:
    """A cgroup and an open descriptor of its folder."""

    cgroup: Cgroup
    fd: int

    def attribute(self, name: str) -> bytes | None:
        """Return an extended attribute, b"" if it is not set, None if it cannot be read."""
        return attribute(self.fd, name)


class HeldFolders:
    """The held folders of one scope, to be closed after use: that of the scope, and of cgroups that were seen in it."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._by_inode: dict[int, HeldFolder] = {}  # not by name: a removed cgroup can be followed by one of its name
        self._is_closed = False

    def __enter__(self) -> Self:
        """Return the held folders."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the descriptors; nothing is held from now on."""
        self._is_closed = True
        while self._by_inode:
            os.close(self._by_inode.popitem()[1].fd)

    def hold(self, cgroup: Cgroup) -> None:
        """Hold a cgroup's folder, unless it is gone or cannot be opened. Of too many, the first stays: the scope."""
        with suppress(OSError):
            inode = os.stat(cgroup.path).st_ino
            if inode in self._by_inode or self._is_closed:
                return
            fd = os.open(cgroup.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._by_inode[inode] = HeldFolder(cgroup, fd)
            if len(self._by_inode) > _MOST:
                _, second, *_ = self._by_inode
                os.close(self._by_inode.pop(second).fd)

    def of(self, cgroup: Cgroup) -> HeldFolder | None:
        """Return the held folder of a cgroup, None if it is not held."""
        return next((held for held in self._by_inode.values() if held.cgroup == cgroup), None)

    def removed(self) -> list[HeldFolder]:
        """Return the folders of cgroups that have been removed."""
        return [held for inode, held in self._by_inode.items() if _inode(held.cgroup.path) != inode]


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None
