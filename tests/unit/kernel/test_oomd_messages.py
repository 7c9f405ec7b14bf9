"""systemd-oomd's messages are read from the journal, and only its own."""

import json
import time
from pathlib import Path

import pytest

from scoperun.evidence.kernel_report import KernelLogUnreadable, KernelRecord
from scoperun.kernel.oomd import message, read_messages

from .test_kernel_log_reading import says


def entry(text: object, unit: str = "systemd-oomd.service") -> str:
    return json.dumps({"MESSAGE": text, "_SYSTEMD_UNIT": unit})


@pytest.fixture
def journalctl(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin" / "journalctl"


async def messages_until(last: str, journalctl: Path, *, within: float) -> list[str]:
    found: list[str] = []

    def take(text: str) -> bool:
        found.append(text)
        return text == last

    await read_messages(take, since=time.time(), within=within, root=str(journalctl.parents[1]))
    return found


async def test_they_are_read_until_there_are_enough(journalctl: Path) -> None:
    says(journalctl, *(f"echo '{entry(text)}'" for text in ("one", "two")), "exec sleep 1000")
    assert await messages_until("two", journalctl, within=60) == ["one", "two"]


async def test_they_are_read_for_a_limited_time(journalctl: Path) -> None:
    says(journalctl, f"while :; do echo '{entry('one')}'; sleep 0.01; done")
    assert set(await messages_until("two", journalctl, within=0.3)) <= {"one"}


async def test_only_entries_of_systemd_oomd_since_the_start_are_asked_for(journalctl: Path) -> None:
    says(journalctl, f"cat <<END\n{entry('$*')}\nEND")
    (words,) = await messages_until("", journalctl, within=60)
    assert {"--system", "--boot", "_SYSTEMD_UNIT=systemd-oomd.service"} <= set(words.split())
    assert 0 < time.time() - float(words.partition("--since=@")[2].split()[0]) < 60


async def test_a_failing_journalctl_is_an_error(journalctl: Path) -> None:
    says(journalctl, "exit 3")
    with pytest.raises(KernelLogUnreadable):
        await messages_until("", journalctl, within=60)


async def test_a_missing_journalctl_is_an_error(journalctl: Path) -> None:
    with pytest.raises(KernelLogUnreadable):
        await messages_until("", journalctl, within=60)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (entry("Killed /a"), "Killed /a"),
        (entry([75, 0xFF]), "K\udcff"),
        (entry("Killed /a", unit="user@1000.service"), None),
        (entry(None), None),
        ('{"MESSAGE": "Killed /a", "UNIT": "systemd-oomd.service"}', None),
        ("{", None),
        ("[]", None),
    ],
)
def test_an_entry_counts_if_systemd_oomd_wrote_it(line: str, text: str | None) -> None:
    assert message(line.encode()) == (None if text is None else KernelRecord(text))
