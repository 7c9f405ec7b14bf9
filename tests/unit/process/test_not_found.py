"""A command that does not exist is answered with what was probably meant: a shell, a variable, an interpreter."""

from pathlib import Path

import pytest

from scoperun.console.field_names import in_options
from scoperun.process.not_found import not_found

FOR_A_SHELL = "no shell is involved: sh -c '…' runs builtins and pipes, bash -ic '…' aliases"


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["ll"], f"'ll': command not found ({FOR_A_SHELL})"),
        (["cd", "/"], f"'cd': command not found ({FOR_A_SHELL})"),
        (["ls | wc -l"], "'ls | wc -l': command not found (no shell is involved: sh -c 'ls | wc -l')"),
        (["ls;", "pwd"], "'ls;': command not found (no shell is involved: sh -c '…')"),
        (["ls -l /"], "'ls -l /': command not found (no shell is involved: sh -c 'ls -l /')"),
        (["CC=gcc", "make"], "'CC=gcc': command not found (-E CC=VALUE sets a variable)"),
        (["/nowhere/x"], "cannot run '/nowhere/x': No such file or directory"),
    ],
)
def test_a_command_that_is_not_there_is_told_with_what_was_meant(command: list[str], line: str) -> None:
    error = not_found(command)
    assert in_options(str(error)) == line
    assert error.exit_status == 127


def test_a_file_that_exists_lacks_its_interpreter(tmp_path: Path) -> None:
    (tmp_path / "a [script]").touch()
    line = f"cannot run '{tmp_path}/a [script]': No such file or directory (the file exists: the interpreter after its "
    assert str(not_found([f"{tmp_path}/a [script]"])).startswith(line)
