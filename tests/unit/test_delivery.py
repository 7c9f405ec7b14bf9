"""Whatever becomes of the report, the command's exit status is told."""

import signal

import pytest

from scoperun.cli import _deliver
from scoperun.options import Output

from .stories import STARTED, counted, exited, read, told


def test_a_report_that_waits_for_a_reader_can_be_interrupted(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As by Ctrl-C where nobody reads a FIFO: the report in words comes all the same."""

    def wait(path: str, text: str) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("scoperun.io.files.write_atomically", wait)
    _deliver(told([*STARTED, counted(0), exited(3), read("success")]), Output(report="fifo"))
    said = capfd.readouterr().err
    assert said.startswith("scoperun: cannot write the report to 'fifo': interrupted\n")
    assert "exited with status 3" in said
