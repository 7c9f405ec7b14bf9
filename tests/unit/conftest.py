"""What all tests of the core share."""

from pathlib import Path

import pytest


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the user's config file is looked for; there is none yet, and no profile is asked for."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("SCOPERUN_PROFILE", raising=False)
    file = tmp_path / "scoperun" / "config.toml"
    file.parent.mkdir()
    return file
