"""A cgroup whose files are kept open, to read the same few numbers every second. Reads only.

Opening and closing a file takes longer than reading it.
"""

from __future__ import annotations

import errno
import os
import resource
from typing import TYPE_CHECKING

from scoperun.record import dataclass
from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from scoperun.kernel.cgroup import Cgroup

_BITE = 4096
"""Bytes, more than each of these files has."""

_LONG_BITE = 16384
"""Bytes, more than any table has; memory.stat has some 2000."""

_SPARE = 64
"""Descriptors that are left for everything else."""

_FILES = ("memory.current", "memory.max", "memory.swap.current", "pids.current", "cpu.stat", "cgroup.events")


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What a cgroup's files said at one moment; None for each file that the cgroup does not have.

    memory, swap: bytes. memory_max: its own limit in bytes, INFINITY without one. tasks: processes and threads.
    cpu: seconds of processor time since the cgroup was made. is_frozen: the kernel does not run its processes.
    """

    memory: int | None
    memory_max: int | None
    swap: int | None
    tasks: int | None
    cpu: float | None
    is_frozen: bool | None


class HeldCgroup:
    """A cgroup and its open files, to be closed after use."""

    __slots__ = ("_fds", "_inode", "_room", "cgroup")

    def __init__(self, cgroup: Cgroup, room: Room) -> None:
        """Open nothing yet. room: how many descriptors there can be."""
        self.cgroup = cgroup
        self._room = room
        self._fds: dict[str, int] = {}
        self._inode: int | None = None

    def numbers(self) -> Numbers | None:
        """Read the files; return None once the cgroup is removed, even if there is another one of that name."""
        if "cgroup.events" not in self._fds and not self._is_same():
            return None
        memory, memory_max, swap, tasks, cpu, events = map(self._read, _FILES)
        if events is None:
            return None
        return Numbers(
            memory=_number(memory),
            memory_max=_number(memory_max),
            swap=_number(swap),
            tasks=_number(tasks),
            cpu=_cpu(cpu),
            is_frozen=b"frozen 1" in events if b"frozen " in events else None,
        )

    def memory_max(self) -> int | None:
        """Read only memory.max: bytes, INFINITY without a limit, None if there is no such file."""
        return _number(self._read("memory.max"))

    def table(self, file: str) -> dict[str, int] | None:
        """Return the numbers in one of its files by their names, as Cgroup.table() does."""
        text = self._read(file, _LONG_BITE)
        if text is None:
            return None
        rows = (line.split() for line in os.fsdecode(text).splitlines())
        return {row[0]: int(row[1]) for row in rows if len(row) == 2}

    def is_there(self) -> bool:
        """Tell whether the cgroup from which numbers were read before still exists."""
        fd = self._fds.get("cgroup.events")
        if fd is None:
            return self._inode is not None and self._is_same()
        try:
            return bool(os.pread(fd, 1, 0))
        except OSError:
            return False

    def close(self) -> None:
        """Close the files."""
        for fd in self._fds.values():
            os.close(fd)
        self._room.taken -= len(self._fds)
        self._fds.clear()

    def _is_same(self) -> bool:
        """Tell whether the folder is that of the first reading: the kernel gives no two cgroups the same inode."""
        try:
            inode = os.stat(self.cgroup.path).st_ino
        except OSError:
            return False
        if self._inode is None:
            self._inode = inode
        return inode == self._inode

    def _read(self, file: str, size: int = _BITE) -> bytes | None:
        fd = self._fds.get(file)
        if fd is None:
            return self._open_and_read(file, size)
        try:
            return os.pread(fd, size, 0)
        except OSError as error:
            if error.errno != errno.ENODEV:
                return None
        # The cgroup was removed, or its controller was: then it can be back.
        os.close(self._fds.pop(file))
        self._room.taken -= 1
        return None if file == "cgroup.events" else self._open_and_read(file, size)

    def _open_and_read(self, file: str, size: int) -> bytes | None:
        try:
            fd = os.open(f"{self.cgroup.path}/{file}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return os.pread(fd, size, 0)
        except OSError:
            return None
        finally:
            if self._room.is_full:
                os.close(fd)
            else:
                self._fds[file] = fd
                self._room.taken += 1


class Room:
    """How many descriptors the cgroups of one process can keep open."""

    def __init__(self, most: int) -> None:
        """Take the number of descriptors; beyond it, files are opened for each reading."""
        self.most = most
        self.taken = 0

    @property
    def is_full(self) -> bool:
        """Whether no more files can be kept open."""
        return self.taken >= self.most


def room_of_this_process() -> Room:
    """Raise this process's limit of descriptors as far as it can be, and return the room that there is.

    Only for a program that starts no others: they would inherit the limit, which select(2) cannot cope with.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = 1 << 20 if hard == resource.RLIM_INFINITY else hard
    return Room(max(most - _SPARE, 0))


def _number(text: bytes | None) -> int | None:
    if not text:
        return None
    return INFINITY if text.startswith(b"max") else int(text)


def _cpu(text: bytes | None) -> float | None:
    """Return the seconds in usage_usec, the first line of cpu.stat."""
    if not text or not text.startswith(b"usage_usec "):
        return None
    return int(text[11 : text.index(b"\n")]) / 1e6
