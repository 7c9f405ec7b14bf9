"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import stat
from contextlib import suppress


def write_atomically(path: str, text: str) -> None:
    """Write `text` to the file at `path`, which others see as it was before or complete; raise OSError.

    What is no regular file, as a FIFO or /dev/null, is written to and not replaced.
    """
    target = os.path.realpath(path)
    if _is_special(target):
        _write(target, os.O_WRONLY, text)
        return
    temporary = f"{target}.{os.getpid()}.tmp"
    try:
        _write(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, text)
        os.rename(temporary, target)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def write_line(fd: int, line: str) -> None:
    """Write one line to descriptor `fd`; raise OSError."""
    rest = memoryview(f"{line}\n".encode())
    while rest:
        rest = rest[os.write(fd, rest) :]


def _is_special(path: str) -> bool:
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return False


def _write(path: str, flags: int, text: str) -> None:
    fd = os.open(path, flags, 0o666)
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
