"""Which scopes a scoperun watches is read from the files of systemd, never from those of another user."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from scoperun.supervision import movers

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("other", "keeper", "watched"),
    [(0, 77, {"a.scope"}), (0, None, set()), (1, 77, set())],
    ids=["ours", "ours, whose scoperun is gone", "another's"],
)
async def test_a_scope_with_a_scoperun_is_watched_and_no_file_of_another_user_is_looked_at(
    other: int, keeper: int | None, watched: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_for: list[str] = []

    def find(folder: str, unit: str) -> SimpleNamespace:
        looked_for.append(f"{folder}/{unit}")
        return SimpleNamespace(has_keeper=True)

    monkeypatch.setattr(movers, "transient_file", find)
    monkeypatch.setattr(movers, "living_keeper", lambda _: keeper)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    user = os.geteuid() + other
    process: Any = SimpleNamespace(cgroup=f"/user.slice/user@{user}.service/app.slice/a.scope")
    own: Any = None
    found = await movers.mover_of(movers.Managers(own, system=True), [process])
    assert found.watched == watched
    assert looked_for == ([] if other else [f"{tmp_path}/systemd/transient/a.scope"])
