"""What runs in which guest."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .parallel import Command
from .recipe import SUITES

LAB = ("-m", "tests.lab")
TESTS = "tests/systemd"
LIMIT = ("--time-limit", "1200")  # three times what the longest row takes; a hung guest is a failure all the same


@dataclass(frozen=True, slots=True)
class Row:
    """Folders of tests/systemd, the options of `run` for the guest they need, and the suites they are for.

    alone: they measure time, and nothing else runs meanwhile.
    """

    folders: tuple[str, ...]
    options: tuple[str, ...] = ()
    suites: tuple[str, ...] = tuple(SUITES)
    alone: bool = False


# The longest first. The folder that is no other's is the whole, without those of the other rows.
ROWS = (
    Row(("",)),
    Row(("many", "once"), suites=("trixie",)),  # what they are about is our own
    Row(("root", "doomed"), ("--root",)),  # the last ends the user managers
    Row(("swap",), ("--swap", "512M")),
    Row(("small",), ("--ram", "256M")),
    Row(("no_memory",), ("--no-memory",)),
    Row(("alone",), suites=("trixie",), alone=True),
)

OWN = "tests/lab"
OWN_SUITE = "trixie"  # in whose guests the lab's own tests run


def builds(suites: Sequence[str]) -> dict[str, Command]:
    """Return the command lines that build the suites' images, by the suite."""
    return {suite: Command([*LAB, "build", suite]) for suite in suites}


def runs(suites: Sequence[str], pytest_arguments: Sequence[str]) -> dict[str, Command]:
    """Return the command lines that test the lab and the suites, each after its image, by what to call them."""
    own = {OWN: Command(["-m", "pytest", OWN, *pytest_arguments], after=OWN_SUITE)}
    rest = rows([row for row in ROWS if not row.alone], suites, pytest_arguments)
    return own | rest if OWN_SUITE in suites else rest


def runs_alone(suites: Sequence[str], pytest_arguments: Sequence[str]) -> dict[str, Command]:
    """Return the command lines of the tests that are to be run by themselves, when all images are there."""
    return rows([row for row in ROWS if row.alone], suites, pytest_arguments)


def rows(rows: Iterable[Row], suites: Sequence[str], pytest_arguments: Sequence[str]) -> dict[str, Command]:
    """Return the command lines of rows, by what to call them."""
    return {
        f"{suite} {' '.join(folders(row))}": Command(
            [*LAB, "run", suite, *row.options, *LIMIT, "--", "python3", *pytest_words(row), *pytest_arguments],
            after=None if row.alone else suite,
        )
        for row in rows
        for suite in suites
        if suite in row.suites
    }


def folders(row: Row) -> list[str]:
    """Return the folders of a row, from the project's root."""
    return [f"{TESTS}/{folder}".rstrip("/") for folder in row.folders]


def pytest_words(row: Row) -> list[str]:
    """Return the words after `python3` that test a row, without the folders that other rows have."""
    others = [folder for other in ROWS if other is not row and "" in row.folders for folder in folders(other)]
    return ["-m", "pytest", *folders(row), *(f"--ignore={folder}" for folder in others)]
