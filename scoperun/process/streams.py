"""The standard streams and what else this process inherited, all of which belongs to the command."""

from __future__ import annotations

import fcntl
import os

from scoperun.errors import ScoperunError


def occupy_closed_streams() -> None:
    """Open what is closed of descriptors 0, 1 and 2, so that no pipe of ours takes the number.

    The command still finds them closed, as it would without us: what we open here is closed on exec.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            _null()  # the lowest free number, which is fd


def keep_from_command(fd: int) -> int:
    """Return a descriptor for what `fd` is, which the command will not have; nor `fd` itself, if it is no stream."""
    ours = duplicate(fd)
    if fd > 2:
        os.close(fd)
    return ours


def duplicate(fd: int) -> int:
    """Return another descriptor for what `fd` is, closed on exec."""
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)  # os.dup takes the number of a standard stream that is closed


def give_up_streams() -> None:
    """Let go of standard input and output once the command has them.

    While we held them, a reader of the command's output would wait for us after the command has closed it, and a
    writer to its input would never hear that the command reads no more.
    """
    null = _null()
    for fd in (0, 1):
        os.dup2(null, fd, inheritable=False)
    os.close(null)


def inherited_descriptors() -> set[int]:
    """Return the descriptors that were handed to this process: Python closes what it opens itself on exec (PEP 446)."""
    return {fd for fd in map(int, os.listdir("/proc/self/fd")) if _is_inherited(fd)}


def _is_inherited(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:  # the descriptor of the listing itself
        return False


def _null() -> int:
    try:
        return os.open(os.devnull, os.O_RDWR)
    except OSError as error:
        raise ScoperunError(f"cannot open {os.devnull}: {error.strerror}") from None
