"""What a batch amounts to while it runs."""

from scoperun.batch.events import Finished, Started
from scoperun.batch.tally import Tally
from tests.unit.batch.jobs import MiB, attempt, job


def started(seq: int, number: int) -> Started:
    return Started(job=job(seq), number=number, unit="u.scope", memory=MiB, alone=False)


def finished(seq: int, number: int, state: str, *, is_interrupted: bool = False) -> Finished:
    ended = attempt(seq, number)
    return Finished(job=job(seq), attempt=ended, report=None, state=state, memory=MiB, is_interrupted=is_interrupted)


def test_jobs_that_an_earlier_runner_ran_wait_again() -> None:
    tally = Tally({"waiting": 3, "running": 2, "done": 4})
    assert (tally.states["waiting"], tally.states["running"], tally.ended, tally.all) == (5, 0, 4, 9)


def test_a_job_is_tried_again_because_of_how_it_ended_not_because_it_was_interrupted() -> None:
    tally = Tally({"waiting": 1})
    interrupted, failed, done = (
        finished(1, 1, "waiting", is_interrupted=True),
        finished(1, 2, "waiting"),
        finished(1, 3, "done"),
    )
    for number, (event, retried) in enumerate(((interrupted, 0), (failed, 1), (done, 1)), 1):
        tally.take(started(1, number))
        assert (tally.states["waiting"], tally.states["running"]) == (0, 1)
        tally.take(event)
        assert tally.retried == retried
    assert (tally.ended, tally.states["done"]) == (1, 1)
