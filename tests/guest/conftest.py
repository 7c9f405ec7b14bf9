"""Fixtures for tests with a real manager: that of a guest, or of a machine that can enforce limits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .here import leave_out
from .story import Others, Story, compiled, leaving_nothing, units

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that cannot run here."""
    leave_out([item for item in items if item.path.is_relative_to(HERE)])


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the compiled programs of `examples/` and of this folder."""
    folder = tmp_path_factory.mktemp("examples")
    for source in [*(HERE.parents[1] / "examples").glob("*.c"), *HERE.glob("*.c")]:
        compiled(source, folder / source.stem)
    return folder


@pytest.fixture(scope="module")
def clean() -> Iterator[Others]:
    """Record what exists before a file's tests, and assert afterwards that they have left no scope."""
    others = Others.now()
    yield others
    assert units() <= others.units, "units were left behind"


@pytest.fixture
def story(examples: Path, tmp_path: Path, clean: Others) -> Iterator[Story]:
    """Yield a Story in the examples' folder, and assert that the test leaves no scope and no keeper."""
    with leaving_nothing(clean):
        yield Story(cwd=examples, report_file=tmp_path / "report.json")
