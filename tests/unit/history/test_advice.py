"""Advice says what runs prove: no percentile without enough of them, and none of what was cut off by a kill."""

import random
from typing import Any

import pytest

from scoperun.history.advice import Advice, Fit, Missing, Samples, advice, rounded_up
from scoperun.history.past_run import past_run

from .reports import MIB, killed, report, told_to_end


def advised(reports: list[dict[str, Any]]) -> Advice:
    return advice(map(past_run, reports))


def test_the_95th_percentile_is_the_peak_that_95_percent_of_the_runs_do_not_exceed() -> None:
    runs = [report(peak) for peak in range(1, 201)]
    random.Random(1).shuffle(runs)  # noqa: S311  an order, not a secret
    found = advised(runs)
    assert (found.p95, found.missing, found.more_than) == (190 * MIB, None, None)
    assert (found.least, found.median, found.most) == (MIB, 100 * MIB, 200 * MIB)
    assert found.fits == (Fit(192 * MIB, 192), Fit(208 * MIB, 200))


def test_twenty_runs_are_enough_and_nineteen_are_not() -> None:
    runs = [report(peak) for peak in range(1, 20)]
    few = advised(runs)
    assert (few.p95, few.missing, few.more_than, few.fits) == (None, Missing.TOO_FEW_RUNS, None, ())
    assert few.used == 19 * MIB
    assert advised([*runs, report(20)]).p95 == 19 * MIB


def test_a_run_without_a_peak_does_not_count() -> None:
    found = advised([*(report(peak) for peak in range(1, 20)), report(None)])
    assert (found.runs, found.without_peak, found.missing) == (19, 1, Missing.TOO_FEW_RUNS)
    assert advised([report(None)]).missing is advised([]).missing is Missing.NO_PEAKS
    assert advised([report(None)]).more_than is None


def test_a_run_that_ended_at_its_limit_needed_more_than_that() -> None:
    """Its peak is not what it needed: the percentile is that of the runs above it."""
    found = advised([*(report(peak) for peak in range(1, 40)), killed(10, 10)])
    assert (found.runs, found.at_limit, found.p95) == (40, 1, 38 * MIB)
    assert (found.most, found.fits[-1]) == (39 * MIB, Fit(40 * MIB, 39))


def test_five_percent_that_ran_out_are_too_many() -> None:
    """The peaks of the others are given, but no percentile of them: the largest need is not known."""
    found = advised([*(report(peak) for peak in range(1, 20)), killed(64, 64)])
    assert (found.p95, found.missing, found.more_than) == (None, Missing.TOO_MANY_RAN_OUT, 64 * MIB)
    assert (found.most, found.fits) == (19 * MIB, ())
    assert advised([*(report(peak) for peak in range(1, 21)), killed(64, 64)]).missing is None


def test_what_was_needed_is_more_than_the_limit_even_if_the_peak_is_not_known() -> None:
    assert advised([killed(None, 64)]).more_than == 64 * MIB
    assert advised([killed(None, None)]).without_peak == 1


@pytest.mark.parametrize("limit_of", ["slice", "host", "systemd-oomd", "unknown"])
def test_a_kill_at_another_limit_is_counted_apart(limit_of: str) -> None:
    """What that limit allowed the run is its peak: other units used the rest."""
    found = advised([killed(5, 1024, limit_of=limit_of)])
    assert (found.at_limit, found.ran_out_elsewhere, found.more_than) == (0, 1, 5 * MIB)
    assert found.least is None


def test_what_was_needed_more_than_is_known_of_runs_that_ran_out_alone() -> None:
    """What others used is a fact, but not that less would have been too little."""
    found = advised([*(report(900) for _ in range(19)), killed(100, 100)])
    assert (found.missing, found.more_than, found.used) == (Missing.TOO_MANY_RAN_OUT, 100 * MIB, 900 * MIB)


@pytest.mark.parametrize("kind", ["soft_memory", "soft_pressure"])
@pytest.mark.parametrize("verdict", ["signal", "exit-code", "success", "timeout"])
def test_a_run_that_was_signalled_at_a_soft_limit_needed_more_than_its_peak(kind: str, verdict: str) -> None:
    """However it ended: a program that obeys the signal can end with success, and leave its work undone."""
    found = advised([*(report(peak) for peak in range(1, 40)), told_to_end(50, kind=kind, verdict=verdict)])
    assert (found.runs, found.at_soft_limit, found.failed, found.most) == (40, 1, 0, 39 * MIB)
    assert (found.p95, found.more_than, found.fits[-1]) == (38 * MIB, 50 * MIB, Fit(40 * MIB, 39))
    few = advised([*(report(peak) for peak in range(1, 20)), told_to_end(5, kind=kind, verdict=verdict)])
    assert (few.missing, few.more_than, few.used) == (Missing.TOO_MANY_RAN_OUT, 5 * MIB, 19 * MIB)


def test_a_soft_limit_that_only_reports_changes_nothing_and_one_that_kills_does() -> None:
    soft = {"limit": 1, "signal": None, "passed": [{"at": 1.0, "memory": 1, "told": None}], "killed": False}
    assert advised([report(5, soft_memory=soft)]).at_soft_limit == 0
    assert advised([report(5, soft_memory=soft | {"killed": True}, verdict="signal")]).at_soft_limit == 1
    assert advised([killed(5, 5) | {"soft_memory": soft | {"killed": True}}]).at_soft_limit == 0


@pytest.mark.parametrize("soft", [3, [], {"passed": 3}, {"passed": [3, {"told": 1}], "killed": 1}])
def test_a_soft_limit_of_another_kind_is_not_known(soft: Any) -> None:
    assert advised([report(5, soft_memory=soft, soft_pressure=soft)]).at_soft_limit == 0


@pytest.mark.parametrize("verdict", ["exit-code", "signal", "timeout", "resources", "of the future"])
def test_another_run_without_success_is_left_out_and_counted(verdict: str) -> None:
    """One that fails at once uses little, and would make a percentile low."""
    found = advised([*(report(peak) for peak in range(1, 21)), *(report(1, verdict=verdict) for _ in range(400))])
    assert (found.runs, found.failed, found.p95) == (20, 400, 19 * MIB)
    assert found.fits[-1] == Fit(20 * MIB, 20)
    found = advised([report(900, verdict=verdict)])
    assert (found.missing, found.used, found.more_than) == (Missing.NO_PEAKS, 900 * MIB, None)


def test_a_run_whose_end_is_not_known_might_have_run_out() -> None:
    """An unknown verdict is that of a SIGKILL for which an OOM kill could not be excluded."""
    runs = [report(10) for _ in range(20)]
    found = advised([*runs, report(20, verdict="unknown", limit=20 * MIB)])
    assert (found.runs, found.failed, found.unknown) == (20, 0, 1)
    assert (found.p95, found.missing, found.fits) == (10 * MIB, None, (Fit(10 * MIB, 20),))
    found = advised([*runs, *(report(20, verdict="unknown") for _ in range(2))])
    assert (found.unknown, found.p95, found.missing, found.fits) == (2, None, Missing.TOO_MANY_UNKNOWN, ())
    assert (found.more_than, found.most, found.used) == (None, 10 * MIB, 20 * MIB)
    found = advised([*runs, *(report(10) for _ in range(10)), killed(5, 5), report(20, verdict="unknown")])
    assert (found.at_limit, found.unknown, found.missing) == (1, 1, Missing.TOO_MANY_UNKNOWN)


def test_a_run_that_was_told_to_end_and_whose_end_is_not_known_needed_more() -> None:
    found = advised([told_to_end(5, verdict="unknown")])
    assert (found.unknown, found.at_soft_limit) == (0, 1)


def test_swap_is_counted() -> None:
    assert advised([report(5), report(5, swap_peak=1), killed(5, 5)]).swapped == 1


def test_anonymous_memory_is_the_largest_sample_of_runs_with_a_timeline() -> None:
    timeline = {"wakes": 3, "interval": 0.2, "last_interval": 0.2}
    runs = [report(9, timeline=timeline | {"largest_anon": size}) for size in (7 * MIB, 3 * MIB, None)]
    assert advised([*runs, report(9, timeline=None), report(9)]).anonymous == Samples(7 * MIB, 2)
    assert advised([report(9)]).anonymous is None


def test_for_any_runs_the_percentile_fits_95_percent_of_all_of_them() -> None:
    dice = random.Random(2)  # noqa: S311
    for _ in range(300):
        count = dice.randrange(20, 300)
        cut = dice.randrange(0, count // 15 + 1)
        runs = [report(dice.randrange(1, 5000)) for _ in range(count - cut)]
        runs += [killed(peak := dice.randrange(1, 5000), peak) for _ in range(cut)]
        found = advised(runs)
        assert (found.missing is Missing.TOO_MANY_RAN_OUT) is (cut * 100 >= 5 * count)
        if found.missing is None:
            assert found.p95 is not None
            fitting = sum(each["memory"]["peak"] <= found.p95 for each in runs[: count - cut])
            assert fitting * 100 >= 95 * count
            assert all(fit.memory_max >= found.p95 for fit in found.fits)
            assert found.fits[-1].runs == count - cut


@pytest.mark.parametrize("size", [1, 4096, 4097, 65537, MIB + 1, 1 << 30, (1 << 40) + 12345])
def test_a_suggested_limit_is_not_lower_and_at_most_an_eighth_higher(size: int) -> None:
    rounded = rounded_up(size)
    assert size <= rounded <= max(4096, size * 1.125 + 4096)
    assert rounded % 4096 == 0
