"""Which batch is meant, and what is said if there is none, or one that cannot be read."""

import json
import os
from pathlib import Path

import pytest

from scoperun.batch.batches import batches, meant, seen
from scoperun.batch.columns import OFFERED
from scoperun.batch.control import control
from scoperun.batch.folder import NoBatch, opened
from scoperun.batch.state import State
from scoperun.errors import InvalidValue
from scoperun.record import replace

from .jobs import HEADER, job


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "scoperun" / "batch"


@pytest.mark.parametrize("is_running", [True, False])
def test_an_id_that_no_batch_has_is_named(*, is_running: bool) -> None:
    with pytest.raises(InvalidValue, match=r"^no batch has the ID 'abc234' \(scopectl batch status lists them\)$"):
        meant("abc234", is_running=is_running)


def test_a_word_with_a_slash_is_a_folder(state_home: Path) -> None:
    (state_home / "abc234").mkdir(parents=True)
    assert meant("./state", is_running=True) == "./state"
    assert meant("abc234", is_running=True) == str(state_home / "abc234")


@pytest.mark.parametrize(
    ("is_running", "message"),
    [
        (True, r"^no batch runs \(.*named by that folder\)$"),
        (False, r"^no batch is left to resume \(--state DIR .*\)$"),
    ],
)
def test_without_a_word_and_a_batch_it_says_how_to_name_one(*, is_running: bool, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        meant(None, is_running=is_running)


def begun(folder: Path) -> Path:
    """Make a batch in this folder, and return its database."""
    with opened(str(folder), create=True) as place, place.locked(is_new=True), place.database(create=True) as database:
        State(database).make(replace(HEADER, id=folder.name), [job(1)])
    return folder / "batch.db"


def test_a_batch_that_cannot_be_read_is_named_and_the_others_are_listed(
    state_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    begun(state_home / "aaaaaa")
    begun(state_home / "bbbbbb").write_bytes(b"damaged" * 999)
    (state_home / "cccccc").mkdir()
    (state_home / "dddddd").mkdir()
    (state_home / "dddddd" / "batch.db").touch(0o600)
    assert control("status", [], slots=None, json=True) == 125
    out, err = capfd.readouterr()
    assert [each["id"] for each in json.loads(out)] == ["aaaaaa"]
    damaged = f"scopectl: batch bbbbbb: cannot use {state_home}/bbbbbb/batch.db: file is not a database\n"
    assert err == damaged
    assert meant(None, is_running=False) == f"{state_home}/aaaaaa"
    assert capfd.readouterr().err == damaged, "it could be the one that is meant"
    (state_home / "bbbbbb" / "batch.db").unlink()
    assert control("status", [], slots=None, json=False) == 0
    assert capfd.readouterr().err == ""


def test_a_batch_of_a_newer_scoperun_is_named(state_home: Path) -> None:
    begun(state_home / "aaaaaa")
    with opened(str(state_home / "aaaaaa")) as place, place.database() as database:
        database.execute("PRAGMA user_version = 99")
    _, (unread,) = batches()
    assert str(unread).startswith("batch aaaaaa: a newer scoperun made this batch")


def test_a_batch_that_is_removed_while_it_is_read_leaves_nothing(state_home: Path) -> None:
    """SQLite makes two files when it reads, and leaves them if the database is not there any more."""
    begun(state_home / "aaaaaa")
    with seen(f"{state_home}/aaaaaa"):
        for name in ("batch.db", "lock"):
            (state_home / "aaaaaa" / name).unlink()
        assert sorted(os.listdir(state_home / "aaaaaa")) == ["batch.db-shm", "batch.db-wal"]
    assert os.listdir(state_home) == []
    with pytest.raises(NoBatch), seen(f"{state_home}/aaaaaa"):
        pass


def test_who_reads_is_not_in_the_way_of_a_batch_that_is_being_made(state_home: Path) -> None:
    with opened(f"{state_home}/aaaaaa", create=True) as place, place.locked(is_new=True):
        with place.database(create=True) as database:
            with place.database() as other:
                other.execute("BEGIN")
                assert not State(other).is_made
                assert batches() == ([], [])
            State(database).make(HEADER, [job(1)])
        assert [each.header.id for each in batches()[0]] == [HEADER.id]


def test_the_help_of_no_option_speaks_of_a_command_that_batch_does_not_have() -> None:
    assert [option.name for option in OFFERED if "COMMAND" in option.help] == []
