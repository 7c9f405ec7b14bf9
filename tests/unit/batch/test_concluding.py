"""What is said at the end of a runner says what became of the batch, and how to go on."""

import json
from pathlib import Path
from typing import Any

import pytest

from scoperun.batch.concluding import Close, concluded
from scoperun.errors import ScopeFailed
from scoperun.evidence.verdict import Verdict
from tests.unit.batch.jobs import begun, ended, job, state


def close(**more: Any) -> Close:
    at_best = {"path": "/srv/a b", "elapsed": 83.0, "failure": None, "was_told_to_end": False, "unprinted": None}
    return Close(**{**at_best, "unreadable": {}, "unwritten": {}, **more})


@pytest.mark.parametrize(
    ("how", "status", "said"),
    [
        (close(), 1, ""),
        (close(was_told_to_end=True), 130, ""),
        (close(failure=ScopeFailed("no scope")), 125, "scopectl: no scope\n"),
        (close(unprinted="disk full"), 125, "scopectl: not all that jobs print was printed: disk full\n"),
        (close(unwritten={"--joblog": "disk full"}), 1, "scopectl: --joblog: not all was written: disk full\n"),
    ],
)
def test_jobs_are_left_and_one_has_failed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], how: Close, status: int, said: str
) -> None:
    with state(tmp_path, job(1), job(2)) as kept:
        kept.begin(begun(1))
        kept.end(ended(1, state="failed", verdict=Verdict.EXIT_CODE, exit_status=3))
        assert concluded(kept, how, json=False) == status
    out, err = capfd.readouterr()
    assert out == ""
    assert "2 jobs in 1min 23s: 1 failed, 1 waiting\n" in err
    assert err.endswith(f"{said}scopectl: to go on: scopectl batch --resume --state '/srv/a b'\n")


@pytest.mark.parametrize(
    ("unreadable", "which"), [({3: "it\n is gone"}, "job 3"), ({3: "it\n is gone", 2: ""}, "2 jobs, e.g. job 3")]
)
def test_what_was_printed_and_is_lost_is_told_and_nothing_is_left_to_go_on_with(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], unreadable: dict[int, str], which: str
) -> None:
    with state(tmp_path, job(1)) as kept:
        kept.begin(begun(1))
        kept.end(ended(1))
        assert concluded(kept, close(unreadable=unreadable), json=False) == 125
    *_, last = capfd.readouterr().err.splitlines()
    assert last == f"scopectl: not all that jobs print was printed: that of {which}: it\\n is gone"


def test_all_is_done(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A runner that goes on does not say that all was done in its time."""
    with state(tmp_path, job(1)) as kept:
        kept.begin(begun(1))
        kept.end(ended(1))
        assert concluded(kept, close(was_told_to_end=True, elapsed=None), json=False) == 0
        err = capfd.readouterr().err
        assert err.splitlines()[0] == "1 job: 1 done"
        assert "to go on" not in err
        assert concluded(kept, close(), json=True) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["exit_status"], told["elapsed"], told["jobs"]["done"]) == (0, 83.0, 1)
