"""Lines of many writers do not mix, the header comes first and once, and no other user decides where lines go."""

import errno
import multiprocessing
import os
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from scoperun.console.appending import Appended

HEADER = "the header\n"
WRITERS, LINES = 24, 100


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder in which nothing temporary is left behind, and no descriptor open."""
    yield tmp_path
    assert list(tmp_path.rglob(".*.tmp")) == []
    assert [each for each in Path("/proc/self/fd").iterdir() if tmp_path in each.resolve().parents] == []


def append(path: Path, *lines: str) -> None:
    with Appended(str(path), header=HEADER) as file:
        for line in lines:
            file.append(line)


def refusal(path: Path) -> OSError:
    with pytest.raises(OSError, match=r".") as refused:
        append(path)
    return refused.value


def test_a_new_file_begins_with_the_header(folder: Path) -> None:
    append(folder / "log", "one\n")
    append(folder / "log", "two\n")
    assert (folder / "log").read_text() == f"{HEADER}one\ntwo\n"


@pytest.mark.parametrize(("before", "begins"), [("", HEADER), ("partial", "partial\n"), ("whole\n", "whole\n")])
def test_a_line_begins_where_none_is_begun(before: str, begins: str, folder: Path) -> None:
    """As after logrotate(8), which can make an empty file, and after another program that was ended."""
    (folder / "log").write_text(before)
    for _ in range(2):
        with Appended(str(folder / "log"), header=HEADER) as file:
            file.append("line\n")
    assert (folder / "log").read_text() == f"{begins}line\nline\n"


def test_a_file_that_is_there_stays_as_it_is(folder: Path) -> None:
    (folder / "log").write_text("before\n")
    (folder / "log").chmod(0o644)
    append(folder / "log", "one\n")
    assert (folder / "log").read_text() == "before\none\n"
    assert stat.S_IMODE((folder / "log").stat().st_mode) == 0o644


@pytest.mark.parametrize("umask", [0, 0o777])
def test_a_new_file_is_its_owners_alone_whatever_the_umask(folder: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        append(folder / "log")
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "log").stat().st_mode) == 0o600


def write_many(path: Path, begin: Barrier, writer: int) -> None:
    begin.wait()
    with Appended(str(path), header=HEADER) as file:
        for number in range(LINES):
            file.append(f"{writer} {number} {'x' * (writer * 300)}\n")


@pytest.mark.parametrize("has_links", [True, False])
def test_many_writers_at_once_lose_and_mix_nothing(
    folder: Path, has_links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They all begin with a file that is not there, also on a file system without hard links."""
    if not has_links:
        monkeypatch.setattr(os, "link", refuse_links)
    processes = multiprocessing.get_context("fork")
    begin = processes.Barrier(WRITERS)
    writers = [processes.Process(target=write_many, args=(folder / "log", begin, each)) for each in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert {writer.exitcode for writer in writers} == {0}
    for writer in writers:
        writer.close()
    lines = (folder / "log").read_text().splitlines(keepends=True)
    assert lines[0] == HEADER
    expected = [f"{each} {number} {'x' * (each * 300)}\n" for each in range(WRITERS) for number in range(LINES)]
    assert Counter(lines) == Counter([HEADER, *expected])


def refuse_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def test_a_link_that_fails_for_another_reason_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "link", link)
    assert refusal(folder / "log").errno == errno.EIO
    assert list(folder.iterdir()) == []


def test_a_file_that_has_been_renamed_gets_the_line(folder: Path) -> None:
    """As logrotate does it: the next run begins a new file."""
    with Appended(str(folder / "log"), header=HEADER) as file:
        (folder / "log").rename(folder / "log.1")
        file.append("one\n")
    append(folder / "log", "two\n")
    assert (folder / "log.1").read_text() == f"{HEADER}one\n"
    assert (folder / "log").read_text() == f"{HEADER}two\n"


def test_a_link_of_ours_is_followed_also_to_a_file_that_is_not_there_yet(folder: Path) -> None:
    (folder / "far").mkdir()
    (folder / "link").symlink_to("far/log")
    append(folder / "link", "one\n")
    append(folder / "link", "two\n")
    assert (folder / "far" / "log").read_text() == f"{HEADER}one\ntwo\n"


def test_a_link_that_takes_the_place_is_not_followed(folder: Path) -> None:
    with Appended(str(folder / "log"), header=HEADER) as file:
        (folder / "log").unlink()
        (folder / "log").symlink_to("other")
        with pytest.raises(OSError, match="it is not a regular file"):
            file.append("one\n")
    assert not (folder / "other").exists()


def test_a_file_that_was_removed_is_begun_anew_where_it_was(folder: Path) -> None:
    """The line would be lost with it. Another writer finds the new one."""
    (folder / "far").mkdir()
    (folder / "link").symlink_to("far/log")
    with (
        Appended(str(folder / "link"), header=HEADER) as file,
        Appended(str(folder / "link"), header=HEADER) as another,
    ):
        file.append("zero\n")
        (folder / "link").unlink()
        (folder / "far" / "log").unlink()
        (folder / "far").rename(folder / "near")
        file.append("one\n")
        another.append("two\n")
        file.append("three\n")
    assert (folder / "near" / "log").read_text() == f"{HEADER}one\ntwo\nthree\n"


def test_a_file_whose_folder_was_made_again_is_begun_anew_there(folder: Path) -> None:
    place = folder / "sub"
    place.mkdir()
    with Appended(f"{place}/log", header=HEADER) as file:
        file.append("one\n")
        shutil.rmtree(place)
        place.mkdir()
        file.append("two\n")
        file.append("three\n")
    assert (place / "log").read_text() == f"{HEADER}two\nthree\n"


def test_a_file_whose_folder_was_removed_is_an_error(folder: Path) -> None:
    (folder / "gone").mkdir()
    with Appended(str(folder / "gone" / "log"), header=HEADER) as file:
        (folder / "gone" / "log").unlink()
        (folder / "gone").rmdir()
        for _ in range(2):
            with pytest.raises(FileNotFoundError):
                file.append("one\n")


def test_a_strangers_file_in_its_place_gets_no_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Appended(str(folder / "log"), header=HEADER) as file:
        (folder / "log").unlink()
        (folder / "log").write_text("theirs\n")
        give_away(folder / "log", monkeypatch)
        with pytest.raises(PermissionError, match="it belongs to user"):
            file.append("one\n")
    assert (folder / "log").read_text() == "theirs\n"


def test_in_a_common_folder_a_hard_link_might_be_a_strangers(folder: Path) -> None:
    (folder / "ours").write_text("not to be touched\n")
    (folder / "log").hardlink_to(folder / "ours")
    append(folder / "log")
    folder.chmod(0o1777)
    doubt = "it has several names (hard links), and others might have made this one"
    assert refusal(folder / "log").strerror == doubt
    assert (folder / "ours").read_text() == "not to be touched\n"


def test_in_a_folder_of_another_user_a_hard_link_might_be_a_strangers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They alone write to it, so its mode says nothing. The kernel's own protection can be off."""
    (folder / "theirs").mkdir()
    (folder / "ours").write_text("not to be touched\n")
    (folder / "theirs" / "log").hardlink_to(folder / "ours")
    give_away(folder / "theirs", monkeypatch)
    doubt = "it has several names (hard links), and others might have made this one"
    assert refusal(folder / "theirs" / "log").strerror == doubt
    assert (folder / "ours").read_text() == "not to be touched\n"


def give_away(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have something belong to another user, for those who ask about its descriptor: only root could chown(2) it."""
    status = os.fstat

    def fstat(fd: int) -> os.stat_result:
        found = status(fd)
        if not os.path.samestat(found, theirs.stat()):
            return found
        return os.stat_result((*found[:4], found.st_uid + 1, *found[5:]))

    monkeypatch.setattr(os, "fstat", fstat)


@pytest.mark.parametrize(
    ("make", "name", "number"),
    [
        (Path.mkdir, "", errno.EISDIR),
        (Path.mkdir, "/missing/below", errno.ENOENT),
        (Path.touch, "/below", errno.ENOTDIR),
        (os.mkfifo, "", errno.EINVAL),
        (Path.touch, "x" * 256, errno.ENAMETOOLONG),
    ],
)
def test_what_takes_no_lines_is_known_before(
    folder: Path, make: Callable[[Path], object], name: str, number: int
) -> None:
    make(folder / "it")
    refused = refusal(Path(f"{folder}/it{name}"))
    assert (refused.errno, bool(refused.strerror)) == (number, True)


def test_a_device_takes_no_lines() -> None:
    assert refusal(Path("/dev/null")).errno == errno.EINVAL


def test_a_full_disk_is_an_error(folder: Path) -> None:
    with Appended(str(folder / "log"), header=HEADER) as file, open("/dev/full", "wb") as full:
        os.dup2(full.fileno(), file._fd)  # noqa: SLF001
        with pytest.raises(OSError, match="No space left"):
            file.append("one\n")


def test_a_part_of_a_line_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that has room for half of it."""
    with Appended(str(folder / "log"), header=HEADER) as file:
        write = os.write
        monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:2]))
        with pytest.raises(OSError, match="only a part of the line could be written"):
            file.append("one\n")
        monkeypatch.undo()
        file.append("two\n")
    assert (folder / "log").read_text() == f"{HEADER}two\n"


def test_a_part_of_a_line_that_another_line_follows_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Appended(str(folder / "log"), header=HEADER) as file, open(folder / "log", "ab", buffering=0) as other:
        write = os.write

        def half(fd: int, data: bytes) -> int:
            written = write(fd, data[:2])
            other.write(b"two\n")
            return written

        monkeypatch.setattr(os, "write", half)
        with pytest.raises(OSError, match="only a part of the line could be written"):
            file.append("one\n")
    assert (folder / "log").read_text() == f"{HEADER}ontwo\n"
