"""A real user manager: the host's if it has the memory controller, else one of the lab's guests."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .story import Others, Story, compiled, keepers, transient_units, units
from .truth import play

HERE = Path(__file__).parent


NO_MEMORY = "the user manager has no memory controller"


def what_is_missing() -> str | None:
    """Return why no limit can be held here, None if one can."""
    if "XDG_RUNTIME_DIR" not in os.environ:
        return "no user manager: XDG_RUNTIME_DIR is not set"
    state = subprocess.run(
        ["systemctl", "--user", "show", "-P", "ControlGroup"], capture_output=True, text=True, check=False
    )
    if state.returncode != 0:
        return f"no user manager: {state.stderr.strip()}"
    controllers = Path(f"/sys/fs/cgroup{state.stdout.strip()}/cgroup.controllers")
    if not controllers.exists() or "memory" not in controllers.read_text().split():
        return NO_MEMORY
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what cannot run here, and say why: `python -m tests.lab test` runs it in the lab."""
    missing = what_is_missing()
    for item in items:
        if item.path.is_relative_to(HERE) and (reason := why_not(item, missing)):
            item.add_marker(pytest.mark.skip(reason=f"{reason}; run: python -m tests.lab test"))


def why_not(item: pytest.Item, missing: str | None) -> str | None:
    """Return why a test cannot run where `missing` is missing; the folders are those of the lab's matrix."""
    if "no_memory" in item.path.parts:
        return "the user manager has the memory controller" if missing is None else missing.replace(NO_MEMORY, "")
    if {"root", "doomed"} & set(item.path.parts) and os.geteuid() != 0:
        return "needs root"
    return missing


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the examples and this folder's programs, compiled."""
    folder = tmp_path_factory.mktemp("examples")
    for source in [*(HERE.parents[1] / "examples").glob("*.c"), *HERE.glob("*.c")]:
        compiled(source, folder / source.stem)
    return folder


@pytest.fixture(scope="module")
def props() -> Iterator[play.Props]:
    """Return what the stories of the truth test need."""
    with play.props() as props:
        yield props


@pytest.fixture(scope="module")
def clean() -> Iterator[Others]:
    """See that nothing of ours is left when a file's tests are done; return what was there before them."""
    others = Others(units=units(), keepers=keepers())
    yield others
    assert units() <= others.units, "units were left behind"


@pytest.fixture
def story(examples: Path, tmp_path: Path, clean: Others) -> Iterator[Story]:
    """Run scoperun in the examples' folder; afterwards see that nothing of it is left."""
    yield Story(cwd=examples, report_file=tmp_path / "report.json")
    # systemd may be about to let one go, which it has done when it answers; not to ask it saves a tenth of all time.
    assert transient_units() <= clean.units or units() <= clean.units, "units were left behind"
    assert keepers() <= clean.keepers, "keepers were left behind"
