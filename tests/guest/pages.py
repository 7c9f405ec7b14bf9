"""A file on a disk, not in memory: its pages are charged to the process that reads it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def on_disk(size: int) -> Iterator[str]:
    """Make a file of `size` bytes with no page in the page cache, and yield its path."""
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as file:  # /tmp is often in memory
        file.write(os.urandom(size))
        file.flush()
        os.fsync(file.fileno())
        drop_from_page_cache(file.name)
        yield file.name


def drop_from_page_cache(file: str) -> None:
    """Drop a file from the page cache, so that the next process to read it reads the disk."""
    fd = os.open(file, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
