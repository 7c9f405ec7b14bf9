"""A slice that was stopped is not the one of that name that comes with the next scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from scoperun.batch.ground import Ground
from scoperun.errors import ScopeFailed
from scoperun.kernel.cgroup import Cgroup

if TYPE_CHECKING:
    from pathlib import Path

    from scoperun.systemd.manager import Manager


def ground(folder: Path) -> Ground:
    return Ground(
        manager=cast("Manager", None),
        guards=(),
        slice="app-scoperun_batch_x.slice",
        cgroup=Cgroup("/x", f"{folder}"),
        made=folder.stat().st_ino if folder.exists() else None,
    )


def test_the_slice_that_was_made_is_intact(tmp_path: Path) -> None:
    ground(tmp_path).see_intact()


@pytest.mark.parametrize("is_there_again", [False, True])
def test_a_slice_that_was_stopped_is_not_intact(tmp_path: Path, *, is_there_again: bool) -> None:
    folder, old = tmp_path / "slice", tmp_path / "old"
    folder.mkdir()
    before = ground(folder)
    folder.rename(old)  # its number stays in use
    if is_there_again:
        folder.mkdir()
    with pytest.raises(ScopeFailed, match=r"the slice 'app-scoperun_batch_x\.slice' was stopped"):
        before.see_intact()


def test_a_slice_whose_cgroup_cannot_be_seen_is_taken_for_intact(tmp_path: Path) -> None:
    """As in a container: then no limit is read either."""
    ground(tmp_path / "none").see_intact()
