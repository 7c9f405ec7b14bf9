"""What systemd has written about transient units tells which are ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from scoperun.systemd.unit_files import folder, transient_file, unit_file

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


def test_only_a_regular_file_that_our_manager_can_have_written_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real.scope").write_text("[Unit]\nDocumentation=man:scoperun(1)\n")
    (tmp_path / "link.scope").symlink_to("real.scope")
    (tmp_path / "device.scope").symlink_to("/dev/null")
    os.mkfifo(tmp_path / "pipe.scope")
    assert transient_file(str(tmp_path), "real.scope") is not None
    for name in ("link.scope", "device.scope", "pipe.scope"):
        assert transient_file(str(tmp_path), name) is None
    assert unit_file(f"{tmp_path}/link.scope") is not None, "an administrator can have linked any other file"
    opened: list[str] = []
    plain = os.open

    def note(path: str, flags: int) -> int:
        if not flags & os.O_PATH:
            opened.append(path)
        return plain(path, flags)

    monkeypatch.setattr("os.open", note)
    assert unit_file(f"{tmp_path}/device.scope") is None
    assert opened == []


def test_a_file_of_another_user_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.scope"
    path.write_text("[Unit]\n")
    if os.getuid() == 0:
        os.chown(path, 1, 1)
    else:
        monkeypatch.setattr("os.geteuid", lambda: 1)
    assert transient_file(str(tmp_path), "a.scope") is None
