"""Whether a command is an interactive shell, which should survive when a command in it runs out of memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "fish", "tcsh"})
_ETC_SHELLS = "/etc/shells"

_WITH_VALUE = frozenset({"-o", "+o", "-O", "+O", "--rcfile", "--init-file", "--init-command"})
"""Options of shells that take the next word as their value."""


def is_shell_at_terminal(command: Sequence[str]) -> bool:
    """Return whether `command` is a shell that reads commands from a terminal, by the rule that shells use."""
    return os.isatty(0) and os.isatty(2) and is_shell_for_input(command)


def is_shell_for_input(command: Sequence[str]) -> bool:
    """Return whether `command` is a shell that reads commands from its standard input."""
    name = os.path.basename(command[0])
    return _has_options_only(command[1:]) and (name in _SHELLS or name in _installed())


def _installed() -> set[str]:
    """Return the base names of the shells that /etc/shells lists, see shells(5)."""
    try:
        with open(_ETC_SHELLS, encoding="utf-8", errors="replace") as file:
            lines = (line.partition("#")[0].strip() for line in file)
            return {os.path.basename(line) for line in lines if line}
    except OSError:
        return set()


def _has_options_only(words: Sequence[str]) -> bool:
    """Return whether the words have neither an operand, which would be a script, nor -c."""
    rest = iter(words)
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, None)
        elif word[:1] not in {"-", "+"} or _has_commands(word):
            return False
    return True


def _has_commands(option: str) -> bool:
    if option.startswith("--"):
        return option.partition("=")[0] == "--command"
    return option.startswith("-") and "c" in option
