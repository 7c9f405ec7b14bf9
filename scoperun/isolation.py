"""The program's first step: what is set for the command's Python is not for this one.

A folder of $PYTHONPATH or the user's own site-packages can hold another typer, or an enum.py from the days before the
standard library had one; $PYTHONDEVMODE and the like change how Python runs. All of it is the command's, which gets it
untouched.

Until `isolate` has returned, nothing may be imported that a file in such a folder could stand in for: sys and os are
part of the interpreter (os is frozen).
"""

import os
import sys

from scoperun.environment import given_environment

_HARMLESS = {
    "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONNOUSERSITE", "PYTHONSAFEPATH",
    "PYTHONSTARTUP",
}  # fmt: skip
"""Variables that may stay in force: they are common, and a second start of Python costs a tenth of a run."""


def isolate() -> None:
    """Return in a process in which nothing of Python's is the command's; where scoperun itself lives, that stays.

    What variables have done cannot be undone, so Python starts anew, without them, in the same process.
    """
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if home in _folders_of_variables():
        return  # scoperun is used from there, be it for development: so are its dependencies
    users, first = _folders_of_user(), [] if sys.flags.safe_path else sys.path[:1]
    if not sys.flags.ignore_environment and any(map(_matters, os.environ)):
        _start_anew("-E" + "s" * (home not in users) + "P" * (home not in first))
    if home not in users:
        sys.path[:] = [folder for folder in sys.path if folder not in users]
    if home not in first:
        del sys.path[: len(first)]  # the folder of the script or, with -m, the working directory


def _matters(variable: str) -> bool:
    return variable.startswith("PYTHON") and variable not in _HARMLESS and os.environ[variable] != ""


def _folders_of_variables() -> "set[str]":
    """Return the folders that Python searches because a variable says so."""
    if sys.flags.ignore_environment:
        return set()
    folders = os.environ.get("PYTHONPATH", "")
    by_path = {os.path.abspath(folder) for folder in folders.split(os.pathsep)} if folders else set()
    return by_path | (_folders_of_user() if "PYTHONUSERBASE" in os.environ else set())


def _folders_of_user() -> "set[str]":
    """Return the user's own site-packages and what its .pth files add: all up to that of all users."""
    site = sys.modules.get("site")
    if site is None or site.USER_SITE not in sys.path:
        return set()
    after = sys.path[sys.path.index(site.USER_SITE) :]
    everybodys = set(site.getsitepackages())
    end = next((at for at, folder in enumerate(after) if folder in everybodys), len(after))
    return set(after[:end])


def _start_anew(flags: str) -> None:
    """Have Python run the same words again with `flags`; return where that cannot be done."""
    python = name = sys.executable
    if os.environ.get("PYTHONEXECUTABLE"):  # that may have named any program
        python, name = "/proc/self/exe", sys.orig_argv[0]
    try:
        os.execve(python, [name, flags, *sys.orig_argv[1:]], given_environment())
    except (OSError, ValueError):  # no /proc, too many words by one, an interpreter that does not know where it is
        return
