"""The folder of --results: what each job printed, and the report of its last attempt, in a folder of its own."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from scoperun.console.files import Destination
from scoperun.console.folders import make_folder
from scoperun.errors import ScoperunError

if TYPE_CHECKING:
    from scoperun.batch.events import Finished

_FILES = {"out": "stdout", "err": "stderr"}
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
        except OSError as error:
            raise ScoperunError(f"--results: cannot use {path!r}: {error.strerror}") from None

    def opened(self, seq: int) -> tuple[int, int]:
        """Begin the files of an attempt, in place of those of an earlier one. Raises OSError."""
        make_folder(f"{self._path}/{seq}", mode=_MODE)
        with suppress(FileNotFoundError):  # a report is that of the attempt that printed what is beside it
            os.unlink(f"{self._path}/{seq}/report.json")
        output = self._begun(seq, "out")
        try:
            return output, self._begun(seq, "err")
        except BaseException:
            os.close(output)
            raise

    def reopened(self, seq: int, name: str) -> int:
        """Open a file of an attempt that has ended, to read it. Raises OSError."""
        return os.open(self._file(seq, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def take(self, event: Finished) -> None:
        """Write the report of an attempt; note why if that fails."""
        if event.report is None or event.is_interrupted:
            return
        try:
            with closing(Destination(f"{self._path}/{event.job.seq}/report.json")) as file:
                file.write(event.report.to_json(indent=2) + "\n")
        except OSError as error:
            self.failure = f"{error.strerror}"

    def _begun(self, seq: int, name: str) -> int:
        with closing(Destination(self._file(seq, name))) as file:
            return file.begin()

    def _file(self, seq: int, name: str) -> str:
        return f"{self._path}/{seq}/{_FILES[name]}"
