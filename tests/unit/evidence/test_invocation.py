"""The verdict does not depend on the order of events, and a lost event never makes it wrong."""

import itertools
from collections.abc import Iterator

import pytest

from scoperun.evidence.events import (
    ConnectionLost,
    Counters,
    Event,
    JobRemoved,
    ResultChanged,
    ScopeProperties,
    StateChanged,
    StopRequested,
    WorkloadExited,
)
from scoperun.evidence.invocation import Invocation
from scoperun.evidence.verdict import Verdict
from tests.unit.stories import STARTED, STORIES, STUB, Story, counted, exited, read, told

every_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)


def fed(*events: Event) -> Invocation:
    invocation = Invocation()
    for event in events:
        invocation.feed(event)
    return invocation


def from_the_bus(event: Event) -> bool:
    return not isinstance(event, WorkloadExited | Counters)


def without(story: Story, kinds: tuple[type[Event], ...]) -> list[Event]:
    """Return a story without the events of these kinds, except the command's end, which every story has."""
    return [event for event in story.events if not isinstance(event, kinds)]


def cut_off(story: Story) -> Iterator[list[Event]]:
    """Yield the story with the bus lost before its first announcement, and after each announcement."""
    announced = [event for event in story.events if from_the_bus(event)]
    for heard in range(len(announced) + 1):
        missed = announced[heard:]
        yield [*(event for event in story.events if event not in missed), ConnectionLost("gone")]


@every_story
def test_every_order_of_a_story_leads_to_the_same_report(story: Story) -> None:
    """Not only the verdict is equal, but the whole report, including its evidence."""
    report = told(story.events, story.limits)
    assert report.verdict is story.verdict
    for order in itertools.permutations(story.events):
        assert told(order, story.limits) == report


LOST = {
    "counters": (Counters,),
    "announced result": (ResultChanged,),
    "announced state": (StateChanged,),
    "properties": (ScopeProperties,),
    "announcements": (ResultChanged, StateChanged),
    "announced result and properties": (ResultChanged, ScopeProperties),
    "counters and properties": (Counters, ScopeProperties),
    "counters and announced result": (Counters, ResultChanged),
    "counters and announcements": (Counters, ResultChanged, StateChanged),
    "everything": (Counters, ScopeProperties, ResultChanged, StateChanged),
}


@every_story
def test_a_lost_event_makes_the_verdict_unknown_at_worst(story: Story) -> None:
    """An OOM kill is never called a signal, a SIGKILL is never called an OOM kill, a timeout never an exit."""
    for name, kinds in LOST.items():
        verdict = told(without(story, kinds), story.limits).verdict
        assert verdict in {story.verdict, Verdict.UNKNOWN}, f"without {name}"


@every_story
def test_a_bus_lost_at_any_point_makes_the_verdict_unknown_at_worst(story: Story) -> None:
    for events in cut_off(story):
        assert told(events, story.limits).verdict in {story.verdict, Verdict.UNKNOWN}


@every_story
def test_a_bus_and_counters_lost_together_make_the_verdict_unknown_at_worst(story: Story) -> None:
    for events in cut_off(story):
        uncounted = [event for event in events if not isinstance(event, Counters)]
        assert told(uncounted, story.limits).verdict in {story.verdict, Verdict.UNKNOWN}


@every_story
def test_a_lost_bus_leads_to_the_same_report_in_every_order(story: Story) -> None:
    for events in cut_off(story):
        here = [event for event in events if not from_the_bus(event) or isinstance(event, ConnectionLost)]
        heard = [event for event in events if event not in here]
        verdicts = {told([*heard, *order], story.limits).verdict for order in itertools.permutations(here)}
        assert len(verdicts) == 1


WELL_READ = [story for story in STORIES if Counters() not in story.events and STUB not in story.events]


@pytest.mark.parametrize("story", WELL_READ, ids=lambda story: story.name)
def test_values_read_at_the_end_replace_signals_that_were_missed(story: Story) -> None:
    for kinds in (ResultChanged,), (StateChanged,), (ResultChanged, StateChanged):
        assert told(without(story, kinds), story.limits).verdict is story.verdict


OOM_KILLS = [story for story in STORIES if story.verdict is Verdict.OOM_KILL and Counters() not in story.events]


@pytest.mark.parametrize("story", OOM_KILLS, ids=lambda story: story.name)
def test_the_counters_of_the_cgroup_are_enough_for_an_oom_kill(story: Story) -> None:
    """Systemd is not needed: it can be old, or not answer any more."""
    events = [event for event in story.events if not from_the_bus(event)]
    assert told([*events, ConnectionLost("gone")]).verdict is Verdict.OOM_KILL


def test_an_unexplained_sigkill_is_unknown() -> None:
    assert told([exited(-9)]).verdict is Verdict.UNKNOWN
    assert told([exited(-9), ConnectionLost("gone")]).verdict is Verdict.UNKNOWN


def test_a_sigkill_is_a_signal_where_both_counters_are_0_and_the_bus_is_lost() -> None:
    assert told([exited(-9), counted(0), ConnectionLost("gone")]).verdict is Verdict.SIGNAL


def test_the_kernels_count_alone_does_not_prove_a_signal() -> None:
    """A SIGKILL from systemd-oomd does not appear in memory.events, nor in Result= under OOMPolicy=continue."""
    uncounted = counted(0, oomd_marks=None)
    assert told([exited(-9), uncounted, ConnectionLost("gone")]).verdict is Verdict.UNKNOWN
    continued = [ResultChanged("success"), StateChanged("inactive"), read("success", "continue")]
    assert told([exited(-9), uncounted, *continued]).verdict is Verdict.UNKNOWN


def test_a_result_needs_no_counters() -> None:
    stopped = [ResultChanged("success"), StateChanged("inactive"), read("success")]
    assert told([exited(-9), counted(0, oomd_marks=None), *stopped]).verdict is Verdict.SIGNAL


def test_a_collected_units_result_does_not_prove_a_signal() -> None:
    """Its Result= reads success, whatever it was before."""
    assert told([exited(-9), StateChanged("failed"), STUB]).verdict is Verdict.UNKNOWN


def test_the_result_of_an_active_scope_does_not_prove_a_signal() -> None:
    """Processes are left in it, and systemd might not have looked for an OOM kill yet."""
    assert told([exited(-9), Counters(), read("success")]).verdict is Verdict.UNKNOWN


def test_an_invocation_starts_with_nothing_known() -> None:
    invocation = Invocation()
    assert not any([invocation.started, invocation.exited, invocation.stopping, invocation.ended, invocation.over])
    assert invocation.final_result is None


def test_a_start_has_ended_with_its_job_or_with_the_bus() -> None:
    assert fed(JobRemoved("done")).started
    assert fed(JobRemoved("failed")).started
    assert fed(ConnectionLost("gone")).started
    assert not fed(ResultChanged("success"), StateChanged("active"), exited(0)).started


def test_a_scope_that_was_never_active_has_not_ended() -> None:
    """Systemd announces a new unit as inactive while its start job waits."""
    assert not fed(*STARTED[:2]).ended
    assert not fed(*STARTED).ended


@pytest.mark.parametrize("state", ["inactive", "failed"])
def test_a_scope_has_ended_when_systemd_says_so(state: str) -> None:
    invocation = fed(*STARTED, StateChanged(state))
    assert invocation.ended
    assert invocation.over
    assert not invocation.stopping


@pytest.mark.parametrize("events", [(ResultChanged("resources"), StateChanged("failed")), (StateChanged("inactive"),)])
@pytest.mark.parametrize("job", ["failed", "canceled"])
def test_a_scope_that_failed_to_start_has_ended(events: tuple[Event, ...], job: str) -> None:
    """It was never active, and systemd will announce nothing more about it."""
    assert fed(*STARTED[:2], *events, JobRemoved(job)).ended


def test_a_stopping_scope_has_not_ended() -> None:
    invocation = fed(*STARTED, StateChanged("deactivating"))
    assert invocation.stopping
    assert not invocation.ended


@pytest.mark.parametrize("end", ["inactive", "failed"])
@pytest.mark.parametrize("earlier", ["active", "deactivating"])
def test_a_scope_that_has_ended_does_not_come_back(end: str, earlier: str) -> None:
    """An answer to a question from before can be taken in after the announcement of the end."""
    invocation = fed(*STARTED, StateChanged(end), StateChanged(earlier))
    assert invocation.over
    assert not invocation.stopping
    assert invocation.failed == (end == "failed")


def test_after_the_bus_is_lost_there_is_nothing_to_wait_for() -> None:
    invocation = fed(*STARTED, ConnectionLost("gone"))
    assert invocation.over
    assert not invocation.ended
    assert invocation.bus_lost == "gone"


@pytest.mark.parametrize("failure", ["oom-kill", "timeout", "resources", "a-word-to-come"])
def test_a_failure_is_kept(failure: str) -> None:
    """Systemd announces old values again after a reload, and a collected unit reads as a success."""
    invocation = fed(*STARTED, ResultChanged(failure), ResultChanged("success"), STUB)
    assert invocation.final_result == failure


def test_the_first_failure_is_the_result() -> None:
    """Systemd keeps it too: a scope that ran out of memory, and then was slow to stop, ran out of memory."""
    invocation = fed(*STARTED, ResultChanged("oom-kill"), ResultChanged("timeout"))
    assert invocation.final_result == "oom-kill"


def test_a_success_is_the_result_only_once_it_cannot_change() -> None:
    assert fed(*STARTED).final_result is None
    assert fed(*STARTED, ConnectionLost("gone")).final_result is None
    assert fed(*STARTED, StateChanged("inactive")).final_result == "success"
    assert fed(*STARTED, read("success")).final_result == "success"


def test_a_failed_scope_does_not_have_the_result_success() -> None:
    """A failed state with a successful result means that the result was missed."""
    assert fed(*STARTED, StateChanged("failed")).final_result is None


def test_the_values_that_were_read_are_kept_unchanged() -> None:
    counters, properties = counted(1), read("oom-kill")
    invocation = fed(counters, properties, exited(-9))
    assert invocation.counters is counters
    assert invocation.properties is properties
    assert invocation.exit == exited(-9)
    assert invocation.exited


def test_leftovers_that_do_not_stop_in_time_are_not_a_timeout_of_the_command() -> None:
    stopped = [StopRequested(), ResultChanged("timeout"), StateChanged("failed"), read("timeout")]
    invocation = fed(*STARTED, exited(0), read("success"), *stopped)
    assert invocation.stop_requested
    assert invocation.final_result == "success"
    report = told([exited(0), counted(0), read("success"), *stopped])
    assert (report.verdict, report.result, report.exit_status) == (Verdict.SUCCESS, "success", 0)


def test_a_timeout_before_the_leftovers_were_stopped_is_kept() -> None:
    assert fed(*STARTED, ResultChanged("timeout"), StopRequested(), ResultChanged("timeout")).final_result == "timeout"


@pytest.mark.parametrize("failure", ["oom-kill", "resources"])
def test_another_failure_of_the_leftovers_is_the_result(failure: str) -> None:
    assert fed(*STARTED, read("success"), StopRequested(), ResultChanged(failure)).final_result == failure


def test_without_our_stop_request_a_timeout_is_the_result() -> None:
    assert not fed(*STARTED).stop_requested
    assert fed(*STARTED, ResultChanged("timeout")).final_result == "timeout"
