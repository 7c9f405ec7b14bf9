"""What all tests of the core share."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer


@pytest.fixture(scope="session", autouse=True)
def declared_once() -> Iterator[None]:
    """Build the command line from its declaration once, not for each that is parsed: it takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.main.get_command", functools.cache(typer.main.get_command))
        yield


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the user's config file is looked for; there is none yet, and no profile is asked for."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("SCOPERUN_PROFILE", raising=False)
    file = tmp_path / "scoperun" / "config.toml"
    file.parent.mkdir()
    return file
