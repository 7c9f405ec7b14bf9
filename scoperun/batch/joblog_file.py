"""The file of --joblog."""

from __future__ import annotations

import errno
import os
from contextlib import closing
from typing import TYPE_CHECKING, Self

from scoperun.batch.events import Finished
from scoperun.batch.joblog import HEADER, line
from scoperun.console.appending import Appended
from scoperun.console.files import Destination
from scoperun.errors import ScoperunError

if TYPE_CHECKING:
    from scoperun.batch.events import Event


class JobLog:
    """The file, to which a line is added for each attempt that has ended. failure: why that was not possible."""

    def __init__(self, path: str, *, is_new: bool) -> None:
        """Begin the file, or go on with one. Raises ScoperunError."""
        self.failure: str | None = None
        self._host = os.uname().nodename
        try:
            if is_new:
                with closing(Destination(path)) as file:
                    if file.may_wait:
                        raise OSError(errno.EINVAL, "it is not a regular file")
                    file.write(HEADER)
            self._file = Appended(path, header=HEADER)
        except OSError as error:
            raise ScoperunError(f"--joblog: cannot write {path!r}: {error.strerror}") from None

    def take(self, event: Event) -> None:
        """Add the line of an attempt; one that was interrupted has none, because its job runs again."""
        if not isinstance(event, Finished) or event.is_interrupted:
            return
        try:
            self._file.append(line(event.job, event.attempt, self._host))
        except OSError as error:
            self.failure = f"{error.strerror}"

    def __enter__(self) -> Self:
        """Return it; the end of the with statement closes the file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()
