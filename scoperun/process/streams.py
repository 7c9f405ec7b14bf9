"""The standard streams and the other descriptors that this process inherited, all of which are for the command."""

from __future__ import annotations

import fcntl
import os

from scoperun.errors import ScoperunError


def occupy_closed_streams() -> None:
    """Open those of descriptors 0, 1 and 2 that are closed, so that no pipe of ours gets such a number.

    The command still finds them closed, as it would without us: exec closes what is opened here.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            _null()  # gets the lowest free number, which is fd


def keep_from_command(fd: int) -> int:
    """Return a duplicate of `fd` that the command will not inherit; close `fd` unless it is a standard stream."""
    ours = duplicate(fd)
    if fd > 2:
        os.close(fd)
    return ours


def duplicate(fd: int) -> int:
    """Return a duplicate of `fd` that exec closes."""
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)  # os.dup could return the number of a closed standard stream


def give_up_streams() -> None:
    """Close our standard input and output once the command has them.

    If we kept them, a reader of the command's output would wait for us after the command has closed it, and a writer to
    its input would not notice that the command has stopped reading.
    """
    null = _null()
    for fd in (0, 1):
        os.dup2(null, fd, inheritable=False)
    os.close(null)


def inherited_descriptors() -> set[int]:
    """Return the descriptors that this process inherited. Exec closes those that Python opened itself (PEP 446)."""
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
