"""The last attempt decides how a job ended, and the worst of the jobs how the batch did."""

import pytest

from scoperun.batch.ending import FAILURES, Ending, ending, exit_status
from scoperun.evidence.verdict import Verdict
from tests.unit.batch.attempts import attempt, ran_out


@pytest.mark.parametrize(
    ("verdict", "end"),
    [
        (Verdict.SUCCESS, Ending.DONE),
        (Verdict.EXIT_CODE, Ending.FAILED),
        (Verdict.SIGNAL, Ending.FAILED),
        (Verdict.RESOURCES, Ending.FAILED),
        (Verdict.UNKNOWN, Ending.FAILED),
        (Verdict.TIMEOUT, Ending.TIMEOUT),
        (Verdict.OOM_KILL, Ending.OUT_OF_MEMORY),
    ],
)
def test_the_last_verdict_decides(verdict: Verdict, end: Ending) -> None:
    assert ending([attempt(verdict, exit_status=0)]) is end
    assert ending([ran_out(), attempt(verdict)]) is end
    assert ending([attempt(), attempt(verdict)]) is end


def test_without_a_verdict_the_command_was_not_executed() -> None:
    assert ending([attempt(None, exit_status=127, error="./leak: not found")]) is Ending.NOT_EXECUTED


ORDER = [("out-of-memory", 3), ("failed", 1), ("not-executed", 1), ("timeout", 124), ("done", 0)]


def test_the_first_status_that_applies_is_the_one() -> None:
    for at, (_, status) in enumerate(ORDER):
        assert exit_status(dict.fromkeys((state for state, _ in ORDER[at:]), 2)) == status
    counts = {"failed": 0, "out-of-memory": 0, "done": 5}
    assert exit_status(counts) == exit_status({}) == 0


def test_a_batch_that_failed_itself_says_so_unless_it_was_interrupted() -> None:
    counts = {"out-of-memory": 1, "failed": 1}
    assert exit_status(counts, has_failed=True) == 125
    assert exit_status(counts, has_failed=True, is_interrupted=True) == 130


def test_a_batch_with_a_failure_never_exits_with_success() -> None:
    assert all(exit_status({end: 1}) for end in FAILURES)
    assert {*Ending} - {*FAILURES} == {Ending.DONE}
