"""What --mem auto gives a job."""

import pytest

from scoperun.batch.automatic import automatic
from scoperun.evidence.verdict import Verdict
from scoperun.history.advice import Advice, advice
from scoperun.history.past_run import PastRun

MIB = 1 << 20
TOTAL = 4096 * MIB


def runs(peaks: list[int], ran_out: int = 0) -> Advice:
    ends = [PastRun(verdict=Verdict.SUCCESS, peak=each * MIB) for each in peaks]
    return advice([*ends, *[PastRun(verdict=Verdict.OOM_KILL, peak=300 * MIB) for _ in range(ran_out)]])


@pytest.mark.parametrize(
    ("found", "size", "said"),
    [
        (None, 1024, "1G: 4G for 4 jobs at once"),
        (runs([]), 1024, "1G: 4G for 4 jobs at once"),
        (runs([*range(1, 101)]), 96, "96M: the 95th percentile of 100 earlier runs, rounded up"),
        (runs([90, 100]), 104, "104M: the largest peak of 2 earlier runs, rounded up"),
        (runs([100]), 104, "104M: the largest peak of 1 earlier run, rounded up"),
        (runs([100], ran_out=1), 1024, "1G: by 2 earlier runs, 300M is too little"),
        (runs([], ran_out=1), 1024, "1G: by 1 earlier run, 300M is too little"),
    ],
)
def test_earlier_runs_count_before_an_equal_share(found: Advice | None, size: int, said: str) -> None:
    assert automatic(found, total=TOTAL, slots=4) == (size * MIB, said)


def test_what_was_too_little_is_not_given_again() -> None:
    size, said = automatic(runs([100], ran_out=1), total=TOTAL, slots=16)
    assert size == 320 * MIB
    assert said == "320M: by 2 earlier runs, 300M is too little"


def limited(limits: list[int], peak: int, succeeded: int) -> Advice:
    """Return what runs tell of which some ran out at these limits, and the others succeeded."""
    out = [PastRun(verdict=Verdict.OOM_KILL, peak=each * MIB) for each in limits]
    return advice([*out, *[PastRun(verdict=Verdict.SUCCESS, peak=peak * MIB)] * succeeded])


@pytest.mark.parametrize(
    ("found", "slots", "size", "said"),
    [
        (limited([64] * 3, 900, 30), 32, 960, "960M: by 33 earlier runs, 64M is too little, and one used 900M"),
        (limited([100, 200, 400], 700, 1), 16, 704, "704M: by 4 earlier runs, 400M is too little, and one used 700M"),
        (limited([100, 200, 400], 700, 1), 4, 1024, "1G: by 4 earlier runs, 400M is too little, and one used 700M"),
        (limited([400], 400, 1), 16, 416, "416M: by 2 earlier runs, 400M is too little"),
    ],
)
def test_what_a_run_that_succeeded_used_is_the_least_although_others_ran_out(
    found: Advice, slots: int, size: int, said: str
) -> None:
    """As with --record and --retries: the history has each attempt."""
    assert automatic(found, total=TOTAL, slots=slots) == (size * MIB, said)


def test_a_job_gets_all_that_there_is_at_most() -> None:
    found = automatic(runs([200]), total=100 * MIB, slots=4)
    assert found == (
        100 * MIB,
        "100M, all that there is, where 208M is suggested: the largest peak of 1 earlier run, rounded up",
    )


def test_an_equal_share_is_whole_pages_and_fits() -> None:
    for slots in (1, 3, 7, 1000):
        size, _ = automatic(None, total=100 * MIB, slots=slots)
        assert size % 4096 == 0
        assert size * slots <= 100 * MIB
