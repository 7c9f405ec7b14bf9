"""The program: `main`, without what a Python program's start and end cost that is of no use to this one.

That is a fifth of the time that `scoperun -- true` takes: `make bench` measures it.
"""

import errno
import gc
import os
import sys

from scoperun.startup import isolate

TYPE_CHECKING = False  # typing is among what may be imported when `isolate` has returned
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import NoReturn

_NOT_NEEDED = ("ssl", "gi", "bz2", "lzma", "_zstd", "_elementtree", "_uuid")
"""What asyncio, dbus-next, shutil, xml and uuid import where it is there, and do without where it is not."""

_RARELY_NEEDED = {
    "asyncio.sslproto", "ipaddress", "locale", "platform", "textwrap", "tokenize", "xml.etree.ElementPath",
}  # fmt: skip
"""What typer, asyncio and dbus-next import in any case, and mostly never look into."""

_COLLECT_AFTER = 100_000
"""So many new objects; by default what is imported is searched for garbage dozens of times, in vain."""

_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT}
"""What the machine or a limit of the user's may lack when something is imported, or printed."""


class _RarelyNeeded:
    """Finds modules that are executed when somebody first looks into them."""

    @staticmethod
    def find_spec(name: str, path: "Sequence[str] | None", target: "ModuleType | None" = None) -> "ModuleSpec | None":
        """Return how to import one of those, None for every other module."""
        if name not in _RARELY_NEEDED:
            return None
        from importlib.machinery import PathFinder  # noqa: PLC0415
        from importlib.util import LazyLoader  # noqa: PLC0415

        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def spare() -> None:
    """Have this process import what scoperun needs, and look for no garbage meanwhile."""
    gc.set_threshold(_COLLECT_AFTER)
    for module in _NOT_NEEDED:
        sys.modules[module] = None  # type: ignore[assignment]  # an ImportError for whoever asks
    sys.meta_path.insert(0, _RarelyNeeded)


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
