"""A new batch that is refused leaves nothing."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scoperun.batch.making import Made, made
from scoperun.errors import InvalidValue, ScoperunError
from tests.unit.batch.jobs import job


def new(path: Path) -> Any:
    """Return the options of a new batch, as far as they matter here."""
    return SimpleNamespace(path=str(path), is_resumed=False, is_shuffled=False, words=(), command="true", source=None)


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return the jobs of the batch; an error in it is raised when its place comes."""
    found: list[object] = [job(1)]

    def jobs(*_: object) -> Iterator[object]:
        for each in found:
            if isinstance(each, BaseException):
                raise each
            yield each

    monkeypatch.setattr("scoperun.batch.making.checked_jobs", jobs)
    return found


def test_a_batch_whose_database_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", connect)
    with pytest.raises(ScoperunError, match="disk is full"), made(new(tmp_path / "a" / "b"), Any, 1):
        pass
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [InvalidValue("no such job"), KeyboardInterrupt()])
def test_a_batch_whose_jobs_cannot_be_read(tmp_path: Path, found: list[object], error: BaseException) -> None:
    found.append(error)
    with pytest.raises(type(error)), made(new(tmp_path / "a" / "b"), Any, 1):
        pass
    assert os.listdir(tmp_path) == []


def test_a_batch_that_is_refused_before_its_first_job(tmp_path: Path) -> None:
    with pytest.raises(ScoperunError), made(new(tmp_path / "a" / "b"), Any, 1):
        raise ScoperunError("cannot write the joblog")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("is_finished", [False, True])
def test_a_batch_is_kept_unless_nothing_of_it_is_left_to_do(tmp_path: Path, *, is_finished: bool) -> None:
    with made(new(tmp_path / "a"), Any, 1) as batch:
        assert isinstance(batch, Made)
        batch.is_finished = is_finished
    assert os.listdir(tmp_path) == ([] if is_finished else ["a"])


def test_a_batch_that_is_interrupted_is_kept(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), made(new(tmp_path / "a"), Any, 1):
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["a"]
