"""Whatever becomes of the report, the command's exit status is told."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from scoperun.cli.command import _deliver
from scoperun.cli.options import Output
from scoperun.console.files import Destination
from scoperun.process.patience import Patience
from scoperun.process.signals import ENDING
from scoperun.report.report import Report
from tests.unit.stories import STARTED, counted, exited, read, told

SIGNALS = sorted(ENDING)


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> Iterator[Patience]:
    """Have signals end waits, and afterwards do what they did before."""
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    patience = Patience()
    monkeypatch.setattr("scoperun.cli.command._PATIENCE", patience)
    patience.begin()
    yield patience
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


class Slow:
    """A file that takes its time, in which a signal comes."""

    may_wait = True

    def __init__(self, number: int) -> None:
        self._number = number

    def write(self, _: str) -> None:
        signal.raise_signal(self._number)
        raise AssertionError("the wait has not ended")


def report() -> Report:
    return told([*STARTED, counted(0), exited(3), read("success")])


@pytest.mark.parametrize("number", SIGNALS)
def test_a_report_that_waits_for_a_reader_can_be_interrupted(
    patience: Patience, capfd: pytest.CaptureFixture[str], number: int
) -> None:
    """As by Ctrl-C where nobody reads a FIFO: the report in words comes all the same."""
    _deliver(report(), Output(report="fifo"), cast("Destination", Slow(number)))
    said = capfd.readouterr().err
    assert said.startswith("scoperun: cannot write the report to 'fifo': interrupted\n")
    assert "exited with status 3" in said


@pytest.mark.parametrize("number", SIGNALS)
def test_a_reader_is_not_waited_for_when_a_signal_has_come_before(
    patience: Patience, capfd: pytest.CaptureFixture[str], tmp_path: Path, number: int
) -> None:
    os.mkfifo(tmp_path / "fifo")
    signal.raise_signal(number)
    with Destination(str(tmp_path / "fifo")) as file:
        _deliver(report(), Output(report="fifo"), file)
    assert capfd.readouterr().err.startswith("scoperun: cannot write the report to 'fifo': interrupted\n")


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGPWR])
def test_a_signal_costs_no_report_that_nobody_is_waited_for(patience: Patience, tmp_path: Path, number: int) -> None:
    signal.raise_signal(number)
    with Destination(str(tmp_path / "report.json")) as file:
        _deliver(report(), Output(report="report.json", quiet=True), file)
    assert '"exit_code": 3' in (tmp_path / "report.json").read_text()


def test_what_is_cleared_away_is_not_broken_off_by_another_signal(patience: Patience) -> None:
    cleared = []

    def wait() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            cleared.append("all")

    with patience.waiting(), pytest.raises(InterruptedError):
        wait()
    assert cleared == ["all"]


def test_what_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    others = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        Patience().begin()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        for number, handler in others.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        signal.signal(signal.SIGHUP, before)
