"""The config files: where they are, whether they can be trusted, and their merged content."""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scoperun.console.config import Config, Key

SYSTEM_FILE = "/etc/scoperun/config.toml"


def config_paths(environment: Mapping[str, str]) -> list[str]:
    """Return the possible paths of config files, the user's before the system's; relative folders are ignored."""
    folder = environment.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(folder):
        folder = os.path.join(environment.get("HOME") or os.path.expanduser("~"), ".config")
    users = [f"{folder}/scoperun/config.toml"] if os.path.isabs(folder) else []
    return [*users, SYSTEM_FILE]


def read_config(
    paths: Sequence[str], keys: Callable[[], Mapping[str, Key | None]], *, are_named: bool = False
) -> Config | None:
    """Return the merged content of the files at `paths`, None if none exists.

    keys: returns the keys that they may have; it is called, and the TOML parser imported, only if a file exists.
    are_named: the user has named the files, so that they must exist.
    Raises InvalidValue for a file that cannot be read or trusted, or has a mistake.
    """
    texts = {path: text for path in paths if (text := _text(path, is_named=are_named)) is not None}
    if not texts:
        return None
    from scoperun.console.config import merged, parse_config  # noqa: PLC0415  it imports tomli

    known = keys()
    return merged([parse_config(text, file=path, keys=known) for path, text in texts.items()])


def command_names(command: str) -> list[str]:
    """Return the names that rules match for a command: its last component, and its full path if it is found."""
    name = os.path.basename(command)
    found = command if "/" in command else _found(command)
    if not found:
        return [name]
    try:
        return [name, os.path.abspath(found)]
    except OSError:  # the working directory has been removed
        return [name]


def _found(command: str) -> str | None:
    import shutil  # noqa: PLC0415  only rules need it

    return shutil.which(command)


def check_home(environment: Mapping[str, str]) -> None:
    """Raise InvalidValue if we are root and $HOME is another user's, because files in it decide what root runs."""
    if os.geteuid() != 0 or os.stat("/proc/self").st_uid != 0:  # the second: fakeroot(1) fakes the first
        return
    home = environment.get("HOME", "")
    try:
        owner = os.stat(home).st_uid
    except OSError:  # it has no files
        return
    if owner not in {0, os.stat("/").st_uid}:
        message = f"refusing to run: HOME={home} belongs to user {owner}, and this is root"
        raise InvalidValue(message, hint="use sudo -H, or HOME=/root")


def _text(path: str, *, is_named: bool) -> str | None:
    try:
        if not is_named and _is_missing(path):
            return None
        from scoperun.console.trusted_file import read_trusted  # noqa: PLC0415  most users have no file

        return _decoded(read_trusted(path).removeprefix(BOM_UTF8), path)
    except OSError as error:
        option = "--config: " if is_named else ""
        raise InvalidValue(f"{option}cannot read {path}: {error.strerror}") from None


def _is_missing(path: str) -> bool:
    """Return whether the file does not exist, which is the usual case.

    A folder that we cannot search counts as one without the file: the home of another user, after a su that keeps HOME.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return True
    return False


def _decoded(content: bytes, path: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidValue(f"{path}:{line}: not UTF-8, which TOML requires") from None
