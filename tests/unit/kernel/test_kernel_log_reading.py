"""The kernel's own records are read once each, from /dev/kmsg or the journal."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from scoperun.evidence.kernel_clock import KernelClock
from scoperun.evidence.kernel_report import KernelLogUnreadable, KernelRecord
from scoperun.kernel.journal import journal_record
from scoperun.kernel.kmsg import kmsg_record
from scoperun.kernel.log import KernelLog, read_back


@pytest.mark.parametrize(
    ("data", "record"),
    [
        (b"6,180,3230000,-;memory: usage 1kB\n", KernelRecord("memory: usage 1kB", 3.23)),
        (b"3,1,2,c,caller=T12;a;b,c\n SUBSYSTEM=usb\n DEVICE=+usb:1-1\n", KernelRecord("a;b,c", 2e-6)),
        (
            b"4,1,2,-;two\\x0alines caf\\xc3\\xa9 \\x5cx41 \\xff\n",
            KernelRecord("two\nlines café \\x41 \udcff", 2e-6),
        ),
        (b"6,1,2,-;\n", KernelRecord("", 2e-6)),
        (b"6,1;no time\n", KernelRecord("no time")),
        (b"12,1,2,-;from a program\n", KernelRecord("", 2e-6)),  # facility 1, user
        (b"30,1,2,-;from systemd\n", KernelRecord("", 2e-6)),
        (b"garbage", KernelRecord("")),
        (b"", KernelRecord("")),
    ],
)
def test_a_record_of_kmsg_is_used_if_it_is_the_kernels(data: bytes, record: KernelRecord) -> None:
    assert kmsg_record(data) == record


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"MESSAGE": "two\nlines"}, "two\nlines"),
        ({"MESSAGE": [0xFF, 0x0A, 0xC3, 0xA9]}, "\udcff\né"),
        ({"MESSAGE": None}, None),
        ({"MESSAGE": ["one", "two"]}, None),
        ({"MESSAGE": [-1]}, None),
        ({}, None),
        ({"MESSAGE": "from a program", "SYSLOG_FACILITY": "1"}, None),
        ({"MESSAGE": "from syslog(3)", "_TRANSPORT": "syslog"}, None),
    ],
)
def test_an_entry_of_the_journal_is_used_if_it_is_the_kernels(entry: dict[str, Any], text: str | None) -> None:
    whole = {"_TRANSPORT": "kernel", "SYSLOG_FACILITY": "0"} | entry
    record = journal_record(json.dumps(whole).encode())
    assert (record and record.text) == text


@pytest.mark.parametrize(
    ("times", "at"),
    [
        ({"_SOURCE_MONOTONIC_TIMESTAMP": "3230000"}, 3.23),
        ({"_SOURCE_MONOTONIC_TIMESTAMP": "9", "_SOURCE_BOOTTIME_TIMESTAMP": "3230000"}, 3.23),
        ({"__MONOTONIC_TIMESTAMP": "3230000"}, None),  # when journald received it
        ({"_SOURCE_MONOTONIC_TIMESTAMP": "soon"}, None),
        ({"_SOURCE_MONOTONIC_TIMESTAMP": ["1", "2"]}, None),
    ],
)
def test_an_entry_has_the_time_of_the_kernels_record(times: dict[str, Any], at: float | None) -> None:
    entry = {"_TRANSPORT": "kernel", "SYSLOG_FACILITY": "0", "MESSAGE": "one"} | times
    assert journal_record(json.dumps(entry).encode()) == KernelRecord("one", at)


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"5", b'"text"', b"\xff"])
def test_an_invalid_entry_is_skipped(line: bytes) -> None:
    assert journal_record(line) is None


# journalctl


JOURNAL = "run/log/journal/m/system.journal"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of a file system with a readable journal, and without /dev/kmsg and journalctl."""
    for folder in ("dev", "etc", "bin", "run/log/journal/m"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc" / "machine-id").write_text("m\n", encoding="ascii")
    (tmp_path / JOURNAL).touch()
    return tmp_path


def says(program: Path, *lines: str) -> None:
    """Make an executable script."""
    program.write_text("\n".join(["#!/bin/sh", *lines]), encoding="ascii")
    program.chmod(0o755)


def journalctl_says(root: Path, *lines: str) -> None:
    """Make the journalctl of a file system, but not as /usr/bin/journalctl, which is tried first."""
    says(root / "bin" / "journalctl", *lines)


def entry(text: str, *, at: float | None = None) -> str:
    times = {} if at is None else {"_SOURCE_MONOTONIC_TIMESTAMP": str(int(at * 1e6))}
    return json.dumps({"_TRANSPORT": "kernel", "SYSLOG_FACILITY": "0", "MESSAGE": text} | times)


def echo(text: str, *, at: float | None = None) -> str:
    return f"echo '{entry(text, at=at)}'"


class Reader:
    """Takes records until there is one with this text."""

    def __init__(self, until: str | None = None) -> None:
        self.texts: list[str] = []
        self._until = until

    def __call__(self, records: Sequence[KernelRecord]) -> bool:
        self.texts += [record.text for record in records]
        return self._until in self.texts


async def read(
    root: Path, reader: Callable[[Sequence[KernelRecord]], bool], *, within: float, since: float | None = None
) -> bool:
    with KernelLog.open(str(root)) as log:
        return await log.read(reader, within=within, since=since)


async def test_journalctl_is_read_until_the_reader_has_enough(root: Path) -> None:
    journalctl_says(root, echo("one"), echo("two"), "exec sleep 1000")
    reader = Reader(until="two")
    assert await read(root, reader, within=60)
    assert reader.texts == ["one", "two"]


async def test_journalctl_is_read_until_it_is_silent(root: Path) -> None:
    journalctl_says(root, echo("one"), "exec sleep 1000")
    reader = Reader()
    assert await read(root, reader, within=0.2)
    assert reader.texts in (["one"], [])


async def test_journalctl_is_read_until_it_ends(root: Path) -> None:
    journalctl_says(root, echo("one"))
    reader = Reader()
    assert await read(root, reader, within=60)
    assert reader.texts == ["one"]


async def test_reading_ends_at_a_record_that_is_newer_than_its_start(root: Path) -> None:
    """Records come in order, so no earlier one is still to come."""
    later = time.monotonic() + 30
    journalctl_says(root, echo("one", at=later - 30), echo("two", at=later), "while :; do sleep 0.01; echo {}; done")
    reader = Reader()
    assert await read(root, reader, within=60)
    assert reader.texts == ["one", "two"]


async def test_a_log_that_never_pauses_is_not_read_to_its_end(root: Path) -> None:
    journalctl_says(root, echo("one"), "while :; do echo {}; done")
    reader = Reader()
    assert not await read(root, reader, within=0.1)
    assert reader.texts in (["one"], [])


async def test_older_records_are_left_out(root: Path) -> None:
    """Older records come if journald was stopped at the time, or if the wall clock was set back since."""
    now = time.monotonic()
    journalctl_says(root, echo("old", at=now - 5), echo("new", at=now + 0.5), echo("of no known time"))
    reader = Reader()
    await read(root, reader, within=60)
    assert reader.texts == ["new", "of no known time"]
    journalctl_says(root, echo("old", at=now - 5), echo("new", at=now - 1))
    reader = Reader()
    await read(root, reader, within=60, since=now - 2)
    assert reader.texts == ["new"]


async def test_journalctl_starts_early_enough_whatever_the_clock_was_set_to(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journalctl_says(root, f"cat <<END\n{entry('$*')}\nEND")
    now = time.time()
    for hours in (-1, 0, 1):
        with KernelLog.open(str(root)) as log, monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda hours=hours: now + hours * 3600)
            reader = Reader()
            await log.read(reader, within=60)
        since = float(reader.texts[0].partition("--since=@")[2].split()[0])
        assert 0 < min(now, now + hours * 3600) - since < 60


async def test_a_failing_journalctl_is_an_error(root: Path) -> None:
    journalctl_says(root, "exit 3")
    with pytest.raises(KernelLogUnreadable, match=r"ended with exit status 3$"):
        await read(root, Reader(), within=60)


async def test_a_missing_journalctl_is_an_error(root: Path) -> None:
    with pytest.raises(KernelLogUnreadable, match="there is no journalctl"):
        await read(root, Reader(), within=60)


async def test_a_journalctl_in_path_is_not_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journalctl_says(root, echo("one"))
    forger = root / "elsewhere" / "journalctl"
    forger.parent.mkdir()
    says(forger, echo("forged"))
    monkeypatch.setenv("PATH", str(forger.parent), prepend=":")
    reader = Reader()
    await read(root, reader, within=60)
    assert reader.texts == ["one"]


async def test_a_journal_is_kept_in_the_moment_in_which_journald_takes_another_file(root: Path) -> None:
    (root / JOURNAL).rename((root / JOURNAL).with_name("system@0c-0000000000000001-00065.journal"))
    journalctl_says(root, echo("one"))
    reader = Reader()
    assert await read(root, reader, within=60)
    assert reader.texts == ["one"]


async def test_a_missing_journal_is_an_error(root: Path) -> None:
    (root / JOURNAL).unlink()
    with pytest.raises(KernelLogUnreadable, match="keeps no journal"):
        await read(root, Reader(), within=60)


async def test_a_file_in_place_of_the_kernel_log_is_not_read(root: Path) -> None:
    """In a container /dev/kmsg can be the console."""
    (root / "dev" / "kmsg").write_text("6,1,2,-;forged\n", encoding="ascii")
    journalctl_says(root, echo("one"))
    reader = Reader()
    assert await read(root, reader, within=60)
    assert reader.texts == ["one"]


async def test_the_past_is_read_back_without_what_is_still_to_come(root: Path) -> None:
    now = time.monotonic()
    words = echo("with --follow", at=now - 1)
    journalctl_says(root, f'case "$*" in *follow*) {words};; esac', echo("old", at=now - 9), echo("new", at=now - 1))
    reader = Reader()
    assert await read_back(reader, since=now - 5, root=str(root))
    assert reader.texts == ["new"]


async def test_the_past_begins_at_the_time_that_the_wall_clock_had(root: Path) -> None:
    """It can have been set since, and the monotonic clock does not run while the machine is suspended."""
    now = time.monotonic()
    wall = time.time() - 7200
    asked = root / "asked"
    journalctl_says(root, f'echo "$*" > {asked}', echo("new", at=now - 1))
    reader = Reader()
    assert await read_back(reader, since=now - 5, wall=wall, root=str(root))
    assert reader.texts == ["new"]
    (since,) = [float(word.removeprefix("--since=@")) for word in asked.read_text().split() if "since" in word]
    assert since <= wall


# The clock of the records


@pytest.mark.parametrize(
    ("raw", "boottime", "behind", "ahead"),
    [
        (1000.0, 1000.0, 0.11, 1.01),
        (990.0, 1000.0, 10.11, 1.01),  # slower than the clock that NTP steers
        (1010.0, 1000.0, 0.11, 11.01),
        (1000.0, 4600.0, 0.11, 3601.01),  # suspended for an hour
    ],
)
def test_the_kernels_clock_can_be_off_by_the_difference_of_the_others(
    raw: float, boottime: float, behind: float, ahead: float
) -> None:
    clock = KernelClock.measured(monotonic=1000.0, raw=raw, boottime=boottime)
    assert (clock.behind, clock.ahead) == pytest.approx((behind, ahead))
    assert clock.is_before(500.0, 500.0 + behind + 0.01)
    assert not clock.is_before(500.0, 500.0 + behind - 0.01)
    assert clock.is_after(500.0, 500.0 - ahead - 0.01)
    assert not clock.is_after(500.0, 500.0 - ahead + 0.01)
    assert clock.may_be_between(500.0, 500.0 - ahead, 500.0 - ahead)
    assert clock.may_be_between(500.0, 500.0 + behind, 600.0)
    assert not clock.may_be_between(500.0, 500.0 + behind + 0.01, 600.0)
