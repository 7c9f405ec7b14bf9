"""Paths, walked component by component, so that no other user decides where they lead.

A user with write access to a folder can put a link there, also between the check of a path and its use. So each
component is opened relative to the one before it and never looked up again, and links are followed by this code, not by
the kernel: only links that root or our user owns.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Self

from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    Look = Callable[[str, os.stat_result, os.stat_result], None]

_LINKS = 40
"""The kernel follows the same number of links in one path (path_resolution(7))."""

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class ForeignLink(OSError):
    """A link in the path belongs neither to root nor to our user; strerror names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """The users that may decide where our files are.

    users: their IDs. owner_of_all: the ID of the root directory's owner, who may too.
    """

    users: frozenset[int]
    owner_of_all: int

    @classmethod
    def here(cls) -> Self:
        """Return root and our user, as geteuid() and the kernel report it: fakeroot(1) makes geteuid() return 0."""
        users = frozenset({0, os.geteuid(), os.stat("/proc/self").st_uid})
        return cls(users=users, owner_of_all=os.stat("/").st_uid)

    def own(self, status: os.stat_result, folder: os.stat_result) -> bool:
        """Return whether a file of that status belongs to one of them and was put into its folder by one of them.

        folder: the status of that folder.
        """
        if status.st_uid in self.users:
            # Without fs.protected_hardlinks any user can give a link or a FIFO of root's another name, in a folder of
            # their own.
            return not _has_names_elsewhere(status) or self.keep(folder)
        # In a user namespace without a mapping for root, its files belong to `nobody`, and so do those of all other
        # unmapped users. A file in a folder that only its owner can write to is then root's.
        return status.st_uid == self.owner_of_all and not others_write(folder)

    def doubt(self, status: os.stat_result) -> str:
        """Return why a file of that status is not theirs, as a phrase that follows the word `it`."""
        if status.st_uid in self.users:
            return "has several names (hard links), and others might have made this one"
        we = " nor to user ".join(map(str, sorted(self.users - {0})))
        return f"belongs to user {status.st_uid}, " + (f"neither to root nor to user {we}" if we else "not to root")

    def keep(self, folder: os.stat_result) -> bool:
        """Return whether only they can put a file into a folder of that status."""
        return folder.st_uid in {*self.users, self.owner_of_all} and not others_write(folder)


def _has_names_elsewhere(status: os.stat_result) -> bool:
    """Return whether this is neither a file nor a folder and has several names."""
    return status.st_nlink > 1 and not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode))


def others_write(status: os.stat_result) -> bool:
    """Return whether users other than the owner have write permission."""
    return bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


@dataclass(slots=True, kw_only=True)
class Place:
    """Where a path leads, held open.

    folder: a descriptor of the folder. name: the entry's name in it.
    status: the status of the entry, None if it does not exist. entry: its descriptor, O_PATH unless is_open.
    is_nameless: it was reached through a process's descriptor, e.g. /proc/1/fd/1, and not by a name of its own.
    is_open: `entry` is open for writing.
    """

    folder: int
    name: str
    status: os.stat_result | None = None
    entry: int | None = None
    is_nameless: bool = False
    is_open: bool = False

    def release_entry(self) -> None:
        """Close the entry's descriptor; keep the folder's."""
        if self.entry is not None:
            os.close(self.entry)
            self.entry = None

    def close(self) -> None:
        """Close both descriptors."""
        self.release_entry()
        os.close(self.folder)

    def __enter__(self) -> Self:
        """Return the place; the end of the with statement closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def walk(path: str, trusted: Trusted, *, follow_last: bool = True, look: Look = lambda *_: None) -> Place:
    """Return where `path` leads.

    follow_last: whether to follow a link that is the last component. look: called for each component with its path, its
    status and the status of its folder.
    Raises OSError if a folder of the path does not exist or cannot be searched, ForeignLink for a link of another user.
    """
    if not path:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    walker = _Walker(path, trusted, look)
    try:
        while (place := walker.step(follow_last=follow_last)) is None:
            pass
    except BaseException:
        os.close(walker.folder)
        raise
    return place


def remedy(error: OSError) -> str | None:
    """Return what to do about a path to which no file can be written, None if that is not known."""
    match error:
        case FileNotFoundError():
            return "its folder has to exist"
        case IsADirectoryError():
            return "it has to be a file"
        case _:
            return None


class _Walker:
    """The state of a walk: the current folder, and the components that are left, the next one last."""

    def __init__(self, path: str, trusted: Trusted, look: Look) -> None:
        self._trusted = trusted
        self._look = look
        self._links = 0
        self._rest = _components(path)
        self._path = "/" if path.startswith("/") else ""
        self.folder = os.open(self._path or ".", _FOLDER)
        status = os.fstat(self.folder)
        look(self._path or ".", status, status)

    def step(self, *, follow_last: bool) -> Place | None:
        """Walk to the next component; return the place if it was the last one, else None."""
        name = self._rest.pop()
        is_last = not self._rest
        try:
            entry = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.folder)
        except FileNotFoundError:
            if is_last:
                return Place(folder=self.folder, name=name)
            raise
        unused = entry  # the descriptor that nothing needs after this step
        try:
            path, status = os.path.join(self._path, name), os.fstat(entry)
            self._look(path, status, os.fstat(self.folder))
            if stat.S_ISLNK(status.st_mode) and (follow_last or not is_last):
                return self._follow(path, entry, status)
            if is_last:
                place = Place(folder=self.folder, name=name, status=status, entry=entry)
                unused = -1
                return place
            if not stat.S_ISDIR(status.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            unused = self.folder
            self._path, self.folder = path, entry
        finally:
            if unused >= 0:
                os.close(unused)
        return None

    def _follow(self, path: str, link: int, status: os.stat_result) -> Place | None:
        if not self._trusted.own(status, os.fstat(self.folder)):
            raise ForeignLink(errno.EACCES, f"{path} is a link that {self._trusted.doubt(status)}", path)
        self._links += 1
        if self._links > _LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if not self._rest and (place := self._nameless(path, status)):
            return place
        text = os.readlink("", dir_fd=link)
        self._rest += _components(text)
        if text.startswith("/"):
            root = os.open("/", _FOLDER)
            os.close(self.folder)
            self._path, self.folder = "/", root
        return None

    def _nameless(self, path: str, status: os.stat_result) -> Place | None:
        """Return the target of a procfs link if it might have no name, e.g. a pipe at /proc/self/fd/1; else None."""
        if status.st_dev != os.stat("/proc").st_dev:
            return None
        name = os.path.basename(path)
        entry = os.open(name, os.O_PATH | os.O_CLOEXEC, dir_fd=self.folder)
        found = os.fstat(entry)
        if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
            os.close(entry)
            return None
        return Place(folder=self.folder, name=name, status=found, entry=entry, is_nameless=True)


def _components(path: str) -> list[str]:
    """Return the components of a path, the first one last; a slash at the end adds `.`, which only a folder has."""
    names = [name for name in path.split("/") if name]
    return [*([] if names and not path.endswith("/") else ["."]), *reversed(names)]
