"""What runs in which guest."""

from collections.abc import Sequence
from dataclasses import dataclass

from .parallel import Command
from .recipe import SUITES

LAB = ("-m", "tests.lab")
TESTS = "tests/systemd"
LIMIT = ("--time-limit", "1200")  # three times what the longest row takes; a hung guest is a failure all the same


@dataclass(frozen=True, slots=True)
class Row:
    """Folders of tests/systemd, the options of `run` for the guest they need, and the suites they are for."""

    folders: tuple[str, ...]
    options: tuple[str, ...] = ()
    suites: tuple[str, ...] = tuple(SUITES)


# The longest first. The folder that is no other's is the whole, without those of the other rows.
ROWS = (
    Row(("",)),
    Row(("many", "once"), suites=("trixie",)),  # what they are about is our own
    Row(("root", "doomed"), ("--root",)),  # the last ends the user managers
    Row(("swap",), ("--swap", "512M")),
    Row(("small",), ("--ram", "256M")),
    Row(("no_memory",), ("--no-memory",)),
)

OWN = "tests/lab"
OWN_SUITE = "trixie"  # in whose guests the lab's own tests run


def builds(suites: Sequence[str]) -> dict[str, Command]:
    """Return the command lines that build the suites' images, by the suite."""
    return {suite: Command([*LAB, "build", suite]) for suite in suites}


def runs(suites: Sequence[str], pytest_arguments: Sequence[str]) -> dict[str, Command]:
    """Return the command lines that test the lab and the suites, each after its image, by what to call them."""
    rows = {
        f"{suite} {' '.join(folders(row))}": Command(
            [*LAB, "run", suite, *row.options, *LIMIT, "--", "python3", *pytest_words(row), *pytest_arguments],
            after=suite,
        )
        for row in ROWS
        for suite in suites
        if suite in row.suites
    }
    own = {OWN: Command(["-m", "pytest", OWN, *pytest_arguments], after=OWN_SUITE)}
    return own | rows if OWN_SUITE in suites else rows


def folders(row: Row) -> list[str]:
    """Return the folders of a row, from the project's root."""
    return [f"{TESTS}/{folder}".rstrip("/") for folder in row.folders]


def pytest_words(row: Row) -> list[str]:
    """Return the words after `python3` that test a row, without the folders that other rows have."""
    others = [folder for other in ROWS if other is not row and "" in row.folders for folder in folders(other)]
    return ["-m", "pytest", *folders(row), *(f"--ignore={folder}" for folder in others)]
