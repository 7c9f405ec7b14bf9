"""As root: scopectl status finds what the journal has about a unit although the wall clock was set since its start."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.schema import told_by

from .hiding import KMSG, hidden
from .story import GENEROUS
from .test_ctl_watch import reading
from .test_others_kills import clock_set, new_journal_afterwards
from .waiting import line_from

__all__ = ["new_journal_afterwards"]

pytestmark = pytest.mark.guest(user="root")

PROPERTIES = ("MemoryMax=20M", "MemorySwapMax=0", "OOMPolicy=continue")


@contextmanager
def leaking(examples: Path, unit: str) -> Iterator[None]:
    """Run a service of the system in which a process was OOM-killed; begin when the journal has all about it."""
    command = f"{examples}/bigleak2; echo survived; exec sleep 1000"
    words = [f"--property={each}" for each in PROPERTIES]
    subprocess.run(["systemd-run", "--quiet", f"--unit={unit}", *words, "sh", "-c", command], check=True)
    try:
        see_in_journal("--dmesg", texts=(f"task_memcg=/system.slice/{unit}", "Killed process"))
        see_in_journal(f"--unit={unit}", texts=("survived",))
        yield
    finally:
        subprocess.run(["systemctl", "stop", unit], check=True)


def see_in_journal(which: str, *, texts: Sequence[str]) -> None:
    """Return once the journal has lines with these texts, one after the other."""
    words = ["journalctl", "--quiet", "--output=cat", "--follow", "--no-tail", "--boot", which]
    with reading(*words, f"--grep={'|'.join(texts)}") as journalctl:
        for text in texts:
            while text not in line_from(journalctl):
                pass


@pytest.mark.usefixtures("new_journal_afterwards")
def test_the_wall_clock_can_be_set_forward_after_a_units_start(examples: Path) -> None:
    unit = "forward.service"
    with leaking(examples, unit), clock_set(7200):
        words = [*hidden(KMSG), "scopectl", "status", "--system", "--json", unit]
        done = subprocess.run(words, capture_output=True, text=True, timeout=GENEROUS, check=True)
    row = told_by("status", done.stdout)
    assert (row["oom_kills"], row["kernel_log_reason"]) == (1, None)
    assert [victim["name"] for report in row["kernel_log"] for victim in report["victims"]] == ["bigleak2"]
    assert "survived" in [entry["message"] for entry in row["journal"]]
