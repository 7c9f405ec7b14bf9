"""A unit is named only if a source says so, or if the kill can have happened in no other one."""

from typing import Any

import pytest

from scoperun.evidence.kernel_report import KernelReport, KernelVictim
from scoperun.evidence.session_kills import KillTraces, Session, SessionKill, are_placed, session_kills
from scoperun.record import replace
from scoperun.spec.sizes import INFINITY

TOP = "/user.slice/user-1000.slice"
MANAGER = f"{TOP}/user@1000.service"
SESSION = Session(top=TOP, manager=MANAGER)
MIB = 1 << 20


def report(cgroup: str, *, limit_of: str | None = None, pid: int = 7, **more: Any) -> KernelReport:
    """Return the kernel's report on the kill of one process in a cgroup, at the limit of 20M of that or another one."""
    victim = KernelVictim(pid=pid, name="leak", total_vm=0, anon_rss=19 * MIB, file_rss=0, record=f"Killed {pid}")
    values: dict[str, Any] = {"constraint": "CONSTRAINT_MEMCG", "oom_memcg": limit_of or cgroup, "limit": 20 * MIB}
    return KernelReport(**(values | {"task_memcg": cgroup, "chosen": pid, "victims": (victim,)} | more))


def concluded(**traces: Any) -> list[tuple[str | None, int | None]]:
    """Return the units and numbers of what the traces say."""
    return [(kill.unit, kill.kills) for kill in session_kills(KillTraces(**traces), SESSION)]


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        (f"{MANAGER}/app.slice/a.scope", "a.scope"),
        (f"{MANAGER}/app.slice/app-x.slice/a.service/libpod-1/container", "a.service"),
        (f"{MANAGER}/app.slice/_memory.job.scope", "memory.job.scope"),
        (f"{MANAGER}/app.slice/_a.scope", "_a.scope"),
        (f"{MANAGER}/init.scope", "init.scope"),
        (f"{TOP}/session-2.scope", "session-2.scope"),
        (f"{MANAGER}/app.slice", None),
        ("/user.slice/user-1001.slice/user@1001.service/app.slice/a.scope", None),
        ("/system.slice/a.service", None),
        ("/", None),
        (None, None),
    ],
)
def test_the_unit_of_a_cgroup(cgroup: str | None, unit: str | None) -> None:
    assert SESSION.unit_of(cgroup) == unit


def test_without_a_slice_of_the_user_units_are_below_the_manager() -> None:
    assert Session(top="/", manager="/").unit_of("/app.slice/a.scope") == "a.scope"


def test_a_unit_that_counts_is_named_without_the_log() -> None:
    (kill,) = session_kills(KillTraces(kills=2, counted={"a.scope": 2}), SESSION)
    assert kill == SessionKill(unit="a.scope", kills=2, limit_of="unknown")


@pytest.mark.parametrize(
    ("limit_of", "more", "said"),
    [
        (None, {}, ("unit", "a.scope", 20 * MIB)),
        (f"{MANAGER}/app.slice/a.scope/inner", {}, ("unit", "a.scope", 20 * MIB)),
        (f"{MANAGER}/app.slice", {}, ("slice", "app.slice", 20 * MIB)),
        (None, {"limit": INFINITY}, ("unit", "a.scope", None)),
        (None, {"limit": None}, ("unit", "a.scope", None)),
        (None, {"constraint": "CONSTRAINT_NONE"}, ("host", None, None)),
        (None, {"constraint": None}, ("unknown", None, None)),
        (None, {"sysrq": True}, ("sysrq", None, None)),
    ],
)
def test_the_log_names_the_process_and_the_limit(
    limit_of: str | None, more: dict[str, Any], said: tuple[str, str | None, int | None]
) -> None:
    reports = [report(f"{MANAGER}/app.slice/a.scope", limit_of=limit_of, **more)]
    (kill,) = session_kills(KillTraces(kills=1, counted={"a.scope": 1}, reports=reports), SESSION)
    assert [(each.pid, each.name) for each in kill.victims] == [(7, "leak")]
    assert (kill.limit_of, kill.limit_unit, kill.limit) == said


def test_two_limits_are_not_one() -> None:
    cgroup = f"{MANAGER}/app.slice/a.scope"
    reports = [report(cgroup), report(cgroup, limit_of=f"{MANAGER}/app.slice", pid=8)]
    (kill,) = session_kills(KillTraces(kills=2, counted={"a.scope": 2}, reports=reports), SESSION)
    assert ([each.pid for each in kill.victims], kill.limit_of, kill.limit) == ([7, 8], "unknown", None)


def test_the_log_names_a_unit_that_has_ended() -> None:
    reports = [report(f"{MANAGER}/app.slice/a.scope")]
    assert concluded(kills=1, ended={"a.scope", "b.scope"}, reports=reports) == [("a.scope", 1)]


def test_a_report_of_a_kill_that_was_not_counted_is_of_another_time() -> None:
    reports = [report(f"{MANAGER}/app.slice/old.scope")]
    assert concluded(kills=1, counted={"a.scope": 1}, reports=reports) == [("a.scope", 1)]


@pytest.mark.parametrize("results", [{"a.scope"}, set[str]()])
def test_the_only_unit_that_has_ended_is_where_it_happened(results: set[str]) -> None:
    assert concluded(kills=1, ended={"a.scope"}, results=results) == [("a.scope", 1)]
    assert concluded(kills=3, counted={"a.scope": 1}, ended={"a.scope"}) == [("a.scope", 3)]


def test_a_result_without_a_count_has_no_number() -> None:
    assert concluded(kills=0, results={"a.scope"}) == [("a.scope", None)]


def test_a_result_long_after_the_kernels_last_kill_is_of_systemd_oomd() -> None:
    traces = KillTraces(kills=0, results={"a.scope", "ours.scope"}, left={"ours.scope"}, is_quiet=True)
    assert session_kills(traces, SESSION) == [SessionKill(unit="a.scope", limit_of="systemd-oomd")]
    assert [kill.limit_of for kill in session_kills(KillTraces(kills=1, results={"a.scope"}), SESSION)] == ["unknown"]


def test_a_result_beside_kills_that_are_all_counted_is_of_systemd_oomd() -> None:
    traces = KillTraces(kills=1, counted={"a.scope": 1}, results={"a.scope", "b.scope"}, is_quiet=True)
    assert session_kills(traces, SESSION) == [
        SessionKill(unit="a.scope", kills=1),
        SessionKill(unit="b.scope", limit_of="systemd-oomd"),
    ]
    late = replace(traces, is_quiet=False)
    assert session_kills(late, SESSION)[1:] == [SessionKill(unit="b.scope")]
    more = replace(traces, kills=2)
    assert session_kills(more, SESSION)[1:] == [SessionKill(unit="b.scope", kills=1)], "it can be the kernel's"


@pytest.mark.parametrize(
    ("traces", "placed"),
    [
        ({"kills": 2, "counted": {"a.scope": 2}}, True),
        ({"kills": 2, "counted": {"a.scope": 1, "ours.scope": 1}, "left": {"ours.scope"}}, True),
        ({"kills": 1, "ended": {"a.scope"}}, True),
        ({"kills": 1, "ended": {"a.scope", "b.scope"}, "reports": [report(f"{MANAGER}/app.slice/a.scope")]}, True),
        ({"kills": 0, "results": {"a.scope"}}, True),
        ({"kills": 1}, False),
        ({"kills": 1, "ended": {"a.scope", "b.scope"}}, False),
        ({"kills": 1, "ended": {"a.scope"}, "is_complete": False}, False),
        ({"kills": 1, "ended": {"a.scope", "b.scope"}, "results": {"a.scope"}}, False),
        ({"kills": 2, "counted": {"a.scope": 1}}, False),
    ],
)
def test_kills_whose_unit_is_known_cannot_be_the_reason_for_another_result(
    traces: dict[str, Any], placed: bool
) -> None:
    assert are_placed(KillTraces(**traces), SESSION) is placed


def test_of_several_units_that_have_ended_none_is_named() -> None:
    (kill,) = session_kills(KillTraces(kills=1, ended={"a.scope", "b.scope"}), SESSION)
    assert (kill.unit, kill.candidates, kill.kills) == (None, ("a.scope", "b.scope"), 1)


def test_without_any_unit_the_kill_is_told_all_the_same() -> None:
    assert concluded(kills=1) == [(None, 1)]


def test_a_unit_that_counts_nothing_could_be_the_one() -> None:
    (kill,) = session_kills(KillTraces(kills=1, ended={"a.scope"}, is_complete=False), SESSION)
    assert (kill.unit, kill.candidates) == (None, ())


def test_a_result_explains_at_least_one_kill() -> None:
    results = {"a.scope", "b.scope"}
    assert concluded(kills=2, results=results, ended={*results, "c.scope"}) == [("a.scope", None), ("b.scope", None)]
    assert concluded(kills=3, results=results, ended=results) == [("a.scope", None), ("b.scope", None)]
    *_, last = concluded(kills=3, results=results, ended={*results, "c.scope"})
    assert last == (None, 1)


def test_a_unit_with_a_scoperun_is_left_to_it() -> None:
    left = {"ours.scope"}
    assert concluded(kills=2, counted={"a.scope": 1, "ours.scope": 1}, left=left) == [("a.scope", 1)]
    assert concluded(kills=1, results=left, left=left) == []
    assert concluded(kills=1, ended=left, left=left) == []
    assert concluded(kills=1, reports=[report(f"{MANAGER}/app.slice/ours.scope")], left=left) == []
    assert concluded(kills=1, ended={*left, "a.scope"}, left=left) == [(None, 1)]
