"""What many cgroups use is read as for one of them, and what is above several is read once."""

from pathlib import Path

import pytest

from scoperun.kernel import usage
from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.usage import Ceilings
from scoperun.spec.sizes import INFINITY


def nested(top: Path, *limits: str | None) -> Cgroup:
    """Make cgroups in one another with these limits, None for none that can be read; return the innermost."""
    folder, name = top, ""
    for level, limit in enumerate(limits):
        folder, name = folder / f"{level}.slice", f"{name}/{level}.slice"
        folder.mkdir(exist_ok=True)
        if limit is not None:
            (folder / "memory.max").write_text(f"{limit}\n")
    return Cgroup(name, str(folder))


@pytest.mark.parametrize(
    "limits",
    [
        ("max", "max", "max"),
        ("max", "4096", "8192"),
        ("8192", "max", "4096"),
        ("4096", "4096", "4096"),
        (None, "4096", "max"),
        ("4096", None, "max"),
        ("max", "max", None),
        ("max",),
        (None,),
    ],
)
@pytest.mark.parametrize("root", [None, "max", "2048"], ids=["machine", "container", "limited container"])
def test_the_ceiling_is_the_one_of_a_single_cgroup(
    tmp_path: Path, limits: tuple[str | None, ...], root: str | None
) -> None:
    if root is not None:
        (tmp_path / "memory.events.local").touch()
        (tmp_path / "memory.max").write_text(f"{root}\n")
    cgroup = nested(tmp_path, *limits)
    assert Ceilings().of(cgroup.name, cgroup.path) == cgroup.memory_ceiling()


def test_limits_above_several_cgroups_are_read_once(tmp_path: Path) -> None:
    ceilings, first = Ceilings(), nested(tmp_path, "4096", "max")
    ceilings.of(first.name, first.path)
    (tmp_path / "0.slice" / "memory.max").write_text("1024\n")
    second = tmp_path / "0.slice" / "x.scope"
    second.mkdir()
    (second / "memory.max").write_text("max\n")
    found = ceilings.of("/0.slice/x.scope", str(second))
    assert found is not None
    assert found.limit == 4096


def test_numbers_of_a_cgroup(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("4096\n")
    (tmp_path / "b").write_text("max\n")
    (tmp_path / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1\n")
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    assert [usage.number(f"{tmp_path}/{name}") for name in "abc"] == [4096, INFINITY, None]
    assert usage.cpu_time(str(tmp_path)) == 1.5
    assert usage.condition(str(tmp_path)) == (True, False)


def test_a_removed_cgroup_has_no_numbers() -> None:
    assert usage.number("/nonexistent/memory.max") is None
    assert usage.cpu_time("/nonexistent") is None
    assert usage.condition("/nonexistent") is None
