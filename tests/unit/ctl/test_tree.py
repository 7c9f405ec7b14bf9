"""A tree is drawn as systemctl draws it, and each unit is in the slice whose folder its cgroup is in."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from scoperun.ctl.branches import Branch, drawn
from scoperun.ctl.processes import inside
from scoperun.ctl.tree import tree_of
from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.unit_cgroups import unit_cgroups

BRANCHES = [
    Branch("app.slice", ("1M",), [Branch("a.scope", ("2M",), [Branch("7 sh", ("3M",))]), Branch("b.scope")]),
    Branch("init.scope"),
]


@pytest.mark.parametrize(
    ("utf8", "lines"),
    [
        (True, ["├─app.slice", "│ ├─a.scope", "│ │ └─7 sh", "│ └─b.scope", "└─init.scope"]),
        (False, ["|-app.slice", "| |-a.scope", "| | `-7 sh", "| `-b.scope", "`-init.scope"]),
    ],
    ids=["UTF-8", "ASCII"],
)
def test_lines_join_what_belongs_together(utf8: bool, lines: list[str]) -> None:
    assert [text for text, _ in drawn(BRANCHES, utf8=utf8)] == lines


def test_cells_stay_with_their_lines() -> None:
    assert [cells for _, cells in drawn(BRANCHES, utf8=True)] == [("1M",), ("2M",), ("3M",), (), ()]


def test_units_are_in_their_slices(tmp_path: Path) -> None:
    for folder in ("app.slice/app-x.slice/a.scope/inner.scope", "app.slice/_memory.x.scope", "init.scope", "plain"):
        (tmp_path / folder).mkdir(parents=True)
    top = Cgroup("/m", str(tmp_path))
    root = tree_of(top, {unit: cgroup for unit, (cgroup,) in unit_cgroups(top).items()})
    (app, init) = root.units
    assert (root.unit, app.unit, init.unit) == ("/m", "app.slice", "init.scope")
    assert [each.unit for each in app.units] == ["memory.x.scope", "app-x.slice"]
    assert [each.cgroup.name for each in app.units[1].units] == ["/m/app.slice/app-x.slice/a.scope"]


DEPTH = 1500


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Cgroup]:
    """Return a cgroup with more in each other than functions can be; pytest could not remove them."""
    folders = [f"{tmp_path}{'/c' * depth}" for depth in range(1, DEPTH + 1)]
    for folder in folders:
        os.mkdir(folder)
    file = Path(folders[-1], "cgroup.procs")
    file.write_text(f"{os.getpid()}\n")
    yield Cgroup("/a.scope", str(tmp_path))
    file.unlink()
    for folder in reversed(folders):
        os.rmdir(folder)


def test_cgroups_that_are_nested_deeply_are_walked_and_drawn(deep: Cgroup) -> None:
    found = inside(deep)
    (row,) = found.to_json()
    assert (row["pid"], row["cgroup"]) == (os.getpid(), "/c" * DEPTH)
    lines = [text for text, _ in drawn(found.branches(), utf8=True)]
    assert len(lines) == DEPTH + 1
    assert f"{os.getpid()} " in lines[-1]
    assert len(list(deep.below())) == DEPTH


def test_processes_are_those_of_the_unit_first_and_cgroups_in_their_order(tmp_path: Path) -> None:
    for folder in ("", "a", "a/x", "b"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "cgroup.procs").write_text(f"{os.getpid()}\n")
    found = inside(Cgroup("/a.scope", str(tmp_path)))
    assert [row["cgroup"] for row in found.to_json()] == ["", "/a", "/a/x", "/b"]
    names = [text.rpartition("─")[2].partition(" ")[0] for text, _ in drawn(found.branches(), utf8=True)]
    pid = str(os.getpid())
    assert names == [pid, "a", pid, "x", pid, "b", pid]


def test_a_folder_that_is_not_utf8_is_shown_escaped(tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/\xff")
    (tmp_path / os.fsdecode(b"\xff") / "cgroup.procs").write_text(f"{os.getpid()}\n")
    (row,) = inside(Cgroup("/a.scope", str(tmp_path))).to_json()
    assert row["cgroup"] == "/\\xff"
    json.dumps(row, ensure_ascii=False).encode()


def names(found: dict[str, list[Cgroup]]) -> dict[str, list[str]]:
    return {unit: [each.name for each in cgroups] for unit, cgroups in found.items()}


def test_each_cgroup_of_a_units_name_is_found(tmp_path: Path) -> None:
    """Only the slices of a name with the right beginning can be systemd's."""
    forged = ("a.slice/x.slice/j.scope", "x.slice/x.slice/k.scope", "a-b.slice/l.scope", "b.slice/j.scope")
    more = ("x.slice/_j.scope", "_x.slice/y.scope")
    for folder in (*forged, *more, "x.slice/j.scope/y.slice", "x.slice/x-y.slice/z.scope", os.fsdecode(b"\xff.scope")):
        os.makedirs(f"{tmp_path}/{folder}")
    assert names(unit_cgroups(Cgroup("/m", str(tmp_path)))) == {
        "_x.slice": ["/m/_x.slice"],
        "y.scope": ["/m/_x.slice/y.scope"],
        "a.slice": ["/m/a.slice"],
        "b.slice": ["/m/b.slice"],
        "j.scope": ["/m/b.slice/j.scope", "/m/x.slice/j.scope"],
        "x.slice": ["/m/x.slice"],
        "_j.scope": ["/m/x.slice/_j.scope"],
        "x-y.slice": ["/m/x.slice/x-y.slice"],
        "z.scope": ["/m/x.slice/x-y.slice/z.scope"],
    }


def test_slices_cannot_be_nested_without_end(tmp_path: Path) -> None:
    os.makedirs(f"{tmp_path}{'/a.slice' * 400}")
    top = Cgroup("/m", str(tmp_path))
    assert list(unit_cgroups(top)) == ["a.slice"]
