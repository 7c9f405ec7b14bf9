"""A job is retried because memory ran out, with more if that can help, and for nothing else that was not asked for."""

import pytest

from scoperun.batch.attempt import Attempt
from scoperun.batch.retry import Again, Cause, Policy, growth, next_attempt, retry_causes
from scoperun.errors import InvalidValue
from scoperun.evidence.oom_limit import LimitOf
from scoperun.evidence.verdict import Verdict
from scoperun.spec.sizes import PAGE
from tests.unit.batch.attempts import GIB, attempt, ran_out, ran_out_at

TOTAL = 100 * GIB
EVERYTHING = frozenset(Cause)
ELSEWHERE = [
    ran_out_at(LimitOf.SLICE, "app-batch.slice"),
    ran_out_at(LimitOf.HOST),
    ran_out_at(LimitOf.SYSTEMD_OOMD, "app.slice"),
    ran_out_at(LimitOf.UNKNOWN),
    ran_out_at(None),
    ran_out_at(LimitOf.SCOPE, "child"),
    ran_out_at(LimitOf.SCOPE),
]
"""OOM kills that more memory for the job would not prevent; the last two are those of cgroups below its scope."""


def again(*attempts: Attempt, total: int = TOTAL, **policy: object) -> Again | None:
    return next_attempt(Policy(**{"retries": 9} | policy), attempts, total)  # type: ignore[arg-type]


def test_a_job_that_ran_out_at_its_own_limit_gets_more() -> None:
    assert again(ran_out()) == Again(2 * GIB)
    assert again(ran_out(), ran_out(2 * GIB)) == Again(4 * GIB)
    assert again(ran_out(), factor=1.5) == Again(GIB * 3 // 2)
    assert again(ran_out(8 * PAGE), factor=1.5) == Again(12 * PAGE)
    assert again(ran_out(8 * PAGE), factor=1.01) == Again(9 * PAGE), "in which the kernel counts"


def test_it_gets_at_most_what_is_allowed_and_once_it_had_that_nothing() -> None:
    assert again(ran_out(), most=GIB + 7 * PAGE) == Again(GIB + 7 * PAGE)
    assert again(ran_out(), total=GIB + 5 * PAGE) == Again(GIB + 5 * PAGE)
    assert again(ran_out(), most=3 * GIB, total=GIB + 9 * PAGE) == Again(GIB + 9 * PAGE)
    for had in (4 * GIB, 5 * GIB):
        assert again(ran_out(had), most=4 * GIB) is None
        assert again(ran_out(had), total=4 * GIB) is None


def test_a_part_of_a_page_is_not_more_memory() -> None:
    """The kernel counts a limit in pages, so it would run out of the same."""
    for more in (1, PAGE - 1):
        assert again(ran_out(), most=GIB + more) is None
        assert again(ran_out(), total=GIB + more) is None
    assert again(ran_out(GIB + 1), most=GIB + PAGE) == Again(GIB + PAGE)


@pytest.mark.parametrize("had", [GIB, GIB + 1, 2 * GIB])
def test_a_job_that_had_the_whole_total_is_not_tried_again_if_the_slice_ran_out(had: int) -> None:
    """The slice's limit is the same as the job's own, and what else is in the slice has it reached first."""
    for unit in ("app-scoperun_batch_x.slice", "system-scoperun_batch_x.slice"):
        assert again(ran_out_at(LimitOf.SLICE, unit, memory=had), total=GIB + 1) is None
        assert again(ran_out_at(LimitOf.SLICE, unit, memory=had), total=GIB + 1, also=EVERYTHING) is None


def test_the_same_happens_elsewhere_or_with_less_and_the_job_is_tried_again() -> None:
    own, other = "app-scoperun_batch_x.slice", "app.slice"
    assert again(ran_out_at(LimitOf.SLICE, own, memory=GIB - PAGE), total=GIB) == Again(GIB - PAGE)
    assert again(ran_out_at(LimitOf.SLICE, other), total=GIB) == Again(GIB)
    assert again(ran_out_at(LimitOf.UNKNOWN), total=GIB) == Again(GIB)


def test_a_large_factor_gives_the_most() -> None:
    assert again(ran_out(), factor=1e300) == Again(TOTAL)
    assert again(ran_out(2**62), total=2**63, factor=1.5) == Again(2**62 * 3 // 2)


@pytest.mark.parametrize("end", ELSEWHERE)
def test_at_another_limit_it_gets_the_same_then_alone_then_nothing(end: Attempt) -> None:
    assert again(end) == Again(GIB)
    assert again(end, end) == Again(GIB, alone=True)
    last = attempt_alone(end)
    assert again(end, end, last) is None


def attempt_alone(end: Attempt) -> Attempt:
    values = {name: getattr(end, name) for name in Attempt.__slots__}
    return Attempt(**values | {"alone": True})


def test_a_job_that_ran_alone_and_then_reached_its_own_limit_gets_more_and_stays_alone() -> None:
    host = ran_out_at(LimitOf.HOST)
    assert again(host, host, ran_out(alone=True)) == Again(2 * GIB, alone=True)
    assert again(host, host, ran_out(alone=True), ran_out_at(LimitOf.HOST, memory=2 * GIB, alone=True)) is None


def test_limits_of_both_kinds_are_counted_apart() -> None:
    host = ran_out_at(LimitOf.HOST)
    assert again(host, ran_out()) == Again(2 * GIB)
    assert again(ran_out(), ran_out_at(LimitOf.HOST, memory=2 * GIB)) == Again(2 * GIB)
    assert again(host, ran_out(), ran_out_at(LimitOf.HOST, memory=2 * GIB)) == Again(2 * GIB, alone=True)


@pytest.mark.parametrize("verdict", [each for each in Verdict if each is not Verdict.OOM_KILL])
def test_nothing_else_is_retried(verdict: Verdict) -> None:
    """137 and SIGKILL look like an OOM kill, and are none."""
    assert again(attempt(verdict, exit_status=137, signal=9)) is None


@pytest.mark.parametrize(
    ("verdict", "cause"),
    [(Verdict.TIMEOUT, Cause.TIMEOUT), (Verdict.SIGNAL, Cause.SIGNAL), (Verdict.EXIT_CODE, Cause.EXIT)],
)
def test_what_the_policy_names_is_retried_with_the_same_memory(verdict: Verdict, cause: Cause) -> None:
    end = attempt(verdict, exit_status=137)
    assert again(end, also=frozenset({cause})) == Again(GIB)
    assert again(end, also=EVERYTHING - {cause}) is None
    assert again(attempt(verdict, alone=True), also=EVERYTHING) == Again(GIB, alone=True)


@pytest.mark.parametrize("verdict", [Verdict.SUCCESS, Verdict.UNKNOWN, Verdict.RESOURCES])
def test_success_and_what_is_not_known_are_never_retried(verdict: Verdict) -> None:
    assert again(attempt(verdict, exit_status=137, signal=9), also=EVERYTHING) is None


def test_a_command_that_could_not_be_executed_is_never_retried() -> None:
    assert again(attempt(None, exit_status=127, error="not found"), also=EVERYTHING) is None


def test_an_oom_kill_is_retried_although_the_command_exited_with_success() -> None:
    assert again(ran_out(exit_status=0)) == Again(2 * GIB)


def test_there_are_no_more_retries_than_allowed_for_all_reasons_together() -> None:
    ends = [ran_out(), attempt(Verdict.EXIT_CODE), ran_out_at(LimitOf.HOST)]
    for count in range(1, 4):
        assert again(*ends[:count], retries=count, also=EVERYTHING) is not None
        assert again(*ends[:count], retries=count - 1, also=EVERYTHING) is None
    assert again(also=EVERYTHING) is None


def test_reasons_are_named_on_the_command_line() -> None:
    assert retry_causes("oom") == {Cause.OOM}
    assert retry_causes("timeout") == {Cause.TIMEOUT}
    assert retry_causes("exit, oom,timeout,signal") == EVERYTHING


@pytest.mark.parametrize("text", ["", "oom,", "OOM", "oom;exit", "oom,fail", "137"])
def test_another_word_is_not_a_reason(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"is not a reason for a retry \(known are oom, timeout, signal, exit\)"):
        retry_causes(text)


def test_memory_grows_by_a_factor() -> None:
    assert (growth("2"), growth("1.25")) == (2.0, 1.25)
    for text in ("1", "0.5", "-2", "inf", "nan", "x2", "", "\u0662", "1_5", " 2 ", "1e1", "9" * 5000):
        with pytest.raises(InvalidValue, match="is not a number greater than 1"):
            growth(text)
