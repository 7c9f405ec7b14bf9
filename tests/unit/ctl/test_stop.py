"""`scopectl stop` names the processes that are left in the unit that it has stopped, and no others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.ctl.stop import _inode, _living
from scoperun.kernel.cgroup import Cgroup

if TYPE_CHECKING:
    from pathlib import Path


def cgroup_of_this_process(path: Path) -> Cgroup:
    path.mkdir()
    (path / "cgroup.procs").write_text(f"{os.getpid()}\n", encoding="utf-8")
    return Cgroup("/a.scope", str(path))


def test_what_still_runs_in_the_cgroup_is_left(tmp_path: Path) -> None:
    cgroup = cgroup_of_this_process(tmp_path / "a.scope")
    assert _living(cgroup, _inode(cgroup)) == [os.getpid()]


def test_what_runs_in_the_next_cgroup_of_that_name_is_not(tmp_path: Path) -> None:
    """A unit can start again at once, e.g. because of its socket or of Upholds=."""
    path = tmp_path / "a.scope"
    before = _inode(cgroup_of_this_process(path))
    path.rename(tmp_path / "removed")
    assert _living(cgroup_of_this_process(path), before) == []
    assert _living(Cgroup("/a.scope", str(path)), None) == []  # it had no cgroup before


def test_a_cgroup_that_is_gone_has_no_processes(tmp_path: Path) -> None:
    gone = Cgroup("/a.scope", f"{tmp_path}/a.scope")
    assert (_inode(gone), _living(gone, None), _inode(None), _living(None, None)) == (None, [], None, [])
