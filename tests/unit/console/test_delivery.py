"""The command's exit status is returned whatever happens to the report.

Each test is a separate process: signal handlers belong to a whole process, and a received signal stays recorded.
"""

import json
import os
import signal
from pathlib import Path
from typing import cast

import pytest

from scoperun.cli.delivery import deliver as deliver_report
from scoperun.cli.options import CommandLine, Output
from scoperun.cli.stderr import PATIENCE
from scoperun.console.files import Destination
from scoperun.console.sources import Sources
from scoperun.process.patience import Patience
from scoperun.process.signals import ENDING
from scoperun.report.report import Report
from scoperun.spec.request import RunRequest
from tests.child import in_child
from tests.unit.stories import STARTED, counted, exited, read, told

SIGNALS = sorted(ENDING)


class Slow:
    """A file that is slow to write, and during whose write a signal arrives."""

    may_wait = True

    def __init__(self, number: int) -> None:
        self._number = number

    def write(self, _: str) -> None:
        signal.raise_signal(self._number)
        raise AssertionError("the wait has not ended")


def report() -> Report:
    return told([*STARTED, counted(0), exited(3), read("success")])


def out_of_memory() -> Report:
    return told([*STARTED, counted(1), exited(-9), read("oom-kill")])


def asked(output: Output) -> CommandLine:
    return CommandLine(RunRequest(command=("./work",)), output, Sources())


def deliver(
    output: Output, file: Destination | Slow | None = None, *, after: int | None = None, what: Report | None = None
) -> None:
    """Deliver a report as the command line does when the command has ended, after a signal if one is given."""

    def deliver_it() -> None:
        PATIENCE.begin()
        if after is not None:
            signal.raise_signal(after)
        deliver_report(what or report(), asked(output), cast("Destination", file))

    in_child(deliver_it)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_wait_for_a_reports_reader_can_be_interrupted(capfd: pytest.CaptureFixture[str], number: int) -> None:
    """E.g. by Ctrl-C at a FIFO without a reader; the text report is printed nevertheless."""
    deliver(Output(report="fifo"), Slow(number))
    said = capfd.readouterr().err
    assert said.startswith("scoperun: cannot write the report to 'fifo': interrupted\n")
    assert "\nscoperun: exit 3: " in said


@pytest.mark.parametrize("number", SIGNALS)
def test_a_reader_is_not_waited_for_after_a_signal(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, number: int
) -> None:
    os.mkfifo(tmp_path / "fifo")
    with Destination(str(tmp_path / "fifo")) as file:
        deliver(Output(report="fifo"), file, after=number)
    assert capfd.readouterr().err.startswith("scoperun: cannot write the report to 'fifo': interrupted\n")


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGPWR])
def test_a_signal_does_not_prevent_a_report_without_a_wait(tmp_path: Path, number: int) -> None:
    with Destination(str(tmp_path / "report.json")) as file:
        deliver(Output(report="report.json", quiet=True), file, after=number)
    assert '"exit_code": 3' in (tmp_path / "report.json").read_text()


@pytest.mark.parametrize(
    ("output", "failure", "oom"),
    [
        (Output(), True, True),
        (Output(quiet=1), False, True),
        (Output(quiet=1, oom_exit_code=99), False, False),
        (Output(quiet=2), False, False),
        (Output(quiet=1, json=True), False, True),
        (Output(quiet=2, json=True), False, False),
        (Output(quiet=1, report_format="line"), False, True),
        (Output(oom_exit_code=99, oom_log=True), True, True),
    ],
)
def test_quiet_prints_what_the_exit_status_does_not_say_and_twice_quiet_nothing(
    capfd: pytest.CaptureFixture[str], output: Output, failure: bool, oom: bool
) -> None:
    for what, is_printed in (report(), failure), (out_of_memory(), oom):
        deliver(output, what=what)
        assert bool(capfd.readouterr().err) is is_printed


def test_one_line_is_one_line_with_the_status_that_scoperun_exits_with(capfd: pytest.CaptureFixture[str]) -> None:
    deliver(Output(report_format="line", oom_log=True, oom_exit_code=99), what=out_of_memory())
    assert capfd.readouterr().err == "scoperun: KILLED BY AN OOM KILLER, status 99, 2s, 20M/20M: ./work\n"


def test_the_kernels_words_come_below_the_block(capfd: pytest.CaptureFixture[str]) -> None:
    deliver(Output(oom_log=True), what=out_of_memory())
    *_, scope, reason = capfd.readouterr().err.splitlines()
    assert (scope, reason) == ("     scope  job.scope", "scoperun: the kernel log was not asked")


def test_colours_can_be_forced(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(Output(), what=report())
    assert capfd.readouterr().err.startswith("scoperun: exit 3: ")
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    deliver(Output(), what=report())
    assert capfd.readouterr().err.startswith("scoperun: \x1b[1;33mexit 3\x1b[0m: ")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_json_is_indented_on_a_terminal_and_one_line_elsewhere(is_terminal: bool) -> None:
    ours, its = os.openpty() if is_terminal else os.pipe()

    def deliver_it() -> None:
        os.dup2(its, 2)
        deliver_report(report(), asked(Output(json=True)), None)

    in_child(deliver_it)
    printed = os.read(ours, 1 << 16).decode()
    for fd in ours, its:
        os.close(fd)
    begin = '{\r\n  "schema": 1,\r\n' if is_terminal else '{"schema": 1, '
    assert printed.startswith(begin)
    assert is_terminal == (printed.count("\n") > 1)
    assert json.loads(printed) == json.loads(report().to_json())


def test_the_clean_up_is_not_interrupted_by_another_signal() -> None:
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


def test_an_ignored_signal_stays_ignored() -> None:
    def begin_with_one_ignored() -> bool:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        Patience().begin()
        return signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    assert in_child(begin_with_one_ignored)
