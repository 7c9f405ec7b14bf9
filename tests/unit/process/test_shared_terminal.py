"""A program can type into a terminal if the kernel allows it to all users, or is too old for the sysctl."""

import os
import pty
from pathlib import Path

import pytest

from scoperun.process.shared_terminal import can_be_typed_at


@pytest.mark.parametrize(("setting", "it_can"), [("1\n", True), ("0\n", False), (None, True)])
def test_without_the_sysctl_it_is_allowed(tmp_path: Path, setting: str | None, it_can: bool) -> None:
    sysctl = tmp_path / "legacy_tiocsti"
    if setting is not None:
        sysctl.write_text(setting)
    pid, terminal = pty.fork()
    if pid == 0:
        os._exit(can_be_typed_at(str(sysctl)))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == it_can
    os.close(terminal)


def test_without_a_terminal_it_is_impossible() -> None:
    pid = os.fork()
    if pid == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        os._exit(can_be_typed_at("/nowhere"))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
