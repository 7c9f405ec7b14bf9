"""journald gets each field as it is, also one with newlines and one that is too large for a datagram."""

import array
import errno
import fcntl
import os
import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from scoperun.console.journal import MESSAGE_ID, entry, send
from scoperun.evidence.events import Event, ResultChanged, StateChanged
from scoperun.record import replace
from scoperun.report.report import Memory, Report
from scoperun.spec.sizes import INFINITY
from tests.documents import MANUAL
from tests.unit.stories import MIB, counted, exited, read, told

COMMAND = ("./work", "a\nb")
OOM: tuple[Event, ...] = (
    exited(-9), counted(1), ResultChanged("oom-kill"), StateChanged("failed"), read("oom-kill")
)  # fmt: skip
SUCCESS: tuple[Event, ...] = (exited(0), counted(0), read("success"))


def of(report: Report) -> dict[str, str]:
    return entry(report, COMMAND, exit_status=report.exit_status)


def test_an_entry_has_what_the_report_has() -> None:
    report = replace(told(OOM), memory=Memory(peak=20 * MIB))
    assert of(report) == {
        "MESSAGE": rf"{report.unit}: oom-kill: ./work $'a\nb'; memory peak 20M of 20M",
        "MESSAGE_ID": MESSAGE_ID,
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "scoperun",
        "USER_UNIT": report.unit,
        "USER_INVOCATION_ID": report.invocation_id,
        "SCOPERUN_VERDICT": "oom-kill",
        "SCOPERUN_EXIT_STATUS": "137",
        "SCOPERUN_MEMORY_PEAK": f"{20 * MIB}",
        "SCOPERUN_MEMORY_MAX": f"{20 * MIB}",
        "SCOPERUN_LIMIT_OF": report.oom and report.oom.limit_of,
        "SCOPERUN_COMMAND": r"./work $'a\nb'",
        **{name: value for name, value in of(report).items() if name.startswith("SCOPERUN_VICTIM")},
    }


def test_what_is_not_known_is_left_out() -> None:
    bare = replace(told(SUCCESS).limits, memory_max=None)
    report = replace(told(SUCCESS), memory=Memory(), limits=bare, invocation_id=None)
    missing = {"USER_INVOCATION_ID", "SCOPERUN_MEMORY_PEAK", "SCOPERUN_MEMORY_MAX"}
    assert set(of(told(SUCCESS))) - set(of(report)) <= missing
    assert not missing & set(of(report))
    assert of(report)["MESSAGE"] == rf"{report.unit}: success: ./work $'a\nb'"


def test_no_limit_is_infinity() -> None:
    report = replace(told(SUCCESS), memory=Memory(peak=MIB), limits=replace(told(SUCCESS).limits, memory_max=INFINITY))
    assert of(report)["SCOPERUN_MEMORY_MAX"] == "infinity"
    assert of(report)["MESSAGE"].endswith("; memory peak 1M")


def test_a_scope_of_the_systems_manager_is_named_otherwise() -> None:
    fields = of(replace(told(SUCCESS), manager="system"))
    assert {name for name in fields if name.endswith(("_UNIT", "_ID"))} == {
        *("MESSAGE_ID", "OBJECT_SYSTEMD_UNIT", "OBJECT_SYSTEMD_INVOCATION_ID")
    }


@pytest.mark.parametrize("events", [OOM, SUCCESS])
def test_the_manual_names_every_field(events: tuple[Event, ...]) -> None:
    section = re.findall(r"^\.SH JOURNAL\n(.*?)^\.SH ", MANUAL, flags=re.MULTILINE | re.DOTALL)[0]
    fields = {*of(told(events)), "OBJECT_SYSTEMD_UNIT", "OBJECT_SYSTEMD_INVOCATION_ID"}
    assert [name for name in fields if f"{name}=" not in section] == []
    assert MESSAGE_ID in section


@pytest.fixture
def journald(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Listen where the test sends its entries: at the path `socket` in the working directory."""
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("socket")
        listener.settimeout(60)
        yield listener


def fields_in(data: bytes) -> dict[str, bytes]:
    """Return the fields of an entry, as journald reads them."""
    found = {}
    while data:
        name, _, data = data.partition(b"\n")
        (length,) = struct.unpack("<Q", data[:8])
        found[name.decode()] = data[8 : 8 + length]
        assert data[8 + length : 9 + length] == b"\n"
        data = data[9 + length :]
    return found


def test_newlines_do_not_begin_a_field(journald: socket.socket) -> None:
    send({"MESSAGE": "one\nPRIORITY=0\n", "SCOPERUN_VERDICT": "success"}, address="socket")
    assert fields_in(journald.recv(1 << 16)) == {"MESSAGE": b"one\nPRIORITY=0\n", "SCOPERUN_VERDICT": b"success"}


def test_a_large_entry_comes_in_a_file_that_nothing_can_change(journald: socket.socket) -> None:
    before = os.listdir("/proc/self/fd")
    large = "x" * (1 << 20)
    send({"MESSAGE": "one", "SCOPERUN_COMMAND": large}, address="socket")
    assert os.listdir("/proc/self/fd") == before
    data, ((_, kind, numbers),), *_ = journald.recvmsg(1 << 16, socket.CMSG_SPACE(4))
    assert (data, kind) == (b"", socket.SCM_RIGHTS)
    (fd,) = array.array("i", numbers)
    seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    assert seals & 0xF == fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    with open(fd, "rb") as file:
        file.seek(0)
        assert fields_in(file.read()) == {"MESSAGE": b"one", "SCOPERUN_COMMAND": large.encode()}


@pytest.mark.parametrize(("make", "number"), [(lambda _: None, errno.ENOENT), (Path.touch, errno.ECONNREFUSED)])
def test_no_journald_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: object, number: int) -> None:
    monkeypatch.chdir(tmp_path)
    assert callable(make)
    make(Path("socket"))
    with pytest.raises(OSError, match=r".") as refused:
        send({"MESSAGE": "one"}, address="socket")
    assert refused.value.errno == number
