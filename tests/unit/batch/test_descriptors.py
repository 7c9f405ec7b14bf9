"""There are descriptors for all jobs that run at once, or the batch does not begin."""

import resource
from collections.abc import Iterator

import pytest

from scoperun.batch.descriptors import Descriptors, most_slots
from scoperun.batch.library import Batch
from scoperun.batch.options import slots
from scoperun.errors import InvalidValue

LIMIT = resource.RLIMIT_NOFILE


@pytest.fixture(autouse=True)
def low() -> Iterator[int]:
    """Lower the soft limit."""
    before = resource.getrlimit(LIMIT)
    resource.setrlimit(LIMIT, (600, before[1]))
    yield before[1]
    resource.setrlimit(LIMIT, before)


def test_the_limit_is_raised_as_far_as_it_has_to_be_and_set_back_for_jobs(low: int) -> None:
    descriptors = Descriptors()
    descriptors.allow(9)
    assert resource.getrlimit(LIMIT) == (600, low)
    descriptors.allow(30)
    assert resource.getrlimit(LIMIT) == (30 * 24 + 64, low)
    assert most_slots(can_raise=False) == 30
    descriptors.undo_in_child()
    assert resource.getrlimit(LIMIT) == (600, low)


def test_more_than_the_hard_limit_is_refused_with_what_can_be_had(low: int) -> None:
    with pytest.raises(InvalidValue, match=r"^99999999 jobs at once need \d+ descriptors, .* \(at most \d+ at once"):
        Descriptors().allow(99_999_999)
    assert resource.getrlimit(LIMIT) == (600, low)


def test_a_program_s_own_limit_is_not_raised() -> None:
    Batch(slots=22)
    Batch()
    with pytest.raises(InvalidValue, match=r"^`slots=23`: there are descriptors for 22 commands at once"):
        Batch(slots=23)
    assert resource.getrlimit(LIMIT)[0] == 600


def test_a_number_of_jobs_at_once_has_six_digits_at_most() -> None:
    assert (slots("1"), slots("999999")) == (1, 999999)
    for text in ("0", "-1", "1000000", "0000000019999999", "9" * 5000, "\u0662", "2.0", ""):
        with pytest.raises(InvalidValue, match="is not a number of jobs at once"):
            slots(text)
