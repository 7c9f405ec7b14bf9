"""The history keeps every run that it was given, for its user alone, and refuses a file that it cannot know."""

import errno
import json
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import pytest

from scoperun.errors import ScoperunError
from scoperun.evidence.verdict import Verdict
from scoperun.history import database, set_aside, store
from scoperun.history.database import FILE
from scoperun.history.file_system import is_local, type_of
from scoperun.history.query import Selection
from scoperun.history.set_aside import Aside
from scoperun.history.store import Recorded, opened
from scoperun.report.report import Report
from tests.child import in_child

WRITERS = 100
ALL = Selection()


@dataclass
class _Told:
    """What the store asks of a report."""

    verdict: Verdict = Verdict.SUCCESS
    unit: str = "a.scope"
    manager: str = "user"
    number: int = 0

    def to_json(self) -> str:
        return json.dumps({"verdict": self.verdict, "unit": self.unit, "number": self.number})


def told(**values: object) -> Report:
    return cast("Report", _Told(**values))  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_PATH)
    yield fd
    os.close(fd)


def add(
    folder: int, name: str = "job", keep: int | None = None, keep_for: float | None = None, **values: object
) -> None:
    store.add(folder, Aside.now(name, told(**values), keep=keep, keep_for=keep_for))


def runs(folder: int, selection: Selection = ALL) -> list[Recorded]:
    with opened(folder, create=False) as history:
        assert history is not None
        return history.runs(selection)


def numbers(folder: int, selection: Selection = ALL) -> list[int]:
    return [json.loads(run.report)["number"] for run in runs(folder, selection)]


def test_without_a_run_there_is_no_history(folder: int, tmp_path: Path) -> None:
    with opened(folder, create=False) as history:
        assert history is None
    assert os.listdir(tmp_path) == []


def test_runs_come_back_as_they_were_given_the_last_one_last(folder: int) -> None:
    for number in range(5):
        add(folder, number=number)
    assert numbers(folder) == [0, 1, 2, 3, 4]
    assert numbers(folder, Selection(last=2)) == [3, 4]
    assert numbers(folder, Selection(last=2**63)) == [0, 1, 2, 3, 4], "more than SQLite's largest number"
    assert runs(folder)[0].report == told(number=0).to_json()


@pytest.mark.parametrize("umask", [0, 0o777])
def test_the_file_is_for_its_user_alone_whatever_the_umask_is(folder: int, tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with opened(folder, create=True) as history:
            assert history is not None
            history.add(Aside.now("job", told()))
            modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in os.listdir(tmp_path)}
    finally:
        os.umask(before)
    assert modes.pop(FILE) == 0o600
    assert set(modes) <= {f"{FILE}-wal", f"{FILE}-shm", f"{FILE}-journal"}
    assert set(modes.values()) <= {0o600}


def test_a_file_that_others_could_read_is_taken_from_them(folder: int, tmp_path: Path) -> None:
    add(folder)
    (tmp_path / FILE).chmod(0o644)
    assert len(runs(folder)) == 1
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_a_hundred_writers_at_once_lose_nothing(folder: int, tmp_path: Path) -> None:
    """None of them finds a history: they create it, too."""
    write_at_once(folder, WRITERS)
    assert sorted(numbers(folder)) == list(range(WRITERS))
    assert os.listdir(tmp_path) == [FILE]


def write_at_once(folder: int, count: int) -> None:
    """Add a run in each of so many processes, which begin at the same moment."""
    start, go = os.pipe()
    writers = []
    for number in range(count):
        pid = os.fork()
        if pid == 0:
            os._exit(_written(start, go, folder, number))
        writers.append(pid)
    os.close(start)
    os.close(go)  # all of them see the end of the pipe
    assert {os.waitpid(pid, 0)[1] for pid in writers} == {0}


def _written(start: int, go: int, folder: int, number: int) -> int:
    try:
        os.close(go)
        os.read(start, 1)
        add(folder, number=number)
    except BaseException as error:
        os.write(2, f"{error!r}\n".encode())
        return 1
    return 0


def test_neither_do_they_without_hard_links(folder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is then there before its tables are."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    write_at_once(folder, 12)
    assert sorted(numbers(folder)) == list(range(12))
    assert os.listdir(tmp_path) == [FILE]


def test_a_process_that_is_killed_while_it_writes_takes_nothing_with_it(folder: int) -> None:
    add(folder, number=1)

    def die() -> None:
        with opened(folder, create=True) as history:
            assert history is not None
            history._connection.execute("BEGIN EXCLUSIVE")  # noqa: SLF001
            history._connection.execute("DELETE FROM run")  # noqa: SLF001
            os.kill(os.getpid(), 9)

    pid = os.fork()
    if pid == 0:
        die()
    os.waitpid(pid, 0)
    add(folder, number=2)
    assert numbers(folder) == [1, 2]


def test_a_run_that_finds_the_history_locked_is_set_aside_and_taken_in_later(folder: int, tmp_path: Path) -> None:
    """By whatever opens it next, and not if it is still locked then."""
    add(folder, number=1)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    add(folder, number=2)
    (waiting,) = tmp_path.glob("waiting-*.json")
    assert stat.S_IMODE(waiting.stat().st_mode) == 0o600
    if is_local(folder):
        assert numbers(folder) == [1]
    other.execute("ROLLBACK")
    other.close()
    assert numbers(folder) == [1, 2]
    assert os.listdir(tmp_path) == [FILE]


def test_a_run_is_taken_in_once(folder: int, tmp_path: Path) -> None:
    """Also if the process that took it in was killed before it removed the file."""
    add(folder, number=1)
    run = Aside.now("job", told(number=2))
    set_aside.put(folder, run)
    assert numbers(folder) == [1, 2]
    set_aside.put(folder, run)
    assert numbers(folder) == [1, 2]
    assert os.listdir(tmp_path) == [FILE]


def test_the_next_run_takes_it_in_too(folder: int, tmp_path: Path) -> None:
    set_aside.put(folder, Aside.now("job", told(number=1)))
    add(folder, number=2)
    assert os.listdir(tmp_path) == [FILE]
    assert numbers(folder) == [1, 2]


def test_runs_that_were_set_aside_are_kept_as_they_asked(folder: int) -> None:
    for number in range(4):
        add(folder, number=number)
    set_aside.put(folder, Aside.now("job", told(number=4), keep=2))
    assert numbers(folder) == [3, 4]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"key": 3}', pytest.param("[" * 200_000, id="deep"), "link", "fifo", "folder"]
)
def test_a_file_that_is_not_a_run_is_left_alone(folder: int, tmp_path: Path, content: str) -> None:
    add(folder, number=1)
    file = tmp_path / "waiting-x.json"
    if content == "link":
        file.symlink_to("/dev/zero")
    elif content == "fifo":
        os.mkfifo(file)
    elif content == "folder":
        file.mkdir()
    else:
        file.write_text(content)
    assert numbers(folder) == [1]
    assert os.path.lexists(file) or os.path.lexists(tmp_path / "unreadable-x.json")


ODD: list[dict[str, object]] = [
    *({key: value} for key in ("key", "name", "verdict", "unit", "report") for value in (None, 3, [], "\ud800")),
    *({"ended": value} for value in (None, "x", True, -1, 1e300, float("nan"), 10**400, [])),
    *({"keep": value} for value in ("x", 0, -1, 1.5, True, 10**400)),
    *({"keep_for": value} for value in ("x", -1, float("nan"), float("inf"), [])),
]


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_a_run_with_a_value_of_another_kind_gets_another_name_and_holds_up_none(
    folder: int, tmp_path: Path, odd: dict[str, object]
) -> None:
    add(folder, number=1)
    good = Aside.now("job", told(number=2))
    set_aside.put(folder, good)
    (tmp_path / "waiting-x.json").write_text(json.dumps(asdict(good) | {"key": "x"} | odd))
    assert numbers(folder) == [1, 2]
    assert sorted(os.listdir(tmp_path)) == [FILE, "unreadable-x.json"]
    add(folder, number=3)
    assert numbers(folder) == [1, 2, 3]


def test_what_a_newer_scoperun_has_added_to_a_run_is_ignored(folder: int, tmp_path: Path) -> None:
    add(folder, number=1)
    (tmp_path / "waiting-x.json").write_text(json.dumps(asdict(Aside.now("job", told(number=2))) | {"more": 3}))
    assert numbers(folder) == [1, 2]
    assert os.listdir(tmp_path) == [FILE]


def test_what_cannot_be_taken_in_holds_up_no_run(folder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("scoperun.history.set_aside.found", fail)
    add(folder, number=1)
    assert numbers(folder) == [1]
    assert os.listdir(tmp_path) == [FILE]


def test_a_clock_that_was_wrong_removes_no_new_run(folder: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the run that is added, nor those that follow it."""
    with monkeypatch.context() as wrong:
        wrong.setattr("time.time", lambda: 4e9)
        for number in range(3):
            add(folder, number=number, keep=3)
    add(folder, number=3, keep=3, keep_for=0.0)
    add(folder, number=4, keep=3)
    assert sorted(numbers(folder)) == [2, 3, 4]
    add(folder, number=5, keep=1)
    assert numbers(folder) == [5]


def test_what_cannot_be_set_aside_is_an_error(folder: int, tmp_path: Path) -> None:
    add(folder, number=1)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def full() -> str:
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        with pytest.raises(ScoperunError) as refused:
            add(folder, number=2)
        return refused.value.message

    assert in_child(full) == "File too large"
    other.execute("ROLLBACK")
    other.close()
    assert os.listdir(tmp_path) == [FILE]


def test_runs_are_selected(folder: int) -> None:
    add(folder, "a", number=1)
    add(folder, "b", number=2, verdict=Verdict.OOM_KILL)
    add(folder, "c", number=3, manager="system")
    assert numbers(folder, Selection(names=("a", "c", "'; DROP TABLE run; --"))) == [1, 3]
    assert numbers(folder, Selection(is_oom=True)) == [2]
    assert numbers(folder, Selection(manager="system")) == [3]
    second = runs(folder)[1].ended
    assert numbers(folder, Selection(since=second)) == [2, 3]
    assert numbers(folder, Selection(before=second)) == [1]
    assert numbers(folder, Selection(names=())) == []


def test_names_and_the_last_run_of_a_unit(folder: int) -> None:
    for number, unit in enumerate(["x.scope", "y.scope", "x.scope"]):
        add(folder, f"job-{number % 2}", number=number, unit=unit)
    with opened(folder, create=False) as history:
        assert history is not None
        assert history.names() == ["job-0", "job-1"]
        assert history.units(manager="user") == ["x.scope", "y.scope"]
        last = history.last_of_unit("x.scope", manager="user")
        assert last is not None
        assert json.loads(last.report)["number"] == 2
        assert history.last_of_unit("x.scope", manager="system") is None


def test_older_runs_of_the_same_name_are_removed(folder: int) -> None:
    for number in range(5):
        add(folder, "other", number=number)
        add(folder, number=10 + number, keep=2)
    assert numbers(folder, Selection(names=("job",))) == [13, 14]
    assert len(numbers(folder)) == 7
    add(folder, number=15, keep=2**64)
    add(folder, number=16, keep_for=3600.0)
    assert numbers(folder, Selection(names=("job",))) == [13, 14, 15, 16]
    add(folder, number=17, keep_for=0.0)
    assert numbers(folder, Selection(names=("job",))) == [17]


def test_deleted_runs_leave_no_bytes_in_the_file(folder: int, tmp_path: Path) -> None:
    add(folder, unit="secret-unit.scope")
    add(folder, unit="kept.scope")
    with opened(folder, create=False) as history:
        assert history is not None
        first, _ = history.runs(ALL)
        assert history.delete([first, first]) == 1
    assert b"secret-unit" not in (tmp_path / FILE).read_bytes()
    assert len(runs(folder)) == 1


def test_they_leave_none_in_the_log_either_while_another_has_the_file_open(folder: int, tmp_path: Path) -> None:
    add(folder, unit="kept.scope")
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("SELECT count(*) FROM run").fetchall()
    add(folder, unit="secret-unit.scope")
    with opened(folder, create=False) as history:
        assert history is not None
        assert history.delete(history.runs(Selection(last=1))) == 1
    assert not [file for file in tmp_path.iterdir() if b"secret-unit" in file.read_bytes()]
    other.close()


def test_a_run_that_got_the_number_of_a_deleted_one_is_not_deleted_for_it(folder: int) -> None:
    """SQLite gives the number of the last row again once the row is gone."""
    add(folder, number=1)
    with opened(folder, create=False) as history:
        assert history is not None
        asked = history.runs(ALL)
        assert history.delete(asked) == 1
        add(folder, number=2)
        assert history.delete(asked) == 0
    assert numbers(folder) == [2]


def test_what_killed_processes_left_is_removed_after_an_hour(folder: int, tmp_path: Path) -> None:
    """By whatever records a run next."""
    add(folder)
    ours = [f".{'0a' * 16}.tmp", *(f".history-{'0a' * 8}.tmp{more}" for more in ("", "-wal", "-shm", "-journal"))]
    foreign = [".x.tmp", f".{'0a' * 16}.tmp2", "history-x.tmp", f".history-{'0a' * 8}.tmp-x"]
    for name in (*ours, *foreign):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, time.time() - 3700))
    (tmp_path / f".{'0b' * 16}.tmp").touch()
    (tmp_path / f".{'0c' * 16}.tmp").symlink_to("x")
    runs(folder)
    assert set(ours) <= set(os.listdir(tmp_path))
    add(folder)
    kept = {FILE, *foreign, f".{'0b' * 16}.tmp", f".{'0c' * 16}.tmp"}
    assert set(os.listdir(tmp_path)) == kept


def test_a_file_gets_smaller_when_runs_are_deleted(folder: int, tmp_path: Path) -> None:
    add(folder)
    small = (tmp_path / FILE).stat().st_size
    add(folder, unit="x" * 1_000_000)
    assert (tmp_path / FILE).stat().st_size > 1_000_000
    with opened(folder, create=False) as history:
        assert history is not None
        history.delete(history.runs(Selection(last=1)))
    assert (tmp_path / FILE).stat().st_size <= small + 10 * 4096


def test_a_newer_schema_is_refused(folder: int, tmp_path: Path) -> None:
    add(folder)
    with sqlite3.connect(tmp_path / FILE) as other:
        other.execute("PRAGMA user_version = 7")
    other.close()
    for create in (True, False):
        with (
            pytest.raises(ScoperunError, match=r"^a newer scoperun made it: its schema is 7, and this scoperun reads"),
            opened(folder, create=create),
        ):
            pass


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + bytes(84)])
def test_a_file_that_is_not_a_database_is_refused_and_left_alone(folder: int, tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ScoperunError):
        add(folder)
    assert (tmp_path / FILE).read_bytes() == content


def test_an_empty_file_becomes_a_history(folder: int, tmp_path: Path) -> None:
    """It is what a process leaves that was killed on a file system without hard links."""
    (tmp_path / FILE).touch()
    with opened(folder, create=False) as history:
        assert history is None
    add(folder, number=1)
    assert numbers(folder) == [1]


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "fifo"])
def test_what_is_not_a_regular_file_is_refused(folder: int, tmp_path: Path, kind: str) -> None:
    """A link too: SQLite would open other files beside its target."""
    target = tmp_path / "target"
    if kind == "link":
        target.touch()
    if "link" in kind:
        (tmp_path / FILE).symlink_to(target)
    elif kind == "folder":
        (tmp_path / FILE).mkdir()
    else:
        os.mkfifo(tmp_path / FILE)
    with pytest.raises(ScoperunError, match=r"^it is not a regular file$"):
        add(folder)
    assert not target.exists() or target.read_bytes() == b""


def test_a_file_system_without_room_is_one_line(folder: int) -> None:
    def full() -> str:
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        with pytest.raises(ScoperunError) as refused:
            add(folder)
        return refused.value.message

    message = in_child(full)
    assert message
    assert "\n" not in message


@pytest.mark.parametrize("length", [480, 600, 5000])
def test_a_path_that_is_too_long_for_sqlite_is_called_so(tmp_path: Path, length: int) -> None:
    """The kernel has no such limit for a folder that is opened component by component."""
    fd, path = os.open(tmp_path, os.O_PATH), os.fsencode(tmp_path)
    while len(path) < length:
        name = b"x" * min(200, max(1, length - len(path) - 1))
        os.mkdir(name, dir_fd=fd)
        inner = os.open(name, os.O_PATH, dir_fd=fd)
        os.close(fd)
        fd, path = inner, path + b"/" + name
    size = f": {len(path) + 1 + len(FILE)} bytes" if length < 4096 else ""
    with pytest.raises(ScoperunError, match=rf"^its path is too long for SQLite{size}$"):
        add(fd)
    assert os.listdir(f"/proc/self/fd/{fd}") == []
    os.close(fd)


def test_what_else_cannot_be_opened_is_in_the_words_of_sqlite(folder: int, tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError) as refused:
        sqlite3.connect(f"file:{tmp_path}/missing?mode=rw", uri=True)
    assert database.reason(folder, refused.value) == "unable to open database file"


MOUNTS = """\
22 1 0:20 / / rw,relatime shared:1 - btrfs /dev/sda2 rw
23 22 0:21 / /home/a\\040-\\040b rw,relatime - nfs4 server:/home rw,vers=4.2
24 22 0:22 / /tmp rw shared:2 master:3 - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(("mount", "found"), [("22", "btrfs"), ("23", "nfs4"), ("24", "tmpfs"), ("2", None)])
def test_the_type_of_a_file_system_is_that_of_its_mount(mount: str, found: str | None) -> None:
    assert type_of(mount, MOUNTS) == found


def test_a_write_ahead_log_is_kept_on_local_file_systems_alone(folder: int, tmp_path: Path) -> None:
    add(folder)
    with sqlite3.connect(tmp_path / FILE) as other:
        (mode,) = other.execute("PRAGMA journal_mode").fetchone()
    other.close()
    assert mode == ("wal" if is_local(folder) else "delete")
    proc = os.open("/proc/self", os.O_PATH)
    assert not is_local(proc)
    os.close(proc)
