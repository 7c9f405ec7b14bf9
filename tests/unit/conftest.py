"""What all tests of the core share."""

import functools
from collections.abc import Iterator

import pytest
import typer


@pytest.fixture(scope="session", autouse=True)
def declared_once() -> Iterator[None]:
    """Build the command line from its declaration once, not for each that is parsed: it takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.main.get_command", functools.cache(typer.main.get_command))
        yield
