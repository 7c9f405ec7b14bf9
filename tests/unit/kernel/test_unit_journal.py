"""The journal's last entries about a unit are those that journalctl prints; a reason is told if there are none."""

import json
from pathlib import Path
from typing import Any

import pytest

from scoperun.kernel.unit_journal import Entry, JournalUnreadable, entries_of, entry_in

from .test_kernel_log_reading import JOURNAL, journalctl_says, root

__all__ = ["root"]


def line(**fields: Any) -> str:
    times = {"__REALTIME_TIMESTAMP": "1500000", "__MONOTONIC_TIMESTAMP": "7000000"}
    return json.dumps(times | {"MESSAGE": "hello"} | fields)


def test_entries_have_their_time_source_and_message(root: Path) -> None:
    journalctl_says(root, f"echo '{line(SYSLOG_IDENTIFIER='sh', _PID='7')}'", f"echo '{line()}'")
    assert entries_of("a.scope", system=False, count=2, root=str(root)) == [
        Entry(at=1.5, source="sh", pid=7, message="hello"),
        Entry(at=1.5, source=None, pid=None, message="hello"),
    ]


def test_entries_are_since_a_time_of_the_monotonic_clock(root: Path) -> None:
    """The wall clock can have been set since."""
    earlier = line(__MONOTONIC_TIMESTAMP="6999999", __REALTIME_TIMESTAMP="9500000")
    journalctl_says(root, f"echo '{earlier}'", f"echo '{line()}'")
    (entry,) = entries_of("a.scope", system=False, count=2, since=7.0, root=str(root))
    assert entry.at == 1.5


@pytest.mark.parametrize(("system", "option"), [(False, "--user-unit=a.scope"), (True, "--unit=a.scope")])
def test_journalctl_is_asked_for_this_boot_of_this_unit(root: Path, system: bool, option: str) -> None:
    journalctl_says(root, f"cat <<END\n{line(MESSAGE='$*')}\nEND")
    (entry,) = entries_of("a.scope", system=system, count=3, root=str(root))
    assert {"--boot", "--lines=3", "--all", option} <= set(entry.message.split())


@pytest.mark.parametrize(
    ("raw", "entry"),
    [
        (b"", None),
        (b"{", None),
        (b"[1]", None),
        (b'{"MESSAGE": "no time"}', None),
        (b'{"__REALTIME_TIMESTAMP": "soon", "MESSAGE": "x"}', None),
        (line(MESSAGE=None).encode(), None),
        (line(MESSAGE=[255, 10]).encode(), Entry(at=1.5, source=None, pid=None, message="\\xff\n")),
        (line(_COMM="sh", _PID="x").encode(), Entry(at=1.5, source="sh", pid=None, message="hello")),
        (line(SYSLOG_IDENTIFIER=["a", "b"]).encode(), Entry(at=1.5, source=None, pid=None, message="hello")),
    ],
)
def test_a_line_of_journalctl(raw: bytes, entry: Entry | None) -> None:
    assert entry_in(raw) == entry


def refusal(root: Path) -> str:
    with pytest.raises(JournalUnreadable) as caught:
        entries_of("a.scope", system=False, count=1, root=str(root))
    return str(caught.value)


def test_a_missing_journal_is_told(root: Path) -> None:
    journalctl_says(root, f"echo '{line()}'")
    (root / JOURNAL).unlink()
    assert refusal(root) == "this system keeps no journal"


def test_a_missing_or_failing_journalctl_is_told(root: Path) -> None:
    assert refusal(root) == "there is no journalctl to read the journal with"
    journalctl_says(root, "exit 3")
    assert refusal(root) == "journalctl failed with exit status 3"
