"""The program: `main`, without what a Python program's start and end cost that is of no use to this one."""

import errno
import os
import sys

from scoperun.isolation import isolate
from scoperun.startup import spare

TYPE_CHECKING = False  # typing is among what may be imported when `isolate` has returned
if TYPE_CHECKING:
    from typing import NoReturn

_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT}
"""What the machine or a limit of the user's may lack when something is imported, or printed."""


def program() -> "NoReturn":
    """Be the program."""
    isolate()
    spare()
    status = _status()
    try:
        sys.stdout.flush()
    except OSError:  # it is full, which was said when something was printed
        status = status or 125
    except AttributeError:  # it is closed
        pass
    os._exit(status)  # all is said and written; to take the interpreter apart takes longer than to run true(1)


def _status() -> int:
    """Return what to exit with: an error that nobody has foreseen is one line, and a failure of our own, as others are.

    The line is said when the error is gone, and with it what its frames hold: there may be no other memory.
    """
    try:
        from scoperun.cli.command import main  # noqa: PLC0415  it imports what is spared here

        return main()
    except MemoryError:
        reason = "not enough memory for scoperun itself (ulimit -v and -d limit it)"
    except (Exception, KeyboardInterrupt) as error:
        if sys.flags.dev_mode:
            raise
        reason = _reason(error)
    _say(f"scoperun: {reason}")
    return 125


def _reason(error: BaseException) -> str:
    match error:
        case KeyboardInterrupt():
            return "interrupted"
        case OSError(errno=number, strerror=str(shortage)) if number in _SHORTAGES:
            return shortage
        case OSError(errno=errno.ENOENT, filename=str(path)) if path.startswith("/proc/"):
            return f"{path} is missing, without which nothing is known of a process: is /proc mounted?"
        case ImportError():  # its file is missing, or there is no memory to map it
            return f"cannot start: {error}"
    return f"internal error: {type(error).__name__}: {error} (python3 -X dev -m scoperun shows where)"


def _say(text: str) -> None:
    """Print a line with what is built in: there may be no memory to import a codec with."""
    visible = text if text.isprintable() else repr(text)[1:-1]  # it may quote what a terminal would act on
    try:
        os.write(2, visible.encode() + b"\n")
    except OSError:  # nobody listens
        return


if __name__ == "__main__":
    program()
