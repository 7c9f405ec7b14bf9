"""The folder of --results: what each job printed, and the report of its last attempt, in a folder of its own."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from scoperun.batch.streams import CannotRead
from scoperun.console.files import Destination
from scoperun.console.folders import make_folder
from scoperun.console.paths import ForeignLink, Trusted, walk
from scoperun.errors import ScoperunError

if TYPE_CHECKING:
    from scoperun.batch.events import Finished
    from scoperun.console.paths import Place

_FILES = {"out": "stdout", "err": "stderr"}
_LOST = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL}
"""Errors of a file that is not there any more, or is another one."""

_MODE = 0o777
"""Of new folders, less what the umask takes away."""


class Results:
    """The folder of --results."""

    def __init__(self, path: str) -> None:
        """Make the folder if it is missing. Raises ScoperunError."""
        self._path = os.path.abspath(path)
        self.failure: str | None = None
        try:
            make_folder(self._path, mode=_MODE)
            with walk(f"{self._path}/", Trusted.here()):  # it is a folder
                pass
        except OSError as error:
            raise ScoperunError(f"--results: cannot use {path!r}: {error.strerror}") from None

    def opened(self, seq: int) -> tuple[int, int]:
        """Begin the files of an attempt, in place of those of an earlier one. Raises OSError."""
        make_folder(f"{self._path}/{seq}", mode=_MODE)
        # A report is that of the attempt that printed what is beside it.
        with suppress(FileNotFoundError), self._walk(seq, "report.json") as place:
            os.unlink(place.name, dir_fd=place.folder)
        output = self._begun(seq, "out")
        try:
            return output, self._begun(seq, "err")
        except BaseException:
            os.close(output)
            raise

    def reopened(self, seq: int, name: str) -> int:
        """Open a file of an attempt that has ended. Raises CannotRead if it is lost, OSError if it is there."""
        try:
            with self._walk(seq, _FILES[name]) as place:
                if place.status is None:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
                if not stat.S_ISREG(place.status.st_mode) or place.status.st_uid != os.geteuid():
                    raise OSError(errno.EINVAL, "it is not the file that the job was given")
                return os.open(f"/proc/self/fd/{place.entry}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in _LOST or isinstance(error, ForeignLink):
                raise CannotRead(f"{error.strerror}") from None
            raise

    def take(self, event: Finished) -> None:
        """Write the report of an attempt; note why if that fails."""
        if event.report is None or event.is_interrupted:
            return
        try:
            with closing(Destination(f"{self._path}/{event.job.seq}/report.json")) as file:
                file.write(event.report.to_json(indent=2) + "\n")
        except OSError as error:
            self.failure = f"{event.job.seq}/report.json: {error.strerror}"

    def _walk(self, seq: int, name: str) -> Place:
        """Return where a file of a job is; a job, or another user, can have put links into the path."""
        return walk(f"{self._path}/{seq}/{name}", Trusted.here(), follow_last=False)

    def _begun(self, seq: int, name: str) -> int:
        with closing(Destination(f"{self._path}/{seq}/{_FILES[name]}")) as file:
            return file.begin()
