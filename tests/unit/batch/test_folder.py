"""One process runs a batch, and others find out which."""

import errno
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scoperun.batch.folder import WAKE, opened
from scoperun.errors import InvalidValue, ScoperunError
from tests.unit.batch.jobs import folder


@contextmanager
def runner(path: Path) -> Iterator[int]:
    """Have another process hold the lock, and yield its PID; it ends with exit status 7 when it is woken."""
    locked, holds = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(WAKE, lambda *_: os._exit(7))
            with folder(path) as place, place.locked():
                os.write(holds, b"1")
                while True:
                    signal.pause()
        finally:
            os._exit(1)
    try:
        os.close(holds)
        assert os.read(locked, 1)
        yield pid
    finally:
        os.close(locked)
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_second_runner_of_a_batch_is_refused(tmp_path: Path) -> None:
    with runner(tmp_path) as pid, folder(tmp_path) as place:
        assert place.runner() == pid
        with pytest.raises(ScoperunError, match="another process runs this batch"), place.locked():
            pass


def test_a_runner_that_was_killed_has_left_no_lock(tmp_path: Path) -> None:
    with runner(tmp_path) as pid, folder(tmp_path) as place:
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert place.runner() is None
        with place.locked():
            pass


def test_a_runner_is_woken(tmp_path: Path) -> None:
    with runner(tmp_path) as pid, folder(tmp_path) as place:
        assert place.wake()
        end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert end is not None
        assert end.si_status == 7


def test_nothing_is_woken_without_a_runner(tmp_path: Path) -> None:
    with folder(tmp_path) as place:
        assert not place.wake()
        with place.locked():
            pass
        assert not place.wake()


def test_a_batch_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"nope: No such file"), opened(f"{tmp_path}/nope"):
        pass


def test_a_folder_on_a_network_is_refused_with_a_remedy() -> None:
    with pytest.raises(ScoperunError, match=r"could be a network's.*--state DIR"), opened("/proc/self/fd"):
        pass


def test_a_folder_that_others_can_change_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(ScoperunError, match="cannot use"), opened(f"{tmp_path}/open/state", create=True):
        pass
    assert os.listdir(tmp_path / "open") == []


def test_a_refused_folder_is_not_left_behind_with_those_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoperun.batch.folder.is_local", lambda _: False)
    with pytest.raises(ScoperunError, match="could be a network's"), opened(f"{tmp_path}/a/b/c", create=True):
        pass
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("full", ["a", "a/b/c"])
def test_folders_above_one_that_cannot_be_made_are_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    def mkdir(name: str, mode: int, *, dir_fd: int) -> None:
        if name == full[-1]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        made(name, mode, dir_fd=dir_fd)

    made = os.mkdir
    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(ScoperunError, match="No space left"), opened(f"{tmp_path}/a/b/c", create=True):
        pass
    assert os.listdir(tmp_path) == []


def test_a_batch_removes_the_folders_that_were_made_for_it(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with opened(f"{tmp_path}/mine/b/c", create=True) as place:
        with place.locked(is_new=True), place.database(create=True):
            pass
        place.remove()
    assert [each.name for each in tmp_path.rglob("*")] == ["mine"]


def test_others_cannot_look_into_it(tmp_path: Path) -> None:
    with folder(tmp_path) as place, place.database(create=True), place.output():
        modes = {entry.name: entry.stat().st_mode & 0o077 for entry in os.scandir(place.path)}
    assert set(modes.values()) == {0}
    assert {"batch.db", "output"} <= set(modes)


def test_a_batch_that_came_and_went_before_the_lock_was_taken_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.lockf

    def come_and_go(fd: int, how: int) -> None:
        (tmp_path / "batch.db").touch()
        lock(fd, how)

    monkeypatch.setattr(fcntl, "lockf", come_and_go)
    with (
        opened(str(tmp_path), create=True) as place,
        pytest.raises(InvalidValue, match="there is a batch in it"),
        place.locked(is_new=True),
    ):
        pass
    assert (tmp_path / "batch.db").exists()


def test_a_folder_with_other_files_is_left_as_it_is(tmp_path: Path) -> None:
    """A batch would take `output` for its own, and remove it."""
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "mine").touch()
    (tmp_path / "thesis").touch()
    tmp_path.chmod(0o755)
    with (
        opened(str(tmp_path), create=True) as place,
        pytest.raises(InvalidValue, match=r"other files in it, e\.g\. 'output'"),
        place.locked(is_new=True),
    ):
        pass
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["mine", "output", "thesis"]
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_batch_removes_what_is_its_own(tmp_path: Path) -> None:
    with folder(tmp_path) as place:
        with place.locked(is_new=True), place.database(create=True), place.output() as files:
            os.close(os.open("1-1.out", os.O_CREAT | os.O_WRONLY, dir_fd=files))
        place.remove()
        assert not Path(place.path).exists()


def test_a_lock_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    with folder(tmp_path) as place:
        (tmp_path / "state" / "lock").mkdir()
        with pytest.raises(ScoperunError, match=r"cannot use .*/state: Is a directory"), place.locked():
            pass


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda file: file.chmod(0o666), "it is writable by others"),
        (lambda file: (file.unlink(), os.mkfifo(file)), "it is not a regular file"),
        (lambda file: (file.unlink(), file.symlink_to("/etc/passwd")), "it is not a regular file"),
    ],
)
def test_a_database_that_others_could_have_written_is_refused(
    tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    """It says what is executed."""
    with folder(tmp_path) as place:
        with place.database(create=True):
            pass
        spoil(tmp_path / "state" / "batch.db")
        with pytest.raises(ScoperunError, match=words), place.database():
            pass


def test_an_error_while_a_batch_runs_is_not_said_to_be_the_databases(tmp_path: Path) -> None:
    with folder(tmp_path) as place, pytest.raises(OSError, match="of a job"), place.database(create=True):
        raise OSError(1, "of a job")


def test_an_empty_folder_of_the_users_stays_when_a_batch_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with opened(f"{tmp_path}/mine", create=True) as place:
        with place.locked(is_new=True), place.database(create=True):
            pass
        place.remove()
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_folder_for_output_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with folder(tmp_path) as place:
        os.rmdir(place.path)  # so that nothing can be made in it any more
        with pytest.raises(ScoperunError, match=r"cannot use .*/output: No such file"), place.output():
            pass
