"""The program's first step: keep the settings for the command's Python away from scoperun's own.

A folder in $PYTHONPATH or the user's own site-packages can hold another typer, or an enum.py from the days before the
standard library had one. $PYTHONDEVMODE and similar variables change how Python runs. All of this is meant for the
command, which gets it unchanged.

Until `isolate` has returned, import nothing that a file in such a folder could replace. sys and os are safe: they are
part of the interpreter (os is frozen).
"""

import os
import sys

from scoperun.environment import given_environment

_HARMLESS = {
    "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONNOUSERSITE", "PYTHONSAFEPATH",
    "PYTHONSTARTUP",
}  # fmt: skip
"""Variables that can stay in force: they are common, and starting Python again costs a tenth of a run."""


def isolate() -> None:
    """Remove the command's Python settings and folders from this process; the folder of scoperun itself stays.

    The effect of environment variables cannot be undone, so Python starts again without them, in the same process.
    """
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if home in _folders_of_variables():
        return  # scoperun itself is imported from there, e.g. in development, and so are its dependencies
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
    """Return the folders that Python searches because of environment variables."""
    if sys.flags.ignore_environment:
        return set()
    folders = os.environ.get("PYTHONPATH", "")
    by_path = {os.path.abspath(folder) for folder in folders.split(os.pathsep)} if folders else set()
    return by_path | (_folders_of_user() if "PYTHONUSERBASE" in os.environ else set())


def _folders_of_user() -> "set[str]":
    """Return the user's own site-packages and the folders that its .pth files add: all before the system's."""
    site = sys.modules.get("site")
    if site is None or site.USER_SITE not in sys.path:
        return set()
    after = sys.path[sys.path.index(site.USER_SITE) :]
    for_all_users = set(site.getsitepackages())
    end = next((at for at, folder in enumerate(after) if folder in for_all_users), len(after))
    return set(after[:end])


def _start_anew(flags: str) -> None:
    """Run Python again with `flags` and the same arguments; return if that fails."""
    python = name = sys.executable
    if os.environ.get("PYTHONEXECUTABLE"):  # sys.executable is that variable's value, which can be any program
        python, name = "/proc/self/exe", sys.orig_argv[0]
    try:
        os.execve(python, [name, flags, *sys.orig_argv[1:]], given_environment())
    except (OSError, ValueError):  # no /proc, one argument too many, sys.executable empty
        return
