"""What jobs needed is told by their last attempts, and no percentile is made up."""

import random

import pytest

from scoperun.batch.attempt import Attempt
from scoperun.batch.need import Largest, need
from scoperun.evidence.verdict import Verdict
from scoperun.history.advice import Fit, advice
from scoperun.history.past_run import PastRun
from tests.unit.batch.attempts import GIB, attempt, ran_out

MIB = 1 << 20


def done(seq: int, peak: int | None, **more: object) -> Attempt:
    return attempt(seq=seq, peak=None if peak is None else peak * MIB, **more)


def test_the_percentile_is_that_of_the_jobs_that_count() -> None:
    found = need(done(seq, seq) for seq in range(1, 201))
    assert (found.jobs, found.p95, found.fits) == (200, 190 * MIB, (Fit(192 * MIB, 192), Fit(208 * MIB, 200)))
    assert (found.asked, found.largest) == ((GIB, GIB), Largest(200, 200 * MIB))


def test_there_is_none_from_too_few_jobs_or_if_too_many_needed_more() -> None:
    jobs = [done(seq, seq) for seq in range(1, 20)]
    assert (need(jobs).p95, need(jobs).fits) == (None, ())
    assert need([*jobs, done(20, 20)]).p95 == 19 * MIB
    assert need([*jobs, ran_out(seq=20)]).p95 is None
    assert need([*jobs, done(20, 20), ran_out(seq=21)]).p95 == 20 * MIB
    assert (need([]).p95, need([]).asked, need([]).largest, need([]).reserved) == (None, None, None, None)


def test_a_job_counts_once_by_its_last_attempt() -> None:
    found = need([ran_out(seq=1), done(1, 1500, number=2, memory=2 * GIB), ran_out(seq=2), ran_out(2 * GIB, seq=2)])
    assert (found.jobs, found.needed_more) == (2, 1)
    assert (found.retried, found.retries, found.saved) == (2, 2, 1)
    assert found.asked == (GIB, GIB)
    assert found.largest == Largest(2, 2 * GIB)


def test_a_failure_and_an_unknown_peak_are_left_out_and_counted() -> None:
    others = [attempt(Verdict.EXIT_CODE, seq=50, peak=MIB, memory=1), done(51, None, memory=2), attempt(None, seq=52)]
    found = need([*(done(seq, seq) for seq in range(1, 21)), *others])
    assert (found.jobs, found.failed, found.without_peak) == (20, 2, 1)
    assert (found.p95, found.asked) == (19 * MIB, (GIB, GIB))


def test_a_job_whose_end_is_not_known_might_have_run_out() -> None:
    jobs = [done(seq, 10) for seq in range(1, 21)]
    unknown = [attempt(Verdict.UNKNOWN, seq=seq, peak=20 * MIB) for seq in (50, 51)]
    found = need([*jobs, unknown[0]])
    assert (found.jobs, found.failed, found.unknown, found.p95) == (20, 0, 1, 10 * MIB)
    found = need([*jobs, *unknown])
    assert (found.unknown, found.p95, found.fits) == (2, None, ())
    assert need([attempt(Verdict.UNKNOWN, was_told_to_end=True)]).needed_more == 1


def test_a_job_that_was_told_to_end_needed_more_than_is_known() -> None:
    jobs = [done(seq, seq) for seq in range(1, 30)]
    assert need([*jobs, done(30, 1, was_told_to_end=True)]).p95 == 29 * MIB
    assert need([*jobs, done(30, 1)]).p95 == 28 * MIB


def test_it_is_the_advice_that_the_history_would_give() -> None:
    source = random.Random(7)  # noqa: S311  not a secret
    for _ in range(50):
        ends = [
            (source.choice(["success"] * 30 + ["oom-kill", "exit-code", "unknown"]), source.randint(1, 900) * MIB)
            for _ in range(40)
        ]
        found = need(attempt(Verdict(verdict), seq=seq, peak=peak) for seq, (verdict, peak) in enumerate(ends))
        told = advice(PastRun(verdict=verdict, peak=peak) for verdict, peak in ends)
        assert (found.jobs, found.failed, found.unknown) == (told.runs, told.failed, told.unknown)
        assert (found.p95, found.fits) == (told.p95, told.fits)


@pytest.mark.parametrize(
    ("spans", "most"),
    [
        ([(0, 10, 3)], 3),
        ([(0, 10, 3), (5, 15, 4), (12, 20, 5)], 9),
        ([(0, 10, 3), (10, 20, 4)], 4),
        ([(12, 20, 5), (0, 10, 3), (5, 15, 4)], 9),
        ([(0, 100, 1), (1, 2, 7), (3, 4, 6)], 8),
    ],
)
def test_the_most_reserved_is_the_largest_sum_at_one_moment(spans: list[tuple[float, float, int]], most: int) -> None:
    ends = [attempt(seq=seq, started=at, ended=until, memory=size) for seq, (at, until, size) in enumerate(spans)]
    assert need(ends).reserved == most
    assert need((), ends).reserved == most, "interrupted ones reserved as much"
    assert need(ends, [None]).reserved is None, "one of which nothing is known might have, too"


def test_attempts_are_taken_one_by_one() -> None:
    """There can be 100,000 jobs: only the attempts of one are there at a time."""
    last: list[int] = []

    def attempts() -> object:
        for seq in range(1000):
            last.append(seq)
            yield done(seq, 1)

    assert need(attempts()).jobs == len(last) == 1000  # type: ignore[arg-type]
