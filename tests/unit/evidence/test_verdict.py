"""The rules of verdict.py, as a table."""

import signal
from dataclasses import replace

import pytest

from scoperun.evidence.events import Counters, OomdMark, ScopeProperties
from scoperun.evidence.verdict import Evidence, Traces, Verdict, decide, describe_status, oom_kills
from scoperun.spec.values import signal_name

NOT_COUNTED = Counters()
NONE_KILLED = Counters(memory_events={"oom": 0, "oom_kill": 0}, oomd_marks=())
ONE_KILLED = Counters(memory_events={"oom": 1, "oom_kill": 1}, oomd_marks=())
KILLED_BY_OOMD = replace(NONE_KILLED, oomd_marks=(OomdMark(1),))
NONE_BY_KERNEL = replace(NONE_KILLED, oomd_marks=None)
NONE_BY_OOMD = Counters(oomd_marks=())


def verdict(status: int, result: str | None = "success", **traces: object) -> Verdict:
    return decide(Traces(status=status, result=result, **traces))[0]


def properties(result: str = "success", policy: str | None = "stop", **counts: int | None) -> ScopeProperties:
    return ScopeProperties(result=result, oom_policy=policy, **counts)


def evidence(traces: Traces) -> list[tuple[str, str | int | None]]:
    return [(each.source, each.value) for each in decide(traces)[1]]


ENDS = [(0, None), (3, "success"), (-9, "success"), (-15, "timeout"), (-15, "resources"), (-11, None)]


@pytest.mark.parametrize(("status", "result"), ENDS)
@pytest.mark.parametrize(
    "traces",
    [
        {"counters": ONE_KILLED},
        {"counters": ONE_KILLED, "properties": properties(policy="continue", oom_kills=0, managed_oom_kills=0)},
        {"counters": NONE_KILLED, "properties": properties(oom_kills=1)},
        {"counters": NONE_KILLED, "properties": properties(managed_oom_kills=1)},
        {"counters": KILLED_BY_OOMD, "properties": properties(policy="continue")},
        {"counters": KILLED_BY_OOMD, "properties": properties(policy="stop", oom_kills=0, managed_oom_kills=0)},
        {"counters": Counters(oomd_marks=(OomdMark(1),))},
        {"counters": NONE_BY_OOMD, "properties": properties(policy="continue", managed_oom_kills=1)},
        {"properties": properties(oom_kills=2)},
        {"counters": ONE_KILLED, "memory_accounted": False, "ended": False, "runtime_limited": True},
    ],
)
def test_an_oom_kill_that_any_source_counted_outweighs_everything_else(
    status: int, result: str | None, traces: dict[str, object]
) -> None:
    assert verdict(status, result, **traces) is Verdict.OOM_KILL


@pytest.mark.parametrize("status", [0, 3, -9, -15])
@pytest.mark.parametrize("counters", [None, NOT_COUNTED, NONE_KILLED])
def test_an_oom_kill_that_only_the_result_shows_counts(status: int, counters: Counters | None) -> None:
    """Under OOMPolicy=kill the counters go with the scope, and systemd-oomd does not appear in memory.events."""
    assert verdict(status, "oom-kill", counters=counters) is Verdict.OOM_KILL


@pytest.mark.parametrize(
    "traces",
    [
        {"counters": NONE_KILLED},
        {"counters": NONE_KILLED, "memory_accounted": False},
        {"counters": NONE_KILLED, "properties": properties(policy="continue")},
        {"counters": NONE_KILLED, "properties": properties(policy="stop"), "ended": False},
        {"counters": NONE_BY_KERNEL, "properties": properties(policy="continue", managed_oom_kills=0)},
        {"counters": NONE_BY_OOMD, "properties": properties(policy="continue", oom_kills=0)},
        {"counters": NOT_COUNTED, "properties": properties(policy="continue", oom_kills=0, managed_oom_kills=0)},
        {"counters": NOT_COUNTED, "properties": properties(oom_kills=0)},
        {"counters": NONE_BY_KERNEL, "properties": properties(policy="stop")},
        {"properties": properties(policy="stop")},
        {"properties": properties(policy="kill")},
    ],
)
def test_a_sigkill_is_a_signal_if_a_source_proves_that_no_oom_kill_was_counted(traces: dict[str, object]) -> None:
    """Result= alone proves it, or the kernel's count of kills together with systemd-oomd's."""
    assert verdict(-9, **traces) is Verdict.SIGNAL


def test_two_counts_of_0_need_no_result() -> None:
    assert verdict(-9, None, counters=NONE_KILLED) is Verdict.SIGNAL


@pytest.mark.parametrize(
    "traces",
    [
        {},
        {"counters": NOT_COUNTED},
        {"counters": Counters(memory_events={"low": 0}, oomd_marks=())},
        {"counters": NONE_BY_KERNEL},
        {"counters": NONE_BY_KERNEL, "properties": properties(policy="continue")},
        {"counters": NONE_BY_KERNEL, "properties": properties(policy="continue", oom_kills=0)},
        {"counters": NONE_BY_OOMD},
        {"counters": NONE_BY_OOMD, "properties": properties(policy="continue", managed_oom_kills=0)},
        {"properties": properties(policy="continue", oom_kills=0)},
        {"properties": properties(policy="continue")},
        {"properties": properties(policy=None)},
        {"properties": properties(policy="")},
        {"properties": properties(policy="stop"), "ended": False},
        {"properties": properties(policy="stop"), "memory_accounted": False},
        {"properties": properties(policy="continue", managed_oom_kills=0)},
        {"properties": properties(oom_kills=0, managed_oom_kills=0), "memory_accounted": False},
        {"memory_accounted": False},
    ],
)
def test_a_sigkill_without_such_a_source_is_unknown(traces: dict[str, object]) -> None:
    assert verdict(-9, **traces) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("status", "own"),
    [(0, Verdict.SUCCESS), (1, Verdict.EXIT_CODE), (137, Verdict.EXIT_CODE), (255, Verdict.EXIT_CODE),
     (-11, Verdict.SIGNAL), (-15, Verdict.SIGNAL)],
)  # fmt: skip
@pytest.mark.parametrize("traces", [{"counters": NONE_KILLED}, {"memory_accounted": False}])
def test_a_command_that_ended_by_itself_keeps_its_verdict(status: int, own: Verdict, traces: dict[str, object]) -> None:
    """If nothing is counted, no expected counter is missing."""
    assert verdict(status, **traces) is own


@pytest.mark.parametrize("counters", [NOT_COUNTED, NONE_BY_KERNEL, NONE_BY_OOMD])
@pytest.mark.parametrize("status", [0, 1, -11, -15])
def test_a_command_that_ended_by_itself_is_unknown_if_expected_counters_are_missing(
    status: int, counters: Counters
) -> None:
    assert verdict(status, counters=counters) is Verdict.UNKNOWN


@pytest.mark.parametrize("counters", [NONE_KILLED, NOT_COUNTED])
@pytest.mark.parametrize("status", [0, 3, -9, -15])
@pytest.mark.parametrize("result", ["timeout", "resources"])
def test_a_result_of_systemd_outweighs_the_status(result: str, status: int, counters: Counters) -> None:
    assert verdict(status, result, counters=counters) is Verdict(result)


@pytest.mark.parametrize("status", [0, 3, -15])
def test_a_command_with_a_time_limit_needs_a_complete_result(status: int) -> None:
    """Systemd can have told it to stop, and then it can have exited with any status."""
    assert verdict(status, None, counters=NONE_KILLED, runtime_limited=True) is Verdict.UNKNOWN
    assert verdict(status, None, counters=NONE_KILLED) is not Verdict.UNKNOWN
    assert verdict(status, "success", counters=NONE_KILLED, runtime_limited=True) is not Verdict.UNKNOWN


def test_with_an_unknown_result_of_a_newer_systemd_the_status_decides() -> None:
    assert verdict(0, "a-word-to-come", counters=NONE_KILLED) is Verdict.SUCCESS
    assert verdict(3, "a-word-to-come", counters=NONE_KILLED) is Verdict.EXIT_CODE


def test_evidence_is_ordered_by_weight() -> None:
    traces = Traces(
        status=-9, result="oom-kill", counters=ONE_KILLED, properties=properties(oom_kills=1, managed_oom_kills=2)
    )
    assert decide(traces)[1] == (
        Evidence(source="memory.events oom_kill", value=1),
        Evidence(source="OOMKills", value=1),
        Evidence(source="user.oomd_ooms", value=2),
        Evidence(source="Result", value="oom-kill"),
        Evidence(source="OOMPolicy", value="stop"),
        Evidence(source="wait status", value="killed, signal 9 (SIGKILL)"),
    )


def test_unreadable_evidence_is_none() -> None:
    assert evidence(Traces(status=-9, result=None)) == [
        ("memory.events oom_kill", None),
        ("user.oomd_ooms", None),
        ("Result", None),
        ("wait status", "killed, signal 9 (SIGKILL)"),
    ]
    assert ("OOMPolicy", None) in evidence(Traces(status=0, result="success", properties=properties(policy=None)))


def test_a_source_that_counted_nothing_is_evidence_too() -> None:
    traces = Traces(
        status=-9, result="success", counters=NONE_KILLED, properties=properties(oom_kills=0, managed_oom_kills=0)
    )
    assert [source for source, value in evidence(traces) if value == 0] == [
        "memory.events oom_kill",
        "OOMKills",
        "user.oomd_ooms",
    ]


@pytest.mark.parametrize(
    ("attribute", "passed_on", "value"),
    [(None, None, None), (0, None, 0), (None, 0, 0), (1, None, 1), (None, 1, 1), (2, 1, 2), (1, 2, 2), (0, 1, 1)],
)
def test_systemd_oomds_count_is_the_highest_that_was_read(
    attribute: int | None, passed_on: int | None, value: int | None
) -> None:
    """It comes from the attribute, or from ManagedOOMKills=, which passes it on; even if not known it is listed."""
    read = properties(managed_oom_kills=passed_on)
    marks = None if attribute is None else (OomdMark(attribute),)
    traces = Traces(status=-9, result="success", counters=Counters(oomd_marks=marks), properties=read)
    assert [shown for source, shown in evidence(traces) if source == "user.oomd_ooms"] == [value]


def test_a_forged_mark_that_systemd_reports_is_not_evidence() -> None:
    """Systemd reads the same attribute, but does not check whether processes still live in the cgroup."""
    counters = replace(NONE_KILLED, oomd_marks=(OomdMark(1, pids=(4241,)),))
    believed = replace(properties(managed_oom_kills=1), result="oom-kill")
    traces = Traces(status=-9, result="oom-kill", counters=counters, properties=believed)
    assert decide(traces)[0] is Verdict.SIGNAL
    killed = replace(traces, counters=replace(counters, memory_events={"oom": 1, "oom_kill": 1}))
    assert decide(killed)[0] is Verdict.OOM_KILL


def test_an_unknown_word_of_a_newer_systemd_is_kept_in_the_evidence() -> None:
    assert ("Result", "a-word-to-come") in evidence(Traces(status=0, result="a-word-to-come"))


@pytest.mark.parametrize(
    ("counters", "read", "kills"),
    [
        (None, None, None),
        (NOT_COUNTED, properties(), None),
        (NONE_KILLED, None, 0),
        (ONE_KILLED, None, 1),
        (ONE_KILLED, properties(oom_kills=3), 3),
        (ONE_KILLED, properties(oom_kills=0), 1),
        (None, properties(oom_kills=2), 2),
    ],
)
def test_the_number_of_oom_kills_is_the_highest_of_any_source(
    counters: Counters | None, read: ScopeProperties | None, kills: int | None
) -> None:
    assert oom_kills(Traces(status=0, result=None, counters=counters, properties=read)) == kills


def test_a_group_kill_is_not_a_number_of_processes() -> None:
    """Under OOMPolicy=kill systemd's OOMKills counts how often the whole scope was killed."""
    traces = Traces(status=-9, result="oom-kill", properties=properties("oom-kill", "kill", oom_kills=1))
    assert oom_kills(traces) is None
    assert oom_kills(replace(traces, counters=Counters(memory_events={"oom_kill": 3}))) == 3


def test_a_kill_by_systemd_oomd_is_not_a_number_of_processes() -> None:
    assert oom_kills(Traces(status=-9, result="success", counters=KILLED_BY_OOMD)) == 0
    assert oom_kills(Traces(status=-9, result="oom-kill", properties=properties(managed_oom_kills=1))) is None


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (signal.SIGKILL, "SIGKILL"),
        (signal.SIGSEGV, "SIGSEGV"),
        (signal.SIGRTMIN, "SIGRTMIN"),
        (signal.SIGRTMIN + 3, "SIGRTMIN+3"),
        (signal.SIGRTMAX, "SIGRTMAX"),
        (32, "32"),
        (33, "33"),
    ],
)
def test_a_signal_is_shown_with_its_name(number: int, name: str) -> None:
    assert signal_name(number) == name


def test_a_wait_status_is_described_in_words() -> None:
    assert describe_status(0) == "exited, status 0"
    assert describe_status(3) == "exited, status 3"
    assert describe_status(-15) == "killed, signal 15 (SIGTERM)"


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (Verdict.SUCCESS, True),
        (Verdict.EXIT_CODE, True),
        (Verdict.SIGNAL, True),
        (Verdict.TIMEOUT, False),
        (Verdict.OOM_KILL, False),
        (Verdict.RESOURCES, False),
        (Verdict.UNKNOWN, False),
    ],
)
def test_an_exit_status_describes_only_the_commands_own_end(one: Verdict, told: bool) -> None:
    assert one.told_by_exit_status is told


def test_verdicts_are_the_words_of_systemd() -> None:
    words = {"success", "exit-code", "signal", "timeout", "oom-kill", "resources", "unknown"}
    assert set(map(str, Verdict)) == words


def test_the_keeper_is_not_counted_in_a_group_kill() -> None:
    events = {"oom_kill": 3, "oom_group_kill": 1}
    assert oom_kills(Traces(status=-9, result="oom-kill", counters=Counters(memory_events=events))) == 2


@pytest.mark.parametrize(
    ("result", "traces", "expected"),
    [
        ("success", {"counters": NONE_KILLED}, Verdict.UNKNOWN),
        ("success", {"counters": ONE_KILLED}, Verdict.OOM_KILL),
        ("oom-kill", {}, Verdict.OOM_KILL),
        ("timeout", {"counters": NONE_KILLED}, Verdict.TIMEOUT),
        ("timeout", {"counters": NONE_KILLED, "ended_first": None}, Verdict.UNKNOWN),
        ("resources", {"counters": NONE_KILLED}, Verdict.RESOURCES),
        ("success", {"counters": NONE_KILLED, "left_scope": True}, Verdict.UNKNOWN),
    ],
)
def test_without_a_status_only_what_was_counted_and_systemd_decide(
    result: str, traces: dict[str, object], expected: Verdict
) -> None:
    """The command was not our child, and its parent alone knows how it ended."""
    without = Traces(status=None, result=result, **traces)
    assert decide(without)[0] is expected
    assert evidence(without)[-1] == ("wait status", None)
