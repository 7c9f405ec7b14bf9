"""What systemd has written about transient units tells which are ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from scoperun.systemd.unit_files import folder, transient_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("lines", "is_ours", "has_keeper"),
    [
        ("Documentation=man:scoperun(1)", True, True),
        ("Documentation=man:scoperun(1)\nDocumentation=man:scopectl(1)", True, False),
        ("Documentation=man:scoperun(1) man:scopectl(1)", True, False),
        ("Documentation=man:other(1)", False, False),
        ("Description=Documentation=man:scoperun(1)", False, False),
        ("# Documentation=man:scoperun(1)", False, False),
        ("", False, False),
    ],
)
def test_a_scope_of_ours_has_our_documentation_and_a_keeper_unless_it_was_attached(
    lines: str, is_ours: bool, has_keeper: bool, tmp_path: Path
) -> None:
    (tmp_path / "a.scope").write_text(f"[Unit]\n{lines}\nMemoryMax=1\nMemoryMax=2\n")
    file = transient_file(str(tmp_path), "a.scope")
    assert file is not None
    assert (file.is_ours, file.has_keeper, file.settings["MemoryMax"]) == (is_ours, has_keeper, "2")


def test_a_unit_that_is_not_transient_has_no_file(tmp_path: Path) -> None:
    assert transient_file(str(tmp_path), "a.scope") is None


def test_the_folder_is_that_of_the_manager_on_the_bus() -> None:
    in_snap = {"XDG_RUNTIME_DIR": "/nowhere/snap.code", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere/bus"}
    assert folder(in_snap, system=False) == f"/run/user/{os.getuid()}/systemd/transient"
    assert folder({"XDG_RUNTIME_DIR": "/nowhere"}, system=False) == "/nowhere/systemd/transient"
    assert folder(in_snap, system=True) == "/run/systemd/transient"
