"""A process's command line has all its words, also empty ones."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scoperun.kernel.process_facts import command_line


@contextmanager
def running(*words: str, program: str = "sh") -> Iterator[int]:
    """Run a program with these words; give its PID once it has printed something.

    program: without a folder, because posix_spawn() of Python 3.13 refuses an empty first word.
    """
    with subprocess.Popen(words, executable=program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            process.stdout.read(1)
            yield process.pid
        finally:
            process.kill()


@pytest.mark.parametrize("more", [[], [""], ["", ""], ["x", ""], ["", "x"]])
@pytest.mark.parametrize("name", ["sh", ""])
def test_the_words_of_a_command_line(name: str, more: list[str]) -> None:
    words = [name, "-c", "echo; read word", *more]
    with running(*words) as pid:
        assert command_line(pid) == words


@pytest.mark.parametrize("words", [["nginx: worker"], []])
def test_a_title_has_only_empty_words_after_it(words: list[str]) -> None:
    with running(*(words or [""]), "", "", program="yes") as pid:
        assert command_line(pid) == words
