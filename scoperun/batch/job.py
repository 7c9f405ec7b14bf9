"""One job of a batch, as it is asked for. No I/O."""

from __future__ import annotations

import hashlib
import json

from scoperun.console.shell_words import quoted
from scoperun.record import dataclass

SHELL = ("/bin/sh", "-c")
"""What a command that is text is run with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job, checked: all its values are valid.

    seq: its number, from 1. It is in the names of its scopes.
    command: the words that are executed; a text is the word after `SHELL`.
    memory: bytes for its first attempt.
    name: what the user calls it (`id`), None without a name.
    tag: what --tag prints before its lines: the value that was put into the command, or the command.
    settings: its own options as (long name without dashes, text), e.g. ("timeout", "5min"); `mem` is not among them.
    cwd: the folder that it starts in, None for the runner's.
    environment: its own variables as NAME=VALUE.
    """

    seq: int
    command: tuple[str, ...]
    memory: int
    name: str | None = None
    tag: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    cwd: str | None = None
    environment: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The command as people write it."""
        if self.command[:2] == SHELL and len(self.command) == 3:
            return self.command[2]
        return " ".join(map(quoted, self.command))

    @property
    def digest(self) -> str:
        """A hash of what is executed, and how: a later runner sees by it whether a job is still the same."""
        what = json.dumps([self.command, self.cwd, self.environment])
        return hashlib.sha256(what.encode()).hexdigest()
