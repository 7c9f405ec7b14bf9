"""Become the command as execvp(3) does, with our PID replaced by the command's in the environment."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SHELL = "/bin/sh"

_OWN_PID = {"LISTEN_PID", "WATCHDOG_PID", "SYSTEMD_EXEC_PID", "GIO_LAUNCHED_DESKTOP_FILE_PID"}
"""Variables with the PID of the process that they and others beside them are for; its children must ignore them."""

_OWN_PIDFD = "LISTEN_PIDFDID"
"""The inode of that process's pidfd, beside $LISTEN_PID: https://github.com/systemd/systemd/pull/38256."""


def execute(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Become the command; raise the OSError that says why that is not possible.

    A file that the kernel does not know how to execute is a script for the shell. POSIX has that rule for execvp(3),
    so env(1) and nice(1) follow it; os.execvpe does not.
    """
    missing: list[OSError] = []
    refused: list[OSError] = []
    for path in _paths(command[0], environment):
        try:
            _execute(path, list(command), environment)
        except (FileNotFoundError, NotADirectoryError) as error:
            missing.append(error)
        except OSError as error:
            refused.append(error)
    raise refused[0] if refused else missing[-1]


def _paths(name: str, environment: Mapping[str, str]) -> list[str]:
    if "/" in name:
        return [name]
    return [os.path.join(folder, name) for folder in os.get_exec_path(environment)]


def _execute(path: str, command: list[str], environment: Mapping[str, str]) -> None:
    try:
        os.execve(path, command, environment)
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            with suppress(OSError):  # without a shell, the first error says more
                os.execve(_SHELL, [_SHELL, path, *command[1:]], environment)
        raise


def told_to_itself(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of this process, a child, with its own PID in place of its parent's.

    Socket activation and the watchdog then work as under env(1) or nice(1), which become the command.
    """
    parent = str(os.getppid())
    told = {name: str(os.getpid()) for name in _OWN_PID if environment.get(name) == parent}
    if "LISTEN_PID" in told and _OWN_PIDFD in environment:
        told[_OWN_PIDFD] = str(os.fstat(os.pidfd_open(os.getpid())).st_ino)  # exec closes the descriptor
    return {**environment, **told}
