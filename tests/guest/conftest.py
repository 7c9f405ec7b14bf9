"""A real user manager: the host's if it has the memory controller, else one of the lab's guests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .here import leave_out
from .story import Others, Story, compiled, leaving_nothing, units

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what cannot run here."""
    leave_out([item for item in items if item.path.is_relative_to(HERE)])


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the examples and this folder's programs, compiled."""
    folder = tmp_path_factory.mktemp("examples")
    for source in [*(HERE.parents[1] / "examples").glob("*.c"), *HERE.glob("*.c")]:
        compiled(source, folder / source.stem)
    return folder


@pytest.fixture(scope="module")
def clean() -> Iterator[Others]:
    """See that nothing of ours is left when a file's tests are done; return what was there before them."""
    others = Others.now()
    yield others
    assert units() <= others.units, "units were left behind"


@pytest.fixture
def story(examples: Path, tmp_path: Path, clean: Others) -> Iterator[Story]:
    """Run scoperun in the examples' folder; afterwards see that nothing of it is left."""
    with leaving_nothing(clean):
        yield Story(cwd=examples, report_file=tmp_path / "report.json")
