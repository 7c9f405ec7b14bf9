"""Unexpected errors of the program."""

import subprocess
import sys

import pytest

FAILING = """
import sys
import scoperun.cli.command
from scoperun.__main__ import program
def main():
    {statement}
scoperun.cli.command.main = main
program()
"""


def failing(statement: str, *options: str) -> tuple[int, str]:
    """Return exit status and stderr of a program whose main runs `statement`."""
    program = [sys.executable, *options, "-c", FAILING.format(statement=statement)]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


NO_MEMORY = "not enough memory for scoperun itself (ulimit -v and -d limit it)"
UNFORESEEN = {
    "1 / 0": "ZeroDivisionError: division by zero",
    r"raise ValueError('two\nlines, \33[2J')": r"ValueError: two\nlines, \x1b[2J",
    "open('/nowhere')": "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere'",
    r"raise ValueError('\udcff')": r"ValueError: \udcff",
    "raise ValueError('größer')": "ValueError: größer",
}


@pytest.mark.parametrize("statement", UNFORESEEN)
def test_an_unexpected_error_is_one_line_with_status_125(statement: str) -> None:
    line = f"scoperun: internal error: {UNFORESEEN[statement]} (python3 -X dev -m scoperun shows where)\n"
    assert failing(statement) == (125, line)


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("raise MemoryError", NO_MEMORY),
        ("bytearray(1 << 62)", NO_MEMORY),
        ("sys.meta_path.clear(); raise MemoryError", NO_MEMORY),
        ("import xyzzy", "cannot start: No module named 'xyzzy'"),
        ("raise KeyboardInterrupt", "interrupted"),
        (
            "open('/proc/nowhere')",
            "/proc/nowhere is missing, so nothing can be known about processes: is /proc mounted?",
        ),
        ("raise OSError(24, 'Too many open files', 'x.py')", "Too many open files"),
        ("open('/dev/full', 'w').write('.' * 9999)", "No space left on device"),
    ],
)
def test_an_error_of_the_machine_is_not_called_an_internal_one(statement: str, line: str) -> None:
    assert failing(statement) == (125, f"scoperun: {line}\n")


def test_a_developer_gets_the_traceback() -> None:
    status, complaint = failing("1 / 0", "-X", "dev")
    assert status == 1
    assert "line 6, in main\n" in complaint
