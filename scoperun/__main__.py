"""The program: `main`, without what a Python program's start and end cost that is of no use to this one.

That is a fifth of the time that `scoperun -- true` takes: `make bench` measures it.
"""

import gc
import os
import sys
from typing import NoReturn

from scoperun.cli import main

_NOT_NEEDED = ("ssl", "gi", "bz2", "lzma", "_zstd", "_elementtree", "_uuid")
"""What asyncio, dbus-next, shutil, xml and uuid import where it is there, and do without where it is not."""

_COLLECT_AFTER = 100_000
"""So many new objects; by default what is imported is searched for garbage dozens of times, in vain."""


def program() -> NoReturn:
    """Be the program."""
    gc.set_threshold(_COLLECT_AFTER)
    for module in _NOT_NEEDED:
        sys.modules[module] = None  # type: ignore[assignment]  # an ImportError for whoever asks
    status = main()
    try:
        sys.stdout.flush()
    except (OSError, AttributeError):  # it is full, or closed: the interpreter has its own way to say so
        sys.exit(status)
    os._exit(status)  # all is said and written; to take the interpreter apart takes longer than to run true(1)


if __name__ == "__main__":
    program()
