"""What decides whether a running process can be moved to another cgroup, and which processes descend from it."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.errors import ScoperunError
from scoperun.kernel.cgroup import cgroup_name_of
from scoperun.kernel.files import contents
from scoperun.kernel.process_table import fields, is_dead
from scoperun.printable import utf8
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection

_KERNEL_THREAD = 0x00200000  # PF_KTHREAD of linux/sched.h, in the flags of /proc/PID/stat
# Fields of /proc/PID/stat after the name, counted from the state.
_TERMINAL, _FLAGS = 4, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """A process as it was at one moment.

    pid, name: as /proc has them. leader: its PID, if `pid` is that of a thread. parent: the PID of its parent.
    uids: its real, effective, saved and file system user. numbers: its PID in each PID namespace from ours to its own.
    is_kernel: it is a kernel thread. is_zombie: it has ended, and its parent has not waited for it.
    rss: bytes of its memory, None if not known. cgroup: its cgroup's name, None if not known.
    has_terminal: it has a controlling terminal.
    """

    pid: int
    name: str
    leader: int
    parent: int
    uids: tuple[int, ...]
    numbers: tuple[int, ...]
    is_kernel: bool
    is_zombie: bool
    rss: int | None
    cgroup: str | None
    has_terminal: bool


def process_facts(pid: int) -> ProcessFacts | None:
    """Return what /proc says of a process or thread, None if there is none with this number."""
    found = fields(pid)
    if found is None:
        return None
    name, stat, status = found
    with suppress(KeyError, ValueError, IndexError):  # it ended while it was read
        return ProcessFacts(
            pid=pid,
            name=name,
            leader=int(status["Tgid"]),
            parent=int(status["PPid"]),
            uids=_numbers(status["Uid"]),
            numbers=_numbers(status.get("NSpid", str(pid))),
            is_kernel=bool(int(stat[_FLAGS]) & _KERNEL_THREAD),
            is_zombie=is_dead(stat),
            rss=int(status["VmRSS"].split()[0]) * 1024 if "VmRSS" in status else None,
            cgroup=cgroup_name(pid),
            has_terminal=stat[_TERMINAL] != "0",
        )
    return None


def cgroup_name(pid: int) -> str | None:
    """Return the name of a process's cgroup, None if it cannot be read."""
    with suppress(ScoperunError):
        return cgroup_name_of(pid)
    return None


def is_reaped(pidfd: int) -> bool:
    """Tell whether a process is gone, so that its PID can be another one's by now."""
    try:
        signal.pidfd_send_signal(pidfd, 0)
    except ProcessLookupError:
        return True
    except OSError:  # not ours to signal
        return False
    return False


def descendants(roots: Collection[int], *, leave_out: int = 0) -> list[int]:
    """Return the PIDs of the children of these processes, of their children, and so on; by PID, without `roots`.

    leave_out: the PID of one that is left out with all below it.
    """
    children: dict[int, list[int]] = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError, IndexError):  # it has ended
            _, _, rest = contents(f"/proc/{pid}/stat").rpartition(b") ")
            children.setdefault(int(rest.split()[1]), []).append(int(pid))
    found: set[int] = set()
    unseen = list(roots)
    while unseen:
        new = set(children.get(unseen.pop(), ())) - found - {leave_out}
        found |= new
        unseen += new
    return sorted(found - set(roots))


def _numbers(words: str) -> tuple[int, ...]:
    return tuple(map(int, words.split()))


def command_line(pid: int) -> list[str]:
    """Return the words of a process's command line; [] if they cannot be read, or if it has cleared them.

    One word and empty ones after it are taken for a title that the process has written over its words.
    """
    with suppress(OSError):
        text = contents(f"/proc/{pid}/cmdline")
        words = text.rstrip(b"\0").split(b"\0")
        if len(words) > 1:
            words = text.removesuffix(b"\0").split(b"\0")
        return [] if words == [b""] else list(map(os.fsdecode, words))
    return []


def working_directory(pid: int) -> str | None:
    """Return the directory that a process is in, None if it cannot be read."""
    with suppress(OSError):
        return utf8(os.readlink(f"/proc/{pid}/cwd"))
    return None
