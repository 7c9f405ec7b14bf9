"""What a report says about the end of an attempt."""

import pytest

from scoperun.batch.attempt import reported
from scoperun.evidence.verdict import Verdict
from scoperun.record import replace
from scoperun.report.soft_memory_report import Passing, SoftMemoryReport
from scoperun.report.soft_pressure_report import PressurePassing, SoftPressureReport
from tests.unit.batch.attempts import GIB, attempt
from tests.unit.stories import STARTED, STORIES, told

FINE = told([*STARTED, *next(each.events for each in STORIES if each.verdict == "success")])
KILLED = told([*STARTED, *next(each.events for each in STORIES if each.verdict == "oom-kill")])


def memory(*, is_told: bool | None, killed: bool = False) -> SoftMemoryReport:
    passed = (Passing(at=1.0, memory=1, told=is_told),)
    return SoftMemoryReport(limit=1, signal="SIGTERM", passed=passed, killed=killed)


def pressure(*, is_told: bool | None, killed: bool = False) -> SoftPressureReport:
    passed = (PressurePassing(at=1.0, told=is_told),)
    return SoftPressureReport(share=0.3, window=1.0, signal="SIGTERM", passed=passed, killed=killed)


def test_an_oom_kill_has_the_status_that_schedulers_look_for_whatever_the_command_exited_with() -> None:
    end = reported(replace(KILLED, signal=None, exit_code=0), attempt(None))
    assert (end.verdict, end.exit_status, end.ran_out, end.is_success) == (Verdict.OOM_KILL, 137, True, False)
    fine = reported(FINE, attempt(None))
    assert (fine.exit_status, fine.ran_out, fine.is_success, fine.was_told_to_end) == (0, False, True, False)


@pytest.mark.parametrize("limit", [1 << 20, None])
def test_the_limit_is_what_the_report_says_it_was_then(limit: int | None) -> None:
    """It can have been changed since the attempt began."""
    assert KILLED.oom is not None
    end = reported(replace(KILLED, oom=replace(KILLED.oom, limit=limit)), attempt(None))
    assert (end.limit, end.memory) == (limit, GIB)


@pytest.mark.parametrize("soft", [memory, pressure])
def test_a_signal_or_a_kill_at_a_soft_limit_is_noted(soft: type) -> None:
    field = "soft_memory" if soft is memory else "soft_pressure"
    for is_told, killed, expected in [
        (None, False, False),
        (False, False, False),
        (True, False, True),
        (None, True, True),
    ]:
        end = reported(replace(FINE, **{field: soft(is_told=is_told, killed=killed)}), attempt(None))
        assert end.was_told_to_end is expected
