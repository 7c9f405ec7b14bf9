"""Fixtures for all tests of the core."""

from pathlib import Path

import pytest


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of the user's config file, which does not exist yet; no profile is selected."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("SCOPERUN_PROFILE", raising=False)
    file = tmp_path / "scoperun" / "config.toml"
    file.parent.mkdir()
    return file
