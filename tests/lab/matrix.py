"""Which folder of tests/systemd runs in which guest."""

from collections.abc import Sequence
from dataclasses import dataclass

from . import project
from .recipe import SUITES

TESTS = "tests/systemd"
LIMIT = ("--time-limit", "1200")  # three times what the longest row takes; a hung guest is a failure all the same


@dataclass(frozen=True, slots=True)
class Row:
    """A folder of tests, the options of `run` for the guest it needs, and the suites it is for."""

    folder: str
    options: tuple[str, ...] = ()
    suites: tuple[str, ...] = tuple(SUITES)


# The longest first. A row's guest is only booted if its folder exists.
ROWS = (
    Row(TESTS),
    Row(f"{TESTS}/many", suites=("trixie",)),  # what it counts is our own
    Row(f"{TESTS}/no_memory", ("--no-memory",)),
    Row(f"{TESTS}/root", ("--root",)),
    Row(f"{TESTS}/doomed", ("--root",)),
    Row(f"{TESTS}/swap", ("--swap", "512M")),
    Row(f"{TESTS}/small", ("--ram", "256M")),
)


def runs(suites: Sequence[str], pytest_arguments: Sequence[str]) -> dict[str, list[str]]:
    """Return the lab's command lines that test the suites, by what to call them."""
    return {
        f"{suite} {row.folder}": ["run", suite, *row.options, *LIMIT, "--", *pytest_command(row), *pytest_arguments]
        for row in ROWS
        if (project.ROOT / row.folder).is_dir()
        for suite in suites
        if suite in row.suites
    }


def pytest_command(row: Row) -> list[str]:
    """Return the command that tests a row, without the folders that other rows have."""
    others = [other.folder for other in ROWS if other.folder.startswith(f"{row.folder}/")]
    ignored = [f"--ignore={folder}" for folder in others]
    return ["python3", "-m", "pytest", row.folder, *ignored]
