"""Which tests run in which guest: a row has all tests that need the same guest, and runs on each of their suites."""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from . import project
from .errors import LabError
from .needs import Needs
from .parallel import Command
from .recipe import STOCK, UML, Platform

LAB = ("-m", "tests.lab")
TESTS = ("tests/guest", "tests/truth")
PLUGIN = ("-p", "tests.lab.collection")
LIMIT = ("--time-limit", "1200")  # three times as long as the longest row

OWN = "tests/lab"
OWN_SUITE = "trixie"  # the lab's own tests boot guests of this suite, with both kernels
OWN_LENGTH = 200  # they take about as long as a row of so many tests


@dataclass(frozen=True, slots=True)
class Row:
    """The tests that need the same guest.

    files: the files with such tests; they can also have tests of other guests. tests: the number of tests.
    """

    needs: Needs
    files: tuple[str, ...]
    tests: int

    @property
    def pytest_words(self) -> list[str]:
        """The words after `python3` that run the tests inside their guest."""
        return pytest_words([self])


def pytest_words(rows: Sequence[Row]) -> list[str]:
    """Return the words after `python3` that run the tests of these rows inside one guest."""
    guests = [word for row in rows for word in ("--guest", str(row.needs))]
    return ["-m", "pytest", *PLUGIN, *guests, *dict.fromkeys(file for row in rows for file in row.files)]


def rows(tests: Sequence[str | Path] = TESTS) -> list[Row]:
    """Collect the tests and return their rows; the row with the most tests is first, because it takes longest."""
    files = defaultdict[Needs, list[str]](list)
    for needs, file in collect(tests):
        files[needs].append(file)
    found = [Row(needs, tuple(dict.fromkeys(names)), len(names)) for needs, names in files.items()]
    return sorted(found, key=lambda row: row.tests, reverse=True)


def collect(tests: Sequence[str | Path]) -> list[tuple[Needs, str]]:
    """Return the needs and the file of each test. Raises LabError.

    pytest collects them in a process of its own, because it imports all test modules.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "needs.json")
        words = ["-m", "pytest", *PLUGIN, "--needs-to", answer, "--collect-only", "-qq", "-p", "no:cacheprovider"]
        command = [sys.executable, *words, *tests]
        done = subprocess.run(command, cwd=project.ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"pytest cannot collect {' '.join(map(str, tests))}.", log=done.stdout + done.stderr)
        return [(Needs(**needs), file) for needs, file in json.loads(answer.read_text(encoding="utf-8"))]


def builds(platforms: Sequence[Platform]) -> dict[str, Command]:
    """Return the command lines that build what the platforms need, by suite."""
    suites = dict.fromkeys(platform.suite.name for platform in platforms)
    return {
        suite: Command([*LAB, "build", *(each.name for each in platforms if each.suite.name == suite)])
        for suite in suites
    }


def runs(rows: Iterable[Row], platforms: Sequence[Platform], pytest_arguments: Sequence[str]) -> dict[str, Command]:
    """Return the command lines that test the lab, and those for user-mode Linux, by name.

    Each waits for its suite's image. The longest are first: one that started last would run on alone.
    """
    uml = [platform for platform in platforms if platform.kernel == UML]
    found = [row for row in rows if not row.needs.alone]
    long = commands([row for row in found if row.tests > OWN_LENGTH], uml, pytest_arguments)
    short = commands([row for row in found if row.tests <= OWN_LENGTH], uml, pytest_arguments)
    has_own = OWN_SUITE in {platform.suite.name for platform in platforms}
    own = {f"{OWN_SUITE} {OWN}": Command(["-m", "pytest", OWN, *pytest_arguments])} if has_own else {}
    return {name: replace(each, after=name.partition(" ")[0]) for name, each in (long | own | short).items()}


def runs_on_stock_kernels(
    rows: Iterable[Row], platforms: Sequence[Platform], pytest_arguments: Sequence[str]
) -> dict[str, Command]:
    """Return the command lines for stock kernels, by name, after all images have been built.

    Nothing else runs beside them: they need two processors, and where they are emulated, much of both. Such a guest
    takes long to boot, so that rows which differ only in their suite share one.
    """
    stock = [platform for platform in platforms if platform.kernel == STOCK]
    sharing = defaultdict[tuple[Platform, Needs], list[Row]](list)
    for row in rows:
        for platform in stock:
            if platform in row.needs.platforms and not row.needs.alone:
                sharing[platform, replace(row.needs, suite=None)].append(row)
    return {
        f"{platform.name} {needs}": command(platform, needs, pytest_words(shared), pytest_arguments)
        for (platform, needs), shared in sharing.items()
    }


def runs_alone(
    rows: Iterable[Row], platforms: Sequence[Platform], pytest_arguments: Sequence[str]
) -> dict[str, Command]:
    """Return the command lines of the tests that run alone, after all images have been built."""
    return commands([row for row in rows if row.needs.alone], platforms, pytest_arguments)


def commands(rows: Iterable[Row], platforms: Sequence[Platform], pytest_arguments: Sequence[str]) -> dict[str, Command]:
    """Return the command lines of rows, by name: that of the platform, and the needs."""
    return {
        f"{platform.name} {row.needs}": command(platform, row.needs, row.pytest_words, pytest_arguments)
        for row in rows
        for platform in platforms
        if platform in row.needs.platforms
    }


def command(platform: Platform, needs: Needs, words: Sequence[str], pytest_arguments: Sequence[str]) -> Command:
    """Return the command line that boots a guest and runs pytest there."""
    return Command([*LAB, "run", platform.name, *needs.options, *LIMIT, "--", "python3", *words, *pytest_arguments])
