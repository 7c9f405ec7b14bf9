"""Fixtures of the stories, and the summary after all have been played."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guest.here import leave_out
from tests.guest.story import Others, leaving_nothing

from . import play
from .document import matrix_lines
from .score import MARK

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the stories that cannot run here."""
    leave_out([item for item in items if item.path.is_relative_to(HERE)])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the truths beside the verdicts; with $SCOPERUN_TRUTH_ROUNDS, also each score as JSON."""
    if "SCOPERUN_TRUTH_ROUNDS" in os.environ:
        for score in play.SCORES:
            terminalreporter.write_line(f"{MARK}{json.dumps(score.to_dict())}")
    for line in matrix_lines(play.SCORES) if play.SCORES else ():
        terminalreporter.write_line(line)


@pytest.fixture(scope="module")
def props() -> Iterator[play.Props]:
    """Yield the props of the stories."""
    with play.props() as props:
        yield props


@pytest.fixture(scope="module")
def before() -> Others:
    """Return the scopes and keepers from before the first story."""
    return Others.now()


@pytest.fixture
def nothing_left(before: Others) -> Iterator[None]:
    """Assert that a story leaves no scope and no keeper."""
    with leaving_nothing(before):
        yield
