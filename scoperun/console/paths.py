"""Paths, walked component by component, so that no stranger decides where they lead.

Whoever can write to a folder can put a link there, and can do so between a look at a path and its use. So each part is
opened below the one before it and never looked up again, and links are followed here, not by the kernel: those of root
and our own, nobody else's.
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
"""As many as the kernel follows in one path (path_resolution(7))."""

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class ForeignLink(OSError):
    """A link on the way belongs neither to root nor to us; strerror names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """Who may decide where our files are: `users`, and the owner of the root directory."""

    users: frozenset[int]
    owner_of_all: int

    @classmethod
    def here(cls) -> Self:
        """Return root and us; what geteuid() says may be made up, as by fakeroot(1), so the kernel is asked too."""
        users = frozenset({0, os.geteuid(), os.stat("/proc/self").st_uid})
        return cls(users=users, owner_of_all=os.stat("/").st_uid)

    def own(self, status: os.stat_result, folder: os.stat_result) -> bool:
        """Tell whether what has that status, in a folder of that status, is one of theirs, and put there by them."""
        if status.st_uid in self.users:
            # Where hard links are not protected (fs.protected_hardlinks) a stranger can give a link or a FIFO of root's
            # another name, in a folder of his own.
            return not _has_names_elsewhere(status) or self._keep(folder)
        # A user namespace that root is not mapped into shows its files as nobody's, and strangers' files too. What
        # stands where only its owner could put it is then root's.
        return status.st_uid == self.owner_of_all and not others_write(folder)

    def doubt(self, status: os.stat_result) -> str:
        """Return why what has that status is not theirs, in words that follow `it`."""
        if status.st_uid in self.users:
            return "has several names (hard links), of which others may have made this one"
        we = " nor to user ".join(map(str, sorted(self.users - {0})))
        return f"belongs to user {status.st_uid}, " + (f"neither to root nor to user {we}" if we else "not to root")

    def _keep(self, folder: os.stat_result) -> bool:
        return folder.st_uid in {*self.users, self.owner_of_all} and not others_write(folder)


def _has_names_elsewhere(status: os.stat_result) -> bool:
    """Tell whether what is neither a file nor a folder has several names."""
    return status.st_nlink > 1 and not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode))


def others_write(status: os.stat_result) -> bool:
    """Tell whether others than the owner may write to what has that status."""
    return bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


@dataclass(slots=True, kw_only=True)
class Place:
    """Where a path leads, held open: the name `name` in the folder `folder`, and what is there.

    status: of what is there, None if nothing is; entry: its descriptor, O_PATH unless is_open.
    is_nameless: it was found at a descriptor of a process, as /proc/1/fd/1 is one, and not by its own name.
    """

    folder: int
    name: str
    status: os.stat_result | None = None
    entry: int | None = None
    is_nameless: bool = False
    is_open: bool = False

    def release_entry(self) -> None:
        """Hold the folder alone, and not what is there."""
        if self.entry is not None:
            os.close(self.entry)
            self.entry = None

    def close(self) -> None:
        """Let go of it."""
        self.release_entry()
        os.close(self.folder)

    def __enter__(self) -> Self:
        """Hold it for the length of a with statement."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of it."""
        self.close()


def walk(path: str, trusted: Trusted, *, follow_last: bool = True, look: Look = lambda *_: None) -> Place:
    """Return where `path` leads; raise OSError, and ForeignLink, if there is no such folder.

    follow_last: whether a link in the last place is followed. look: called for each component on the way with its path,
    its status and that of the folder that it is in.
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


class _Walker:
    """A walk: the folder that it has come to, and the components that are left, the next one last."""

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
        """Take the next component; return the place if it was the last one."""
        name = self._rest.pop()
        is_last = not self._rest
        try:
            entry = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.folder)
        except FileNotFoundError:
            if is_last:
                return Place(folder=self.folder, name=name)
            raise
        try:
            path, status = os.path.join(self._path, name), os.fstat(entry)
            self._look(path, status, os.fstat(self.folder))
            if stat.S_ISLNK(status.st_mode) and (follow_last or not is_last):
                return self._follow(path, entry, status)
            if is_last:
                place = Place(folder=self.folder, name=name, status=status, entry=entry)
                entry = -1
                return place
            if not stat.S_ISDIR(status.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            self._path, self.folder, entry = path, entry, self.folder
        finally:
            if entry >= 0:
                os.close(entry)
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
        """Return what a link of procfs leads to if it need not have a name, as a pipe at /proc/self/fd/1."""
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
    """Return the components of a path, the first one last; a slash at the end says that it is a folder."""
    names = [name for name in path.split("/") if name]
    return [*([] if names and not path.endswith("/") else ["."]), *reversed(names)]
