"""The folder for what is kept between runs: $XDG_STATE_HOME/scoperun, or ~/.local/state/scoperun.

Only root and our user can change its path or put files in it. SQLite needs that: it opens its files by their paths,
again and again, and follows links in them. A folder that is writable by a group with our user alone is as good.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.console.paths import ForeignLink, Place, Trusted, walk
from scoperun.console.private_group import is_alone
from scoperun.console.shell_words import quoted
from scoperun.console.trusted_file import distrust

if TYPE_CHECKING:
    from collections.abc import Mapping

_OWNERS_ALONE = 0o700


def state_path(environment: Mapping[str, str]) -> str:
    """Return the folder's path. Raises OSError if there is no home directory.

    A folder of another user's in the variables is ignored, because su(1) and sudo(8) can keep them: then it is below
    the home directory in the password database.
    """
    trusted = Trusted.here()
    for variable, below in (("XDG_STATE_HOME", ""), ("HOME", "/.local/state")):
        folder = environment.get(variable, "")
        if os.path.isabs(folder) and _is_theirs(folder, trusted):
            return f"{folder.rstrip('/')}{below}/scoperun"
    return f"{_home().rstrip('/')}/.local/state/scoperun"


def state_folder(environment: Mapping[str, str], *, create: bool) -> int | None:
    """Return a descriptor of the folder, as `trusted_folder` does, closed to others. Raises OSError as that does."""
    folder = trusted_folder(state_path(environment), create=create)
    if folder is not None and stat.S_IMODE(os.fstat(folder).st_mode) & 0o077:
        with suppress(OSError):  # some file systems have no modes, e.g. vfat
            os.chmod(f"/proc/self/fd/{folder}", _OWNERS_ALONE)
    return folder


def trusted_folder(path: str, *, create: bool) -> int | None:
    """Return a descriptor (O_PATH) of a folder, which the caller closes; None if it is missing and not `create`.

    Only root and our user can change its path. Missing folders are created for our user alone, if those that exist are
    right. Raises OSError; its strerror says which folder is wrong.
    """
    trusted = Trusted.here()
    folder = _opened(path, trusted)
    if folder is None and create:
        _make(path, trusted)
        folder = _opened(path, trusted)
    return folder


def _is_theirs(path: str, trusted: Trusted) -> bool:
    """Tell whether the folder, or if it is missing the first one above it that exists, belongs to root or our user."""
    while True:
        try:
            return os.stat(path).st_uid in {*trusted.users, trusted.owner_of_all}
        except (FileNotFoundError, NotADirectoryError):
            path = os.path.dirname(path.rstrip("/")) or "/"
        except OSError:  # it is in a folder that we may not search
            return False


def _home() -> str:
    import pwd  # noqa: PLC0415  $HOME is usually right

    try:
        home = pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        home = ""
    if not os.path.isabs(home):
        raise OSError(errno.ENOENT, f"user {os.geteuid()} has no home directory")
    return home


class _Untrusted(PermissionError):
    """Others can change a folder of the path; strerror says which."""


def _opened(path: str, trusted: Trusted) -> int | None:
    try:
        place = _found(path, trusted)
    except FileNotFoundError:
        return None
    except (ForeignLink, _Untrusted):
        raise
    except OSError as error:
        raise OSError(error.errno, f"{path}: {error.strerror}") from None
    with place:
        if place.status is None:
            return None
        if not stat.S_ISDIR(place.status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, f"{path} is not a folder")
        folder, place.entry = place.entry, None
        return folder


def _found(path: str, trusted: Trusted) -> Place:
    """Return where a path leads. Raises _Untrusted, and OSError as `walk` does."""
    doubts: list[str] = []

    def look(at: str, status: os.stat_result, folder: os.stat_result) -> None:
        if doubt := _doubt(at, status, folder, trusted):
            doubts.append(f"{at} {doubt}")

    place = walk(path, trusted, look=look)
    if doubts:
        place.close()
        raise _Untrusted(errno.EACCES, doubts[0])
    return place


def _doubt(path: str, status: os.stat_result, folder: os.stat_result, trusted: Trusted) -> str | None:
    """Return why a folder on the path is not to be trusted, and the remedy if that is its mode; None if it is.

    status: its status. folder: the status of the folder that it is in.
    """
    reason = distrust(status, folder, trusted)
    if reason is None or not trusted.own(status, folder):
        return reason
    of_others = status.st_mode & stat.S_IWOTH
    if not of_others and is_alone(path, status):
        return None
    users = f"{'g' if status.st_mode & stat.S_IWGRP else ''}{'o' if of_others else ''}"
    return f"{reason} (chmod {users}-w {quoted(path)})"


def _make(path: str, trusted: Trusted) -> None:
    """Create the folder, and those above it that are missing. Raises OSError."""
    try:
        place = _found(path, trusted)
    except FileNotFoundError:
        _make(os.path.dirname(path), trusted)
        place = _found(path, trusted)
    with place:
        try:
            os.mkdir(place.name, _OWNERS_ALONE, dir_fd=place.folder)
        except FileExistsError:  # another run has created it just now
            pass
        except OSError as error:
            raise OSError(error.errno, f"cannot create {path}: {error.strerror}") from None
