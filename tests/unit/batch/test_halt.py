"""--halt counts as GNU parallel does."""

import pytest

from scoperun.batch.halt import Halt, halt
from scoperun.errors import InvalidValue


def test_it_says_when_and_at_how_many_failures() -> None:
    assert halt("now,fail=1") == Halt(is_now=True, failures=1)
    assert halt("soon,fail=30") == Halt(is_now=False, failures=30)
    assert halt("soon,fail=100%") == Halt(is_now=False, failures=100, is_percent=True)


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "never", "now,fail", "now,fail=", "now,fail=0", "now,fail=0%", "now,fail=101%", "now,fail=-1"),
        *("now,fail=1.5%", "now, fail=1", "now,success=1", "2", "NOW,fail=1", "now,fail=1\n", "now,fail=٣"),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="does not say when to halt"):
        halt(text)


def test_a_number_is_one_of_failures() -> None:
    three = halt("now,fail=3")
    assert [failed for failed in range(6) if three.should_halt(failed=failed, total=1000)] == [3, 4, 5]


@pytest.mark.parametrize(
    ("percent", "total", "first"), [(10, 20, 2), (10, 21, 3), (10, 1, 1), (100, 7, 7), (1, 100_000, 1000), (50, 3, 2)]
)
def test_a_percentage_is_one_of_all_jobs(percent: int, total: int, first: int) -> None:
    asked = halt(f"soon,fail={percent}%")
    assert next(failed for failed in range(total + 1) if asked.should_halt(failed=failed, total=total)) == first


def test_a_batch_without_a_failure_is_not_halted() -> None:
    assert not halt("soon,fail=10%").should_halt(failed=0, total=0)
