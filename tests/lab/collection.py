"""A pytest plugin that reads which guest each test needs; the lab loads it with `-p tests.lab.collection`.

With --needs-to FILE it writes the needs and the file of each collected test as JSON: the lab makes its rows from them.
With --guest NEEDS, in a guest, it selects the tests that need this guest; it can be repeated.
"""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from .needs import Needs


def needs_of(item: pytest.Item) -> tuple[Needs, ...]:
    """Return the needs of a test, one for each kernel on which it runs.

    They are the arguments of its closest marker, on the test, its class or its module.
    """
    marker = item.get_closest_marker("guest")
    try:
        needs = Needs(*marker.args, **marker.kwargs) if marker else Needs()
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(f"{item.nodeid}: the marker guest: {error}") from None
    return needs.on_each_kernel


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two options."""
    group = parser.getgroup("lab")
    group.addoption("--needs-to", metavar="FILE", type=Path, help="write there which guests the tests need, as JSON")
    group.addoption(
        "--guest", metavar="NEEDS", action="append", help="only the tests that need this guest: 'user=tester swap=512M'"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of other guests."""
    wanted = config.getoption("--guest")
    if wanted is None:
        return
    others = [item for item in items if set(wanted).isdisjoint(map(str, needs_of(item)))]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write the needs of the collected tests."""
    file = session.config.getoption("--needs-to")
    if file is not None:
        rows = [(asdict(needs), item.nodeid.partition("::")[0]) for item in session.items for needs in needs_of(item)]
        file.write_text(json.dumps(rows), encoding="utf-8")
