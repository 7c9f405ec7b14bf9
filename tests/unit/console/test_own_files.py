"""A file is recognized as written only while nobody has changed it, and is never written through another's link."""

import os
import stat
from pathlib import Path

import pytest

from scoperun.console.own_files import State, content_of, remove, signed, write

TEXT = signed("[Unit]\nDescription=é\n")


def test_what_was_written_is_recognized_and_removed(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folders" / "a.service"
    assert content_of(str(file)) == (State.MISSING, "")
    write(str(file), TEXT)
    assert content_of(str(file)) == (State.OURS, TEXT)
    assert remove(str(file))
    assert not file.exists()
    assert not remove(str(file))
    assert not remove(str(tmp_path / "none" / "a.service"))


@pytest.mark.parametrize("text", ["", TEXT + "#\n", TEXT.replace("D", "d"), TEXT.partition("\n")[2], "\udcff" + TEXT])
def test_what_a_person_has_changed_is_left(text: str, tmp_path: Path) -> None:
    file = tmp_path / "a.service"
    file.write_bytes(os.fsencode(text))
    assert content_of(str(file)) == (State.FOREIGN, "")
    assert not remove(str(file))
    assert file.exists()


def test_a_link_is_left(tmp_path: Path) -> None:
    write(str(tmp_path / "real"), TEXT)
    (tmp_path / "a.service").symlink_to(tmp_path / "real")
    assert content_of(str(tmp_path / "a.service")) == (State.FOREIGN, "")
    assert not remove(str(tmp_path / "a.service"))
    assert (tmp_path / "real").exists()


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        write(str(tmp_path / "file" / "a.service"), TEXT)


def test_new_folders_are_for_our_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write(str(tmp_path / ".config" / "systemd" / "a.service"), TEXT)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / ".config", tmp_path / ".config/systemd")] == [
        0o700,
        0o700,
    ]
