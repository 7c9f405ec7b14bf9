"""A file that is on a disk and not in memory: what reads it is charged for its pages."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def on_disk(size: int) -> Iterator[str]:
    """Make a file of so many bytes, no page of which is in the page cache; give its path."""
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as file:  # /tmp is often in memory
        file.write(os.urandom(size))
        file.flush()
        os.fsync(file.fileno())
        drop_from_page_cache(file.name)
        yield file.name


def drop_from_page_cache(file: str) -> None:
    """Have the next to read a file read it from the disk."""
    fd = os.open(file, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
