"""A written file is complete, in the place where its reader looks for it, or it does not exist."""

import errno
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scoperun.console.files import Destination, write_all


def write_atomically(path: str, text: str) -> None:
    with Destination(path) as file:
        file.write(text)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder, and assert that no temporary file is left in it."""
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


def test_a_dangling_link_is_replaced(folder: Path) -> None:
    """It is not known whether its target was the intended file."""
    link = folder / "link"
    link.symlink_to("nowhere")
    write_atomically(str(link), "after")
    assert (link.read_text(), link.is_symlink()) == ("after", False)


def test_a_pipe_is_written_to_under_any_name(folder: Path) -> None:
    """As with >(command) in a shell."""
    reading, writing = os.pipe()
    (folder / "link").symlink_to(f"/proc/self/fd/{writing}")
    write_atomically(str(folder / "link"), "one,")
    write_atomically(f"/dev/fd/{writing}", "two")
    assert os.read(reading, 100) == b"one,two"
    os.close(reading)
    os.close(writing)


def test_a_pipe_stays_open_until_it_is_written_to(folder: Path) -> None:
    """Even if no other process has it open for writing, because the command has ended."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    (folder / "link").symlink_to(f"/proc/self/fd/{writing}")
    with Destination(str(folder / "link")) as file:
        os.close(writing)
        with pytest.raises(BlockingIOError):  # it is not at its end
            os.read(reading, 100)
        file.write("after")
    assert (os.read(reading, 100), os.read(reading, 100)) == (b"after", b"")
    os.close(reading)


def test_a_fifo_stays_one(folder: Path) -> None:
    fifo, read = folder / "fifo", list[str]()
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: read.append(fifo.read_text()))
    reader.start()
    write_atomically(str(fifo), "after")
    reader.join()
    assert (read, fifo.is_fifo()) == (["after"], True)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("the disk is full")])
def test_a_failed_write_keeps_the_old_content(
    folder: Path, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "report.json"
    file.write_text("before")

    write = os.write

    def fail_halfway(fd: int, data: memoryview) -> int:
        write(fd, data[:1])
        raise error

    monkeypatch.setattr(os, "write", fail_halfway)
    with pytest.raises(type(error)):
        write_atomically(str(file), "after")
    assert file.read_text() == "before"


def test_another_users_file_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", bytes)
    stranger = folder / f".scoperun-{bytes(8).hex()}.tmp"
    stranger.write_text("a stranger's")
    with pytest.raises(FileExistsError):
        write_atomically(str(folder / "report.json"), "after")
    assert stranger.read_text() == "a stranger's"
    stranger.unlink()


@pytest.mark.parametrize("swap", [os.link, os.symlink])
def test_a_temporary_file_that_was_replaced_by_a_link_is_not_followed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, swap: Callable[[Path, Path], None]
) -> None:
    """The folder's owner can do that, and it destroys the report; the link's target does not change."""
    other = folder / "other"
    other.write_text("not to be touched")

    write = os.write

    def write_after_the_swap(fd: int, data: memoryview) -> int:
        (temporary,) = folder.glob(".*.tmp")
        temporary.unlink()
        swap(other, temporary)
        return write(fd, data)

    monkeypatch.setattr(os, "write", write_after_the_swap)
    write_atomically(str(folder / "report.json"), "after")
    assert other.read_text() == (folder / "report.json").read_text() == "not to be touched"


def begun(path: Path) -> int:
    with Destination(str(path)) as file:
        return file.begin()


def test_a_file_that_is_written_in_pieces_exists_from_the_start(folder: Path) -> None:
    file = folder / "trace"
    file.write_text("before")
    fd = begun(file)
    for text in ("", "one\n", "one\ntwo\n"):
        assert file.read_text() == text
        write_all(fd, "two\n" if text else "one\n")
    os.close(fd)


def test_a_new_file_that_is_written_in_pieces_is_readable_only_by_its_owner(folder: Path) -> None:
    os.close(begun(folder / "trace"))
    assert mode_of(folder / "trace") == 0o600


@pytest.mark.parametrize("kind", ["fifo", "/dev/null"])
def test_a_fifo_or_device_is_not_written_in_pieces(folder: Path, kind: str) -> None:
    path = folder / kind
    if kind == "fifo":
        os.mkfifo(path)
    with pytest.raises(OSError, match="it is a FIFO or a device"):
        begun(path)


def test_a_file_that_cannot_be_renamed_into_place_does_not_exist(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "rename", rename)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match="no"):
        begun(folder / "trace")
    assert os.listdir("/proc/self/fd") == before


def mode_of(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_a_new_file_is_readable_only_by_its_owner_whatever_the_umask(folder: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_atomically(str(folder / "report.json"), "new")
    finally:
        os.umask(before)
    assert mode_of(folder / "report.json") == 0o600


@pytest.mark.parametrize(
    ("mode", "kept"), [(0o600, 0o600), (0o644, 0o644), (0o666, 0o666), (0o400, 0o400), (0o6755, 0o644)]
)
@pytest.mark.parametrize("name", ["report.json", "link"])
def test_a_file_that_is_replaced_keeps_its_mode(folder: Path, name: str, mode: int, kept: int) -> None:
    (folder / "report.json").touch()
    (folder / "report.json").chmod(mode)
    (folder / "link").symlink_to("report.json")
    write_atomically(str(folder / name), "new")
    assert mode_of(folder / "report.json") == kept


@pytest.mark.parametrize(("folder_mode", "kept"), [(0o755, 0o644), (0o1777, 0o600)])
def test_in_a_common_folder_a_hard_links_mode_is_not_kept(folder: Path, folder_mode: int, kept: int) -> None:
    """A stranger can link one of our readable files there; its mode was not chosen for this place."""
    (folder / "ours").touch(mode=0o644)
    (folder / "report.json").hardlink_to(folder / "ours")
    folder.chmod(folder_mode)
    write_atomically(str(folder / "report.json"), "new")
    assert (mode_of(folder / "report.json"), mode_of(folder / "ours")) == (kept, 0o644)


def test_a_link_that_is_put_in_the_place_meanwhile_is_replaced(folder: Path) -> None:
    report, other = folder / "report.json", folder / "other"
    report.write_text("before")
    other.write_text("not to be touched")
    with Destination(str(report)) as file:
        report.unlink()
        report.symlink_to(other)
        file.write("after")
    assert (report.is_symlink(), report.read_text(), other.read_text()) == (False, "after", "not to be touched")


def test_the_folder_is_the_one_that_was_opened_before(folder: Path) -> None:
    out, far = folder / "out", folder / "far"
    out.mkdir()
    far.mkdir()
    with Destination(str(out / "report.json")) as file:
        out.rename(folder / "moved")
        out.symlink_to(far)
        file.write("after")
    assert (folder / "moved" / "report.json").read_text() == "after"
    assert list(far.iterdir()) == []


def test_a_folder_that_was_removed_and_made_again_works(folder: Path) -> None:
    """A build that begins with rm -r does this."""
    out = folder / "out"
    out.mkdir()
    (out / "report.json").touch()
    with Destination(str(out / "report.json")) as file:
        (out / "report.json").unlink()
        out.rmdir()
        out.mkdir()
        file.write("after")
    assert (out / "report.json").read_text() == "after"


def test_a_removed_folder_is_an_error(folder: Path) -> None:
    (folder / "out").mkdir()
    with Destination(str(folder / "out" / "report.json")) as file:
        (folder / "out").rmdir()
        with pytest.raises(FileNotFoundError):
            file.write("after")


def test_a_fifo_is_written_to_even_if_it_was_moved(folder: Path) -> None:
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with Destination(str(fifo)) as file:
        fifo.rename(folder / "moved")
        fifo.symlink_to("nowhere")
        assert file.may_wait
        file.write("after")
    assert os.read(reader, 100) == b"after"
    os.close(reader)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def to_itself(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "name", "number"),
    [
        (Path.mkdir, "", errno.EISDIR),
        (Path.mkdir, "/", errno.EISDIR),
        (Path.mkdir, "/.", errno.EISDIR),
        (Path.mkdir, "/missing/", errno.ENOENT),
        (Path.mkdir, "/missing/below", errno.ENOENT),
        (Path.touch, "/", errno.ENOTDIR),
        (Path.touch, "/below", errno.ENOTDIR),
        (listening, "", errno.EINVAL),
        (to_itself, "", errno.ELOOP),
        (to_itself, "/below", errno.ELOOP),
        (Path.touch, "x" * 256, errno.ENAMETOOLONG),
    ],
)
def test_an_unwritable_place_is_refused_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object], name: str, number: int
) -> None:
    monkeypatch.chdir(folder)  # a socket's path must be short
    make(Path("it"))
    with pytest.raises(OSError, match=r".") as refused:
        Destination(f"it{name}")
    assert refused.value.errno == number
    assert refused.value.strerror


def test_a_removed_folder_is_refused_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "here").mkdir()
    monkeypatch.chdir(folder / "here")
    (folder / "here").rmdir()
    with pytest.raises(FileNotFoundError):
        Destination("report.json")


@pytest.mark.parametrize("path", ["/proc/report.json", "/proc/self/report.json", "/sys/fs/report.json"])
def test_a_place_in_proc_or_sys_is_refused_at_once(path: str) -> None:
    with pytest.raises(OSError, match=r"Permission denied|No such file or directory"):
        Destination(path)


def test_a_missing_terminal_is_refused_at_once() -> None:
    program = "from scoperun.console.files import Destination; Destination('/dev/tty')"
    words = [sys.executable, "-c", program]
    ended = subprocess.run(words, start_new_session=True, capture_output=True, text=True, check=False)
    assert "\nOSError: [Errno 6] " in ended.stderr


def test_an_empty_name_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        Destination("")


def test_all_descriptors_are_closed(folder: Path) -> None:
    def held() -> int:
        return len(os.listdir("/proc/self/fd"))

    (folder / "a").mkdir()
    (folder / "link").symlink_to("a/../a/./missing")
    os.mkfifo(folder / "fifo")
    before = held()
    for path in ("report.json", "report.json", "link", "a", "a/b/c", "no/folder", "fifo", "fifo/below"):
        try:
            with Destination(str(folder / path)):
                assert held() <= before + 2
        except OSError:
            pass
    assert held() == before


def test_a_command_does_not_inherit_the_descriptors(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    for path in ("report.json", "fifo"):
        known = set(os.listdir("/proc/self/fd"))
        with Destination(str(folder / path)):
            held = set(os.listdir("/proc/self/fd")) - known
            inheritable = [fd for fd in held if os.path.exists(f"/proc/self/fd/{fd}") and os.get_inheritable(int(fd))]
            assert inheritable == []
