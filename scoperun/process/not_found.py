"""The error for a command that does not exist, with what was probably meant."""

from __future__ import annotations

import errno
import os
import re
import shlex
from typing import TYPE_CHECKING

from scoperun.errors import CommandNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

_FOR_A_SHELL = re.compile(r"[\s|&;<>()$`*?\[\]{}~\"']")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)


def not_found(command: Sequence[str]) -> CommandNotFound:
    """Return the error for a command whose first word names no file."""
    name = command[0]
    if "/" in name and os.path.exists(name):
        hint = "the file exists: the interpreter after its #! might be missing"
        return CommandNotFound(f"cannot run {name!r}: {os.strerror(errno.ENOENT)}", hint=hint)
    if _ASSIGNMENT.fullmatch(name):
        variable = f"{name.partition('=')[0]}=VALUE"
        return CommandNotFound(f"{name!r}: command not found", hint=f"`context.environment={variable}` sets a variable")
    if _FOR_A_SHELL.search(name):
        line = shlex.quote(name) if len(command) == 1 else "'…'"
        return CommandNotFound(f"{name!r}: command not found", hint=f"no shell is involved: sh -c {line}")
    if "/" in name:
        return CommandNotFound(f"cannot run {name!r}: {os.strerror(errno.ENOENT)}")
    hint = "no shell is involved: sh -c '…' runs builtins and pipes, bash -ic '…' aliases"
    return CommandNotFound(f"{name!r}: command not found", hint=hint)
