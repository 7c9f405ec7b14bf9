"""Whatever becomes of the report, the command's exit status is told.

Each test is a process of its own: what signals do is set for a whole process, and a signal that has come stays known.
"""

import json
import os
import signal
from pathlib import Path
from typing import cast

import pytest

from scoperun.cli.command import _PATIENCE, _deliver
from scoperun.cli.options import Output
from scoperun.console.files import Destination
from scoperun.process.patience import Patience
from scoperun.process.signals import ENDING
from scoperun.report.report import Report
from tests.child import in_child
from tests.unit.stories import STARTED, counted, exited, read, told

SIGNALS = sorted(ENDING)


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


def deliver(output: Output, file: Destination | Slow, *, after: int | None = None) -> None:
    """Deliver a report as the command line does when the command has ended, after a signal if one is given."""

    def deliver_it() -> None:
        _PATIENCE.begin()
        if after is not None:
            signal.raise_signal(after)
        _deliver(report(), output, cast("Destination", file))

    in_child(deliver_it)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_report_that_waits_for_a_reader_can_be_interrupted(capfd: pytest.CaptureFixture[str], number: int) -> None:
    """As by Ctrl-C where nobody reads a FIFO: the report in words comes all the same."""
    deliver(Output(report="fifo"), Slow(number))
    said = capfd.readouterr().err
    assert said.startswith("scoperun: cannot write the report to 'fifo': interrupted\n")
    assert "exited with status 3" in said


@pytest.mark.parametrize("number", SIGNALS)
def test_a_reader_is_not_waited_for_when_a_signal_has_come_before(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, number: int
) -> None:
    os.mkfifo(tmp_path / "fifo")
    with Destination(str(tmp_path / "fifo")) as file:
        deliver(Output(report="fifo"), file, after=number)
    assert capfd.readouterr().err.startswith("scoperun: cannot write the report to 'fifo': interrupted\n")


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGPWR])
def test_a_signal_costs_no_report_that_nobody_is_waited_for(tmp_path: Path, number: int) -> None:
    with Destination(str(tmp_path / "report.json")) as file:
        deliver(Output(report="report.json", quiet=True), file, after=number)
    assert '"exit_code": 3' in (tmp_path / "report.json").read_text()


@pytest.mark.parametrize("is_terminal", [True, False])
def test_json_is_indented_on_a_terminal_and_one_line_elsewhere(is_terminal: bool) -> None:
    ours, its = os.openpty() if is_terminal else os.pipe()

    def deliver_it() -> None:
        os.dup2(its, 2)
        _deliver(report(), Output(json=True), None)

    in_child(deliver_it)
    printed = os.read(ours, 1 << 16).decode()
    for fd in ours, its:
        os.close(fd)
    begin = '{\r\n  "schema": 1,\r\n' if is_terminal else '{"schema": 1, '
    assert printed.startswith(begin)
    assert is_terminal == (printed.count("\n") > 1)
    assert json.loads(printed) == json.loads(report().to_json())


def test_what_is_cleared_away_is_not_broken_off_by_another_signal() -> None:
    cleared = []

    def wait() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            cleared.append("all")

    def wait_patiently() -> list[str]:
        patience = Patience()
        patience.begin()
        with patience.waiting(), pytest.raises(InterruptedError):
            wait()
        return cleared

    assert in_child(wait_patiently) == ["all"]


def test_what_was_ignored_stays_ignored() -> None:
    def begin_with_one_ignored() -> bool:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        Patience().begin()
        return signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    assert in_child(begin_with_one_ignored)
