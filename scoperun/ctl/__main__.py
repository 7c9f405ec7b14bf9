"""The program `scopectl`."""

from scoperun.program import run_program

TYPE_CHECKING = False  # typing can be imported only after `isolate` has returned
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn


def program() -> "NoReturn":
    """Run scopectl and exit with its status; this function does not return."""
    run_program("scopectl", _main, failure=1)


def _main() -> "Callable[[], int]":
    from scoperun.ctl.command import main  # noqa: PLC0415  only after `spare`

    return main


if __name__ == "__main__":
    program()
