"""A tree is drawn as systemctl draws it, and each unit is in the slice whose folder its cgroup is in."""

from pathlib import Path

import pytest

from scoperun.ctl.branches import Branch, drawn
from scoperun.ctl.tree import tree_of
from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.unit_cgroups import cgroups_below

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
    root = tree_of(top, cgroups_below(top))
    (app, init) = root.units
    assert (root.unit, app.unit, init.unit) == ("/m", "app.slice", "init.scope")
    assert [each.unit for each in app.units] == ["memory.x.scope", "app-x.slice"]
    assert [each.cgroup.name for each in app.units[1].units] == ["/m/app.slice/app-x.slice/a.scope"]
