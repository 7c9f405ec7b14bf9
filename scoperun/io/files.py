"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import stat
from contextlib import suppress


def write_atomically(path: str, text: str) -> None:
    """Write `text` to the file at `path`, which others see as it was before or complete; raise OSError.

    What is no regular file, as a FIFO or /dev/null, is written to and not replaced. A link is followed where the kernel
    follows it for us: not one that somebody else has put into /tmp (proc_sys_fs(5), protected_symlinks).
    """
    if _is_special(path):
        _write(os.open(path, os.O_WRONLY), text)
        return
    target = _followed(path)
    temporary = os.path.join(os.path.dirname(target), f".scoperun-{os.urandom(8).hex()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        _write(fd, text)
        os.rename(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def write_line(fd: int, line: str) -> None:
    """Write one line to descriptor `fd`; raise OSError."""
    rest = memoryview(f"{line}\n".encode())
    while rest:
        rest = rest[os.write(fd, rest) :]


def _followed(path: str) -> str:
    """Return what a link at `path` leads to by the kernel's word; `path` itself if there is nothing."""
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return path
    try:
        return os.path.realpath(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def _is_special(path: str) -> bool:
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return False


def _write(fd: int, text: str) -> None:
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
