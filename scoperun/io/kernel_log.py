"""Reading the kernel log, of which the kernel's own reports of OOM kills are a part.

From /dev/kmsg where this user may read it, else from the system's journal. Never polls: both say when there is more.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from scoperun.dataclass import dataclass, field
from scoperun.io.wait import readable
from scoperun.kernel_report import LOST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_KMSG = "/dev/kmsg"
_KMSG_DEVICE = os.makedev(1, 11)
_JOURNALS = ("/run/log/journal", "/var/log/journal")
_MACHINE_ID = "/etc/machine-id"

_NOT_PERMITTED = (
    "the kernel log may not be read by this user: "
    "join group systemd-journal or adm, or set the sysctl kernel.dmesg_restrict=0"
)
_NO_JOURNAL = (
    "the kernel log may not be read by this user, and this system keeps no journal: "
    "set the sysctl kernel.dmesg_restrict=0"
)
_NO_JOURNALCTL = "the kernel log may not be read by this user, and there is no journalctl to read the journal with"

_CHUNK = 1 << 16  # a pipe's default capacity; /dev/kmsg needs 8 KiB for a record

_PATIENCE = 10
"""How many times as long as silence a log that goes on and on may be read."""


class KernelLogUnreadable(Exception):
    """Nobody lets this user read the kernel log; the text says in one line why, and what would help."""


@dataclass(slots=True, kw_only=True)
class KernelLog:
    """The kernel log from the moment that it was opened, to be closed after use.

    since: that moment, in seconds of the wall clock.
    """

    since: float
    _kmsg: _Kmsg | None

    @classmethod
    def open(cls) -> KernelLog:
        """Remember where the log ends now: what is read later comes after."""
        return cls(since=time.time(), _kmsg=_open_kmsg())

    def close(self) -> None:
        """Let go of the log."""
        if self._kmsg is not None:
            os.close(self._kmsg.fd)
            self._kmsg = None

    def __enter__(self) -> Self:
        """Return the log."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the log."""
        self.close()

    async def read(self, is_enough: Callable[[Sequence[str]], bool], *, within: float) -> list[str]:
        """Return the kernel's own records since `open`: when they are enough, or after `within` seconds of silence.

        There is something to wait for: the kernel kills first and says so afterwards, and journald hears of it later.
        A report comes record by record, so it is enough when the victims are named, not when there is a report.
        What user space writes to the kernel log is left out. Raise KernelLogUnreadable.
        """
        if self._kmsg is not None:
            return await _read(self._kmsg, is_enough, within)
        journal = _follow_journal(self.since)
        try:
            return await _read(journal, is_enough, within)
        finally:
            journal.end()


@dataclass(slots=True)
class _Kmsg:
    """/dev/kmsg, of which each read is one record."""

    fd: int
    records: list[str] = field(default_factory=list)

    def take(self) -> bool:
        """Take all that is there."""
        with suppress(BlockingIOError):
            while True:
                self._take_one()
        return True

    def _take_one(self) -> None:
        try:
            record = kmsg_record(os.read(self.fd, _CHUNK))
        except BrokenPipeError:  # the kernel has overwritten what comes next
            record = LOST
        if record is not None:
            self.records.append(record)


@dataclass(slots=True)
class _Journal:
    """A running journalctl, of which each line is one entry."""

    fd: int
    pid: int
    records: list[str] = field(default_factory=list)
    _rest: bytes = b""

    def take(self) -> bool:
        """Take what is there, return whether there can be more; raise KernelLogUnreadable if journalctl failed."""
        with suppress(BlockingIOError):
            chunk = os.read(self.fd, _CHUNK)
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            self.records += [record for record in map(journal_record, lines) if record is not None]
            return chunk != b"" or self._ended_well()
        return True

    def end(self) -> None:
        """End journalctl, whatever it is doing."""
        os.close(self.fd)
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    def _ended_well(self) -> bool:
        pid, self.pid = self.pid, 0
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status != 0:
            raise KernelLogUnreadable(f"journalctl cannot read the kernel log: it ended with exit status {status}")
        return False


def kmsg_record(data: bytes) -> str | None:
    """Return the text of a record of /dev/kmsg, None if it is not the kernel's own.

    Documentation/ABI/testing/dev-kmsg: `priority,sequence,time,flags;text`, then lines of KEY=value.
    """
    prefix, _, rest = data.partition(b";")
    priority = prefix.partition(b",")[0]
    # The kernel does not let user space have its own facility, 0.
    if not priority.isdigit() or int(priority) >> 3 != 0:
        return None
    text = rest.partition(b"\n")[0]
    return os.fsdecode(re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), text))


def journal_record(line: bytes) -> str | None:
    """Return the text of an entry of the journal as JSON, None if it is not the kernel's own.

    journald writes the fields with an underscore itself, and takes the facility from /dev/kmsg.
    """
    import json  # noqa: PLC0415  most runs read no journal

    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or (entry.get("_TRANSPORT"), entry.get("SYSLOG_FACILITY")) != ("kernel", "0"):
        return None
    match entry.get("MESSAGE"):
        case str(text):
            return text
        case [*values] if all(isinstance(value, int) and 0 <= value < 256 for value in values):
            return os.fsdecode(bytes(values))  # what is not UTF-8, or not printable
    return None


async def _read(log: _Kmsg | _Journal, is_enough: Callable[[Sequence[str]], bool], within: float) -> list[str]:
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE * within):
            while log.take() and not is_enough(log.records):
                async with asyncio.timeout(within):
                    await readable(log.fd)
    return list(log.records)


def _open_kmsg() -> _Kmsg | None:
    try:
        fd = os.open(_KMSG, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    if os.fstat(fd).st_rdev != _KMSG_DEVICE:  # in a container it may be a terminal by that name
        os.close(fd)
        return None
    os.lseek(fd, 0, os.SEEK_END)
    return _Kmsg(fd)


def _follow_journal(since: float) -> _Journal:
    """Ask journalctl for what there is and what is to come."""
    if reason := _why_unreadable():
        raise KernelLogUnreadable(reason)
    ours, its = os.pipe()
    os.set_blocking(ours, False)
    try:
        return _Journal(ours, _spawn_journalctl(since, its))
    except OSError as error:
        os.close(ours)
        raise KernelLogUnreadable(f"{_NO_JOURNALCTL}: {error.strerror}") from None
    finally:
        os.close(its)


def _spawn_journalctl(since: float, stdout: int) -> int:
    """Start journalctl, which ends by itself when nobody reads its output any more: it does not outlive us."""
    command = [
        *("journalctl", "--system", "--dmesg", "--boot", f"--since=@{since:.6f}", "--follow", "--no-tail"),
        *("--output=json", "--output-fields=MESSAGE,SYSLOG_FACILITY,_TRANSPORT"),
    ]
    return os.posix_spawnp(
        command[0],
        command,
        {"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, stdout, 1),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
        setsid=True,  # what the terminal does to our process group is not for it
        setsigmask=[],
        setsigdef=[signal.SIGPIPE],
    )


def _why_unreadable() -> str | None:
    """Return why the system's journal cannot be read; journalctl itself just prints nothing then."""
    files = [f"{folder}/{_machine_id()}/system.journal" for folder in _JOURNALS]
    if any(os.access(file, os.R_OK) for file in files):
        return None
    return _NOT_PERMITTED if any(map(_exists, files)) else _NO_JOURNAL


def _exists(file: str) -> bool:
    try:
        os.stat(file)
    except FileNotFoundError:
        return False
    except OSError:  # in a folder that is closed to us
        return True
    return True


def _machine_id() -> str:
    try:
        with open(_MACHINE_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
