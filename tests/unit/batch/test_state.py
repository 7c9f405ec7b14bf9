"""The state of a batch survives its runner, and tells the next one where to go on."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from scoperun.batch.job import Job
from scoperun.batch.rows import Begun, Ended, Place, Wanted
from scoperun.batch.state import State
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.evidence.oom_limit import LimitOf
from scoperun.evidence.verdict import Verdict
from tests.unit.batch.jobs import HEADER, MiB, attempt, begun, ended, folder, job, state


def seqs(places: list[Place]) -> list[int]:
    return [place.seq for place in places]


def test_a_job_and_its_batch_are_read_back_as_they_were_kept(tmp_path: Path) -> None:
    whole = job(
        1,
        "printf '%s' \udcff",
        name="first",
        settings=(("timeout", "5min"),),
        cwd="/srv",
        environment=("A=1", "B=\udcff"),
    )
    with state(tmp_path, whole) as kept:
        assert (kept.job(1), kept.header()) == (whole, HEADER)


def test_a_file_of_jobs_that_is_refused_leaves_no_batch(tmp_path: Path) -> None:
    def jobs() -> Iterator[Job]:
        yield job(1)
        raise InvalidValue("line 2: no")

    with folder(tmp_path) as place, place.database(create=True) as connection:
        kept = State(connection)
        with pytest.raises(InvalidValue, match="line 2"):
            kept.make(HEADER, jobs())
        assert not kept.is_made
        kept.make(HEADER, [job(1)])
        assert kept.is_made


def test_two_jobs_of_one_name_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(InvalidValue, match=r"job 3: another job has the id 'x'"),
        state(tmp_path, job(1, name="x"), job(2), job(3, name="x")),
    ):
        pass


def test_jobs_wait_in_their_order_and_are_read_in_pieces(tmp_path: Path) -> None:
    with state(tmp_path, *map(job, range(1, 6))) as kept:
        first = kept.waiting(after=-1, most=2)
        assert seqs(first) == [1, 2]
        assert seqs(kept.waiting(after=first[-1].place, most=9)) == [3, 4, 5]
        kept.shuffle([50, 40, 30, 20, 10])
        assert seqs(kept.waiting(after=-1, most=9)) == [5, 4, 3, 2, 1]


def test_an_attempt_that_began_is_open_until_its_end_is_kept(tmp_path: Path) -> None:
    with state(tmp_path, job(1), job(2)) as kept:
        kept.begin(begun(1))
        assert (kept.open_attempts(), kept.counts()) == ([begun(1)], {"running": 1, "waiting": 1})
        kept.end(ended(1))
        assert (kept.open_attempts(), kept.counts()) == ([], {"done": 1, "waiting": 1})
        assert kept.attempts(1) == [attempt(1)]


def test_what_is_committed_is_there_for_another_process_at_once(tmp_path: Path) -> None:
    with state(tmp_path, job(1)) as kept, folder(tmp_path) as place, place.database() as another:
        kept.begin(begun(1))
        assert State(another).open_attempts() == [begun(1)]


def test_a_job_waits_for_its_next_attempt_with_its_memory(tmp_path: Path) -> None:
    out = attempt(
        1, verdict=Verdict.OOM_KILL, limit_of=LimitOf.SCOPE, exit_status=137, needed=101 * MiB, victim="python3"
    )
    with state(tmp_path, job(1), job(2)) as kept:
        kept.begin(begun(1))
        kept.end(Ended(out, "waiting", 200 * MiB, alone=True))
        assert kept.waiting(after=-1, most=1) == [Place(1, 1, 200 * MiB, alone=True)]
        assert (kept.attempts(1), kept.begun(1)) == ([out], 1)


def test_an_interrupted_attempt_says_nothing_about_its_job_but_has_its_number(tmp_path: Path) -> None:
    with state(tmp_path, job(1)) as kept:
        kept.begin(begun(1))
        kept.interrupt(kept.open_attempts(), now=1003.0)
        assert (kept.attempts(1), kept.begun(1), kept.counts()) == ([], 1, {"waiting": 1})
        kept.begin(begun(1, 2))
        kept.end(Ended(attempt(1, 2, verdict=Verdict.SIGNAL), "waiting", 100 * MiB, counts=False))
        assert (kept.attempts(1), kept.begun(1), kept.counts()) == ([], 2, {"waiting": 1})
        kept.begin(begun(1, 3))
        kept.end(Ended(attempt(1, 3, verdict=None, error="refused"), "waiting", 100 * MiB, counts=False))
        found = [each and each.number for each in kept.interrupted_attempts()]
        assert found == [None, 2], "of the first nothing is known, the last never ran"


def test_jobs_that_failed_can_be_tried_again_as_if_for_the_first_time(tmp_path: Path) -> None:
    with state(tmp_path, job(1), job(2), job(3)) as kept:
        for seq, end in enumerate(("failed", "out-of-memory", "done"), 1):
            kept.begin(begun(seq))
            kept.end(ended(seq, state=end))
        kept.retry(["failed", "out-of-memory"])
        assert (seqs(kept.waiting(after=-1, most=9)), kept.attempts(1), kept.begun(1)) == ([1, 2], [], 1)


def test_failures_are_listed_in_order_with_their_attempts(tmp_path: Path) -> None:
    with state(tmp_path, *map(job, range(1, 5))) as kept:
        for seq in (4, 2, 1):
            kept.begin(begun(seq))
            kept.end(ended(seq, state="failed"))
        found = list(kept.failures(["failed"], most=2))
        assert found == [(job(1), "failed", [attempt(1)]), (job(2), "failed", [attempt(2)])]


def test_the_same_jobs_are_the_same_whatever_their_limits_are(tmp_path: Path) -> None:
    with state(tmp_path, job(1, "a"), job(2, "b")) as kept:
        kept.see_same([job(1, "a", memory=5 * MiB), job(2, "b", settings=(("cpus", "2"),))])


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        ([job(1, "a"), job(2, "c")], "job 2 is not what it was: 'c'"),
        ([job(1, "a")], "job 2 is missing now"),
        ([job(1, "a"), job(2, "b"), job(3, "c")], "job 3 is new: 'c'"),
        ([job(1, "a", cwd="/"), job(2, "b")], "job 1 is not what it was: 'a'"),
    ],
)
def test_other_jobs_are_not_taken_for_those_of_the_batch(tmp_path: Path, jobs: list[Job], said: str) -> None:
    with state(tmp_path, job(1, "a"), job(2, "b")) as kept, pytest.raises(InvalidValue, match=said):
        kept.see_same(jobs)


def test_what_another_terminal_wants_is_kept(tmp_path: Path) -> None:
    with state(tmp_path, job(1)) as kept:
        assert kept.wanted() == Wanted()
        wanted = Wanted(slots=3, is_paused=True, stops=2)
        kept.want(wanted)
        assert kept.wanted() == wanted


def test_a_batch_of_a_newer_scoperun_is_refused(tmp_path: Path) -> None:
    with state(tmp_path, job(1)), folder(tmp_path) as place, place.database() as connection:
        connection.execute("PRAGMA user_version = 99")
        with pytest.raises(ScoperunError, match="a newer scoperun made this batch"):
            assert State(connection).is_made


def test_an_error_of_the_database_says_which_file_it_is(tmp_path: Path) -> None:
    with (
        folder(tmp_path) as place,
        pytest.raises(ScoperunError, match=r"state/batch\.db: no such table"),
        place.database(create=True) as connection,
    ):
        State(connection).counts()


def test_attempts_of_a_batch_are_read_one_by_one(tmp_path: Path) -> None:
    with state(tmp_path, job(1), job(2)) as kept:
        for seq in (2, 1):
            kept.begin(Begun(seq, 1, "u", "boot", 1.0))
            kept.end(ended(seq))
        assert [each.seq for each in kept.kept_attempts()] == [1, 2]


def test_a_database_is_in_wal_mode(tmp_path: Path) -> None:
    with folder(tmp_path) as place, place.database(create=True) as connection:
        assert isinstance(connection, sqlite3.Connection)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE batch SET id = '*'",
        "UPDATE batch SET id = x'00ff'",
        "UPDATE batch SET words = '['",
        "UPDATE batch SET words = '5'",
        "UPDATE batch SET created = 1e300",
        "DELETE FROM batch",
    ],
)
def test_a_damaged_batch_is_told_in_one_line(tmp_path: Path, statement: str) -> None:
    """Its ID is part of a pattern for names of units, which are stopped."""
    with state(tmp_path, job(1)) as kept:
        kept._connection.execute(statement)  # noqa: SLF001  what another program could do
        with pytest.raises(ScoperunError, match="the state of the batch is damaged"):
            kept.header()


@pytest.mark.parametrize("text", ["", "[1]", "{}", "[" * 100_000])
def test_a_damaged_job_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    with state(tmp_path, job(1)) as kept:
        kept._connection.execute("UPDATE job SET job = ?", (text,))  # noqa: SLF001  as above
        with pytest.raises(ScoperunError, match="the state of the batch is damaged"):
            kept.job(1)
