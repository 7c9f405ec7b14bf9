"""The config files: where they are, whether they may be trusted, what they say together."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scoperun.config import Config, Key

SYSTEM_FILE = "/etc/scoperun/config.toml"


def config_paths(environment: Mapping[str, str]) -> list[str]:
    """Return where config files may be, the user's before the system's; a folder that is not absolute is none."""
    folder = environment.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(folder):
        folder = os.path.join(environment.get("HOME") or os.path.expanduser("~"), ".config")
    users = [f"{folder}/scoperun/config.toml"] if os.path.isabs(folder) else []
    return [*users, SYSTEM_FILE]


def read_config(paths: Sequence[str], keys: Callable[[], Mapping[str, Key | None]]) -> Config | None:
    """Return what the files at `paths` say together, None if there is none; raise InvalidValue for a bad one.

    keys: gives the options that they may have; it is called, and TOML's parser imported, if there is a file.
    """
    texts = {path: text for path in paths if (text := _text(path)) is not None}
    if not texts:
        return None
    from scoperun.config import merged, parse_config  # noqa: PLC0415  it imports tomli

    known = keys()
    return merged([parse_config(text, file=path, keys=known) for path, text in texts.items()])


def command_names(command: str) -> list[str]:
    """Return the names that rules know a command by: its last part, and its full path as far as it is found."""
    name = os.path.basename(command)
    if "/" in command:
        return [name, os.path.abspath(command)]
    import shutil  # noqa: PLC0415  only rules need it

    found = shutil.which(command)
    return [name, os.path.abspath(found)] if found else [name]


def distrust(status: os.stat_result, *, user: int) -> str | None:
    """Return why `user` should not follow a file of that status, None if there is nothing against it."""
    if not stat.S_ISREG(status.st_mode):
        return "it is not a regular file"
    if status.st_uid not in {user, 0}:
        whose = f"neither to root nor to user {user}" if user else "not to root"
        return f"it belongs to user {status.st_uid}, {whose}"
    return "others may write to it" if _others_write(status, user) else None


def distrust_folder(status: os.stat_result, *, user: int) -> str | None:
    """Return why `user` should not follow a file in a folder of that status: who writes there puts another in place."""
    is_sticky = bool(status.st_mode & stat.S_ISVTX)
    return "others may write to its folder" if _others_write(status, user) and not is_sticky else None


def _others_write(status: os.stat_result, user: int) -> bool:
    return bool(status.st_mode & (stat.S_IWOTH if user else stat.S_IWGRP | stat.S_IWOTH))


def _text(path: str) -> str | None:
    try:
        # Whether it is a file is told only once it is open, and opening a FIFO waits for a writer.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            folder, user = os.path.dirname(path), os.geteuid()
            reason, check = distrust(os.fstat(fd), user=user), f"ls -l {path}"
            if reason is None:
                reason, check = distrust_folder(os.stat(folder), user=user), f"ls -ld {folder}"
            content = b"" if reason else file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if isinstance(error, PermissionError) and not os.path.exists(path):
            # The folder cannot even be searched: the home of another user, as after a su that keeps HOME.
            return None
        raise InvalidValue(f"cannot read {path}: {error.strerror}") from None
    if reason:
        raise InvalidValue(f"{path} is not used: {reason}", hint=f"check: {check}")
    return _decoded(content, path)


def _decoded(content: bytes, path: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidValue(f"{path}:{line}: not UTF-8, which TOML is") from None
