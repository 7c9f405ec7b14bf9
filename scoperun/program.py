"""Runs the main function of a program, and leaves out the parts of Python's start and end that it does not need."""

import errno
import os
import sys

from scoperun.isolation import isolate
from scoperun.startup import spare

TYPE_CHECKING = False  # typing can be imported only after `isolate` has returned
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

PARENT = os.getppid()
"""Our parent's PID, read before all imports that take their time: later it could be that of another process."""

_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT}
"""Errors for what the machine or the user's limits can run out of while importing or printing."""


def run_program(name: str, find_main: "Callable[[], Callable[[], int]]", *, failure: int) -> "NoReturn":
    """Run a program and exit with its status; this function does not return.

    name: what its messages begin with. find_main: imports its main function, which returns the exit status.
    failure: the exit status if the program itself failed.
    """
    isolate()
    spare()
    status = _status(name, find_main, failure)
    try:
        sys.stdout.flush()
    except OSError:  # its file is full: the error was reported when something was printed
        status = status or failure
    except AttributeError:  # stdout is closed
        pass
    os._exit(status)  # everything is written; tearing down the interpreter takes longer than running true(1)


def _status(name: str, find_main: "Callable[[], Callable[[], int]]", failure: int) -> int:
    """Run the command line and return the exit status: for an unexpected error print one line.

    The line is printed after the exception is freed, with everything that its frames hold: that might be the only
    memory left.
    """
    try:
        return find_main()()
    except MemoryError:
        reason = f"not enough memory for {name} itself (ulimit -v and -d limit it)"
    except (Exception, KeyboardInterrupt) as error:
        if sys.flags.dev_mode:
            raise
        reason = reason_for(name, error)
    _say(f"{name}: {reason}")
    return failure


def reason_for(name: str, error: BaseException) -> str:
    """Return what the program `name` says of an unexpected error, as one line."""
    match error:
        case KeyboardInterrupt():
            return "interrupted"
        case OSError(errno=number, strerror=str(shortage)) if number in _SHORTAGES:
            return shortage
        case OSError(errno=errno.ENOENT, filename=str(path)) if path.startswith("/proc/"):
            return f"{path} is missing, so nothing can be known about processes: is /proc mounted?"
        case ImportError():  # the module's file is missing, or there is no memory to map it
            return f"cannot start: {error}"
    module = "scoperun" if name == "scoperun" else "scoperun.ctl"
    return f"internal error: {type(error).__name__}: {error} (python3 -X dev -m {module} shows where)"


def _say(text: str) -> None:
    """Print a line without importing anything: there might be no memory to import a codec."""
    visible = text if text.isprintable() else repr(text)[1:-1]  # the text can contain control characters
    try:
        os.write(2, visible.encode() + b"\n")
    except OSError:  # stderr is closed or full
        return
