"""What a batch amounts to while it runs."""

from scoperun.batch.tally import Tally


def test_jobs_that_an_earlier_runner_ran_wait_again() -> None:
    tally = Tally({"waiting": 3, "running": 2, "done": 4})
    assert (tally.states["waiting"], tally.states["running"], tally.ended, tally.all) == (5, 0, 4, 9)
