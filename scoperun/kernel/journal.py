"""The system's journal: the kernel's records, for users that may not read /dev/kmsg, and services' messages."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scoperun.evidence.kernel_report import KernelLogUnreadable, KernelRecord
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_JOURNALS = ("/run/log/journal", "/var/log/journal")

JOURNALCTL = ("/usr/bin/journalctl", "/bin/journalctl", "/run/current-system/sw/bin/journalctl")
"""Where the system's own journalctl is; the last is for NixOS. $PATH could lead to another program."""

_NOT_PERMITTED = (
    "this user is not allowed to read the kernel log: "
    "join group systemd-journal or adm, or set the sysctl kernel.dmesg_restrict=0"
)
_NO_JOURNAL = (
    "this user is not allowed to read the kernel log, and this system keeps no journal: "
    "set the sysctl kernel.dmesg_restrict=0"
)
_NO_JOURNALCTL = "this user is not allowed to read the kernel log, and there is no journalctl to read the journal with"

_CHUNK = 1 << 16  # a pipe's default capacity
_SLACK = 1.0  # seconds; the wall clock might be slewed

# printk's own time. systemd 256 and older have it only under the second name, which is not quite right, newer ones
# under both.
_TIMES = ("_SOURCE_BOOTTIME_TIMESTAMP", "_SOURCE_MONOTONIC_TIMESTAMP")

_KERNEL = (
    "--dmesg",
    f"--output-fields=MESSAGE,SYSLOG_FACILITY,_TRANSPORT,{','.join(_TIMES)}",
    "SYSLOG_FACILITY=0",
)


@dataclass(slots=True)
class Journal:
    """A running journalctl, which prints one entry per line.

    fd: the end of its output. pid: 0 once it was reaped.
    parse: returns the record in an entry, None if the entry is not wanted.
    """

    fd: int
    pid: int
    parse: Callable[[bytes], KernelRecord | None]
    _rest: bytes = b""

    def take(self) -> Sequence[KernelRecord] | None:
        """Return the records that are there, None at the end; raise KernelLogUnreadable if journalctl failed."""
        with suppress(BlockingIOError):
            chunk = os.read(self.fd, _CHUNK)
            if not chunk:
                self._see_it_ended_well()
                return None
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            return [record for record in map(self.parse, lines) if record is not None]
        return []

    def close(self) -> None:
        """Kill journalctl."""
        os.close(self.fd)
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    def _see_it_ended_well(self) -> None:
        pid, self.pid = self.pid, 0
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status != 0:
            raise KernelLogUnreadable(f"journalctl cannot read the kernel log: it ended with exit status {status}")


def journal_record(line: bytes) -> KernelRecord | None:
    """Return the record in a JSON entry of the journal, None if it is not from the kernel.

    journald itself writes the fields that begin with an underscore, and takes the facility from /dev/kmsg.
    """
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or (entry.get("_TRANSPORT"), entry.get("SYSLOG_FACILITY")) != ("kernel", "0"):
        return None
    usec = next((entry[name] for name in _TIMES if name in entry), None)
    at = int(usec) / 1e6 if isinstance(usec, str) and usec.isascii() and usec.isdigit() else None
    text = message_in(entry)
    return None if text is None else KernelRecord(text, at)


def message_in(entry: dict[str, Any]) -> str | None:
    """Return the MESSAGE of an entry, None if it has none."""
    match entry.get("MESSAGE"):
        case str(text):
            return text
        case [*values] if all(isinstance(value, int) and 0 <= value < 256 for value in values):
            return os.fsdecode(bytes(values))  # text that is not UTF-8 or not printable
    return None


def follow_journal(since: float, root: str = "", *, to_come: bool = True) -> Journal:
    """Start journalctl for the kernel's records since a time of the wall clock, and for those to come.

    since: seconds since 1970. root: the folder with the system's files, its journalctl too; by default /.
    to_come: without it, journalctl ends after the records that there are.
    Raise KernelLogUnreadable if this user may not read the journal, or journalctl cannot be started.
    """
    see_readable(root)
    return (follow if to_come else read)(since, _KERNEL, journal_record, root)


def follow(
    since: float, words: Sequence[str], parse: Callable[[bytes], KernelRecord | None], root: str = ""
) -> Journal:
    """Start journalctl for the entries since a time of the wall clock, and for those to come.

    words: options and matches that choose the entries, and the fields that are needed. The rest is as for Journal and
    follow_journal.
    """
    return read(since, ("--follow", "--no-tail", *words), parse, root)


def read(since: float, words: Sequence[str], parse: Callable[[bytes], KernelRecord | None], root: str = "") -> Journal:
    """Start journalctl for the entries since a time of the wall clock, as `follow` does, but not for those to come."""
    ours, its = os.pipe()
    os.set_blocking(ours, False)
    try:
        return Journal(ours, _spawn_journalctl(since - _SLACK, words, its, root), parse)
    except OSError as error:
        os.close(ours)
        raise KernelLogUnreadable(f"{_NO_JOURNALCTL}: {error.strerror}") from None
    finally:
        os.close(its)


def _spawn_journalctl(since: float, words: Sequence[str], stdout: int, root: str) -> int:
    """Start journalctl and return its PID. It does not outlive us: it ends once its output has no reader."""
    programs = [root + program for program in JOURNALCTL]
    program = next(filter(os.path.exists, programs), programs[0])
    command = [
        *("journalctl", "--system", "--boot", f"--since=@{since:.6f}", "--output=json"),
        *words,
    ]
    return os.posix_spawn(
        program,
        command,
        {"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, stdout, 1),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
        setsid=True,  # keeps away what the terminal sends to our process group
        setsigmask=[],
        setsigdef=[signal.SIGPIPE],
    )


def see_readable(root: str = "") -> None:
    """Raise KernelLogUnreadable if this user may not read the system's journal below `root`."""
    if reason := _why_unreadable(root):
        raise KernelLogUnreadable(reason)


def _why_unreadable(root: str) -> str | None:
    """Return why the system's journal cannot be read, None if it can. journalctl itself just prints nothing."""
    if is_readable(root):
        return None
    return _NOT_PERMITTED if is_kept(root) else _NO_JOURNAL


def is_readable(root: str = "") -> bool:
    """Tell whether this user may read the system's journal."""
    return any(os.access(file, os.R_OK) for file in _files(root))


def is_kept(root: str = "") -> bool:
    """Tell whether the system keeps a journal."""
    return any(map(_exists, _files(root)))


def folders_of_journals(root: str = "") -> list[str]:
    """Return the folders in which this machine's journals can be."""
    machine_id = _machine_id(root)
    return [f"{root}{folder}/{machine_id}" for folder in _JOURNALS]


def _files(root: str) -> Iterator[str]:
    """Yield the paths of the files that can be the system's journal.

    While journald renames a full file and makes another, there are only those that it has written before.
    """
    folders = folders_of_journals(root)
    yield from (f"{folder}/system.journal" for folder in folders)
    for folder in folders:
        with suppress(OSError):
            yield from (f"{folder}/{name}" for name in os.listdir(folder) if name.startswith("system@"))


def _exists(file: str) -> bool:
    try:
        os.stat(file)
    except FileNotFoundError:
        return False
    except OSError:  # in a folder that we may not search
        return True
    return True


def _machine_id(root: str) -> str:
    try:
        with open(f"{root}/etc/machine-id", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""
