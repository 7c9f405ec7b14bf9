"""The program `scoperun`."""

from scoperun.program import run_program

TYPE_CHECKING = False  # typing can be imported only after `isolate` has returned
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn


def program() -> "NoReturn":
    """Run scoperun and exit with its status; this function does not return."""
    run_program("scoperun", _main, failure=125)


def _main() -> "Callable[[], int]":
    from scoperun.cli.command import main  # noqa: PLC0415  only after `spare`

    return main


if __name__ == "__main__":
    program()
