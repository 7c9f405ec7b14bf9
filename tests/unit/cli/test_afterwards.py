"""What follows a run, here one that failed."""

import errno
import os
from pathlib import Path

import pytest

from scoperun.cli.afterwards import Afterwards
from scoperun.cli.options import Output
from scoperun.errors import CommandNotFound, ScoperunError
from scoperun.process.patience import Patience
from scoperun.spec.request import RunRequest


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (CommandNotFound("no such command"), "127"),
        (ScoperunError("no bus"), "125"),
        (KeyboardInterrupt(), "125"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "125"),
        (ImportError("a module could not be mapped"), "125"),
        (MemoryError(), "125"),
    ],
)
def test_whatever_makes_a_run_fail_the_log_has_a_line_of_it(tmp_path: Path, error: BaseException, status: str) -> None:
    said: list[str] = []
    request = RunRequest(command=("true",))
    afterwards = Afterwards(Output(log=str(tmp_path / "log")), request, say=said.append, patience=Patience())
    with afterwards, pytest.raises(type(error)), afterwards.noting_failure():
        raise error
    _, line = (tmp_path / "log").read_text().splitlines()
    assert (line.split("\t")[6], said) == (status, [])
