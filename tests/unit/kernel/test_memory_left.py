"""What programs can still get: the least of what the machine has and of what the limits above them leave."""

from pathlib import Path

import pytest

from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.memory_left import Left, memory_left, used

STAT = "anon 500\ninactive_file 20\nactive_file 30\nslab_reclaimable 50\n"


def cgroup(folder: Path, limit: str | None, current: int = 0, stat: str = "") -> Cgroup:
    folder.mkdir()
    if limit is not None:
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{current}\n")
        (folder / "memory.stat").write_text(stat)
    return Cgroup(f"/{folder.name}", str(folder))


def meminfo(folder: Path, kib: int) -> str:
    file = folder / "meminfo"
    file.write_text(f"MemTotal: 9999 kB\nMemAvailable: {kib} kB\n")
    return str(file)


@pytest.mark.parametrize(("kib", "left"), [(0, Left(0)), (1, Left(500, "/b")), (9, Left(500, "/b"))])
def test_the_least_counts_and_is_named(tmp_path: Path, kib: int, left: Left) -> None:
    """What the kernel can drop is not in use; a cgroup without a limit, or without the controller, says nothing."""
    levels = [
        cgroup(tmp_path / "a", "9000", 300),
        cgroup(tmp_path / "b", "1000", 600, STAT),
        cgroup(tmp_path / "c", "max", 10**9),
        cgroup(tmp_path / "d", None),
    ]
    assert memory_left(levels, meminfo(tmp_path, kib)) == left


def test_what_has_no_more_left_is_named() -> None:
    assert [Left(1, name).where for name in (None, "/", "/a.slice/b.scope")] == [
        "the machine",
        "the container",
        "b.scope",
    ]


def test_a_cgroup_above_its_limit_leaves_nothing(tmp_path: Path) -> None:
    """As after the limit was lowered."""
    full = cgroup(tmp_path / "a", "1000", 1200)
    assert memory_left([full], meminfo(tmp_path, 9)) == Left(0, "/a")


def test_what_nothing_says_is_not_known(tmp_path: Path) -> None:
    assert memory_left([], str(tmp_path / "none")) is None
    assert memory_left([cgroup(tmp_path / "a", None)], str(tmp_path / "none")) is None
    assert used(Cgroup("/none", str(tmp_path / "none"))) == 0
