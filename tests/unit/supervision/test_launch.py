"""A command is refused before anything is forked."""

import os
from collections.abc import Sequence

import pytest

from scoperun.errors import InvalidValue
from scoperun.supervision.launch import run, run_sync

ONE_STRING = r"^command 'ls -l' is one string \(pass a list of words: no shell splits it\)$"


@pytest.fixture(autouse=True)
def nothing_is_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a process was about to be started")

    for start in ("fork", "posix_spawn", "posix_spawnp"):
        monkeypatch.setattr(os, start, refuse)


def test_a_command_of_one_string_is_refused() -> None:
    with pytest.raises(InvalidValue, match=ONE_STRING):
        run_sync("ls -l")


async def test_a_command_of_one_string_is_refused_in_an_event_loop_too() -> None:
    with pytest.raises(InvalidValue, match=ONE_STRING):
        await run("ls -l")


def test_a_command_of_one_word_as_a_string_is_refused_too() -> None:
    """Otherwise the string would be a sequence of its letters."""
    with pytest.raises(InvalidValue, match=r"^command 'ls' is one string"):
        run_sync("ls")


@pytest.mark.parametrize("command", [[], ()])
def test_an_empty_command_is_refused(command: Sequence[str]) -> None:
    with pytest.raises(InvalidValue, match=r"^no command to run"):
        run_sync(command)
