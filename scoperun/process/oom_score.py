"""A process's OOM score adjustment (oom_score_adj in proc(5)): tried before anything starts, set before the exec."""

from __future__ import annotations

import errno
import os
from typing import NoReturn

from scoperun.errors import InvalidValue

_FILE = "/proc/self/oom_score_adj"


def set_oom_score_adj(adjustment: int) -> None:
    """Set this process's adjustment, -1000 to 1000; raise OSError if the kernel refuses."""
    with open(_FILE, "wb", buffering=0) as file:
        file.write(str(adjustment).encode())


def see_settable(adjustment: int) -> None:
    """Raise InvalidValue if the kernel refuses this adjustment.

    Without CAP_SYS_RESOURCE a process cannot go below a bound that the kernel does not show. So a child tries it.
    """
    if error := _error_of_attempt(adjustment):
        hint = f"it is {_inherited()} now; lowering it takes CAP_SYS_RESOURCE" if error == errno.EACCES else None
        raise InvalidValue(
            f"`context.oom_score_adj={adjustment}` cannot be set by this user: {os.strerror(error)}", hint=hint
        )


def _error_of_attempt(adjustment: int) -> int:
    """Return the errno with which a child of ours fails to set it, 0 if it does not fail."""
    pid = os.fork()
    if pid == 0:
        _attempt(adjustment)
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:  # another part of this program has waited for it; the command's process tries again
        return 0
    return max(os.waitstatus_to_exitcode(status), 0)


def _attempt(adjustment: int) -> NoReturn:
    """Set it and exit with the errno; nothing may return or raise from here."""
    error = 0
    try:
        set_oom_score_adj(adjustment)
    except OSError as failure:
        error = failure.errno or errno.EIO
    finally:
        os._exit(error)


def _inherited() -> str:
    try:
        with open(_FILE, "rb") as file:
            return file.read().decode().strip()
    except OSError:
        return "not readable"
