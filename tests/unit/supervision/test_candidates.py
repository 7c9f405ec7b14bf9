"""Which running processes can be moved into a scope, and the reason for each that cannot."""

from __future__ import annotations

from typing import Any

import pytest

from scoperun.kernel.process_facts import ProcessFacts
from scoperun.supervision.candidates import Mover, Place, place, why_never, why_not

USER = "/user.slice/user-1000.slice"
SESSION = f"{USER}/session-2.scope"
MANAGER = f"{USER}/user@1000.service"
APP = f"{MANAGER}/app.slice"


def process(**changes: Any) -> ProcessFacts:
    usual: dict[str, Any] = {
        "pid": 12, "name": "sleep", "leader": 12, "parent": 7, "uids": (1000,) * 4, "numbers": (12,),
        "is_kernel": False, "is_zombie": False, "rss": 4096, "cgroup": SESSION, "has_terminal": True,
    }  # fmt: skip
    return ProcessFacts(**(usual | changes))


def mover(uid: int | None = 1000) -> Mover:
    return Mover(pid=99, uid=uid, mains={50: "a.service"}, watched=frozenset({"run.scope"}))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"leader": 11}, "it is a thread of process 11"),
        ({"is_kernel": True, "uids": (0, 0, 0, 0)}, "it is a thread of the kernel"),
        ({"pid": 1, "leader": 1, "uids": (0, 0, 0, 0)}, "it is the first process of the system"),
        ({"pid": 99, "leader": 99}, "it is scopectl itself"),
        ({"is_zombie": True}, "its parent, process 7, has not waited for it (a zombie)"),
        ({"uids": (0, 0, 0, 0)}, "it runs as user 0, and your own systemd"),
        ({"uids": (1000, 0, 0, 0)}, "it runs as user 0"),
        ({"numbers": (12, 1)}, "it is in another PID namespace"),
        ({"cgroup": f"{MANAGER}/init.scope"}, "it belongs to a service manager"),
        ({"cgroup": "/init.scope"}, "it belongs to a service manager"),
    ],
)
def test_what_can_never_be_moved_has_a_reason(changes: dict[str, Any], reason: str) -> None:
    assert reason in (why_never(process(**changes), mover()) or "")


@pytest.mark.parametrize(
    "changes", [{}, {"cgroup": None}, {"cgroup": "/"}, {"cgroup": f"{APP}/a.service"}, {"rss": None}]
)
def test_an_ordinary_process_of_ours_can_be_moved(changes: dict[str, Any]) -> None:
    assert why_never(process(**changes), mover()) is None
    assert why_not(process(**changes), mover()) is None


def test_root_moves_the_processes_of_all_users_with_the_systems_systemd() -> None:
    assert why_never(process(uids=(1000, 0, 0, 0)), mover(uid=None)) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pid": 50, "leader": 50}, "it is the main process of a.service"),
        ({"cgroup": f"{APP}/run.scope"}, "it is in run.scope, which scoperun has made"),
        ({"cgroup": f"{APP}/run.scope/below"}, "it is in run.scope"),
    ],
)
def test_what_would_be_missed_elsewhere_needs_force(changes: dict[str, Any], reason: str) -> None:
    assert why_never(process(**changes), mover()) is None
    assert reason in (why_not(process(**changes), mover()) or "")


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        (SESSION, Place("session-2.scope", None)),
        (f"{APP}/a.scope", Place("a.scope", 1000)),
        (f"{APP}/app-x.slice/a.service/sub", Place("a.service", 1000)),
        (f"{MANAGER}/init.scope", Place("init.scope", 1000)),
        ("/system.slice/cron.service", Place("cron.service", None)),
        (MANAGER, Place(None, 1000)),
        ("/", Place(None, None)),
        (None, Place(None, None)),
        (f"{APP}/_memory.a.scope", Place("memory.a.scope", 1000)),
    ],
)
def test_the_unit_of_a_cgroup_is_the_outermost_that_is_not_a_slice(cgroup: str | None, expected: Place) -> None:
    assert place(cgroup) == expected
