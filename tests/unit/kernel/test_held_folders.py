"""A mark of systemd-oomd can be read after its cgroup was removed."""

import os
from pathlib import Path

import pytest

from scoperun.evidence.events import OomdMark
from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.held_folders import HeldFolders
from scoperun.kernel.scope_cgroup import ScopeCgroup


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[int, str], bytes]:
    """Return a dict of attributes by inode and name, in place of those of the file system, which might have none."""
    values: dict[tuple[int, str], bytes] = {}
    monkeypatch.setattr(os, "getxattr", lambda file, name: values.get((os.stat(file).st_ino, name), b""))
    return values


def folder(path: Path) -> int:
    """Make a folder and return its inode."""
    path.mkdir()
    return path.stat().st_ino


def test_the_mark_on_a_removed_scope_is_read(tmp_path: Path, marks: dict[tuple[int, str], bytes]) -> None:
    inode = folder(tmp_path / "job.scope")
    scope = ScopeCgroup(Cgroup("/job.scope", str(tmp_path / "job.scope")), keeper=1)
    with scope.folders as held:
        held.hold(scope.cgroup)
        (tmp_path / "job.scope").rmdir()
        assert scope.oomd_marks() == []
        marks[inode, "user.oomd_ooms"] = b"1"
        assert scope.oomd_marks() == [OomdMark(1, cgroup="/job.scope")]
        marks[inode, "user.oomd_kill"] = b"3"
        assert scope.oomd_marks() == [OomdMark(1, cgroup="/job.scope", processes=3)]
    assert scope.oomd_marks() is None


def test_the_mark_on_a_removed_cgroup_below_is_read_if_it_was_seen(
    tmp_path: Path, marks: dict[tuple[int, str], bytes]
) -> None:
    """A cgroup of the same name can have followed it."""
    job = tmp_path / "job.scope"
    folder(job)
    (job / "memory.events").write_text("oom_kill 0\n", encoding="ascii")
    (job / "cgroup.procs").touch()
    first = folder(job / "work")
    scope = ScopeCgroup(Cgroup("/job.scope", str(job)), keeper=1)
    with scope.folders as held:
        held.hold(scope.cgroup)
        scope.snapshot()
        (job / "work").rename(tmp_path / "gone")  # its inode is not used again
        second = folder(job / "work")
        marks[first, "user.oomd_ooms"] = b"1"
        marks[second, "user.oomd_ooms"] = b"2"
        found = scope.oomd_marks()
    assert found == [OomdMark(2, cgroup="/job.scope/work"), OomdMark(1, cgroup="/job.scope/work")]


def test_a_cgroup_that_is_gone_is_not_held(tmp_path: Path) -> None:
    with HeldFolders() as held:
        held.hold(Cgroup("/job.scope", str(tmp_path / "gone")))
        assert held.removed() == []


def test_of_too_many_the_oldest_are_closed_but_not_the_scope(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with HeldFolders() as held:
        cgroups = [Cgroup(f"/{number}", str(tmp_path / str(number))) for number in range(100)]
        for cgroup in cgroups:
            folder(Path(cgroup.path))
            held.hold(cgroup)
            held.hold(cgroup)
        assert [held.of(cgroups[number]) is not None for number in (0, 1, 68, 69, 99)] == [
            True,
            False,
            False,
            True,
            True,
        ]
        assert len(set(os.listdir("/proc/self/fd")) - before) == 32
    assert set(os.listdir("/proc/self/fd")) == before
    held.hold(cgroups[0])
    assert set(os.listdir("/proc/self/fd")) == before
