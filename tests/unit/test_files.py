"""A file that is written is there whole, where its reader looks for it, or not at all."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scoperun.io import files
from scoperun.io.files import write_atomically


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder in which nothing temporary is left behind."""
    yield tmp_path
    assert not list(tmp_path.glob("*.tmp")) + list(tmp_path.glob(".*.tmp"))


def test_a_file_is_replaced(folder: Path) -> None:
    file = folder / "report.json"
    file.write_text("before")
    write_atomically(str(file), "after")
    assert file.read_text() == "after"


def test_a_link_stays_a_link(folder: Path) -> None:
    file, link = folder / "far" / "report.json", folder / "link"
    file.parent.mkdir()
    file.write_text("before")
    link.symlink_to("far/report.json")
    write_atomically(str(link), "after")
    assert (file.read_text(), link.is_symlink()) == ("after", True)


def test_a_link_that_leads_nowhere_is_replaced(folder: Path) -> None:
    """Nobody knows that it would have led to what was meant."""
    link = folder / "link"
    link.symlink_to("nowhere")
    write_atomically(str(link), "after")
    assert (link.read_text(), link.is_symlink()) == ("after", False)


def test_a_pipe_is_written_to_by_whatever_name(folder: Path) -> None:
    """As >(command) of a shell is one."""
    reading, writing = os.pipe()
    (folder / "link").symlink_to(f"/proc/self/fd/{writing}")
    write_atomically(str(folder / "link"), "one,")
    write_atomically(f"/dev/fd/{writing}", "two")
    assert os.read(reading, 100) == b"one,two"
    os.close(reading)
    os.close(writing)


def test_a_fifo_stays_one(folder: Path) -> None:
    fifo, read = folder / "fifo", list[str]()
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: read.append(fifo.read_text()))
    reader.start()
    write_atomically(str(fifo), "after")
    reader.join()
    assert (read, fifo.is_fifo()) == (["after"], True)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("the disk is full")])
def test_what_cannot_be_written_leaves_what_was_there(
    folder: Path, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "report.json"
    file.write_text("before")

    def write(fd: int, text: str) -> None:
        os.write(fd, text[:1].encode())
        os.close(fd)
        raise error

    monkeypatch.setattr(files, "_write", write)
    with pytest.raises(type(error)):
        write_atomically(str(file), "after")
    assert file.read_text() == "before"


def test_a_strangers_file_is_not_taken_for_ours(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", bytes)
    stranger = folder / f".scoperun-{bytes(8).hex()}.tmp"
    stranger.write_text("a stranger's")
    with pytest.raises(FileExistsError):
        write_atomically(str(folder / "report.json"), "after")
    assert stranger.read_text() == "a stranger's"
    stranger.unlink()
