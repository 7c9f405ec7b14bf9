"""A limit that is not in force is refused with what is missing and what to do about it."""

from pathlib import Path

import pytest

from scoperun.console.field_names import in_options
from scoperun.errors import LimitNotEnforced
from scoperun.kernel.cgroup import NOT_DELEGATED, Cgroup
from scoperun.kernel.scope_cgroup import ScopeCgroup
from scoperun.spec.properties import parse_property
from scoperun.supervision.enforcement import check_limits, unenforced

FILES = {"memory.max": "max", "memory.swap.max": "max", "pids.max": "max", "io.max": ""}


class WithoutDelegation(Cgroup):
    """A cgroup of a manager that may not use the controllers whose files are missing."""

    def missing(self, controller: str) -> str | None:
        reason = super().missing(controller)
        return reason and f"{NOT_DELEGATED} the {controller} controller to your manager"


def scope(path: Path) -> ScopeCgroup:
    for name, text in FILES.items():
        (path / name).write_text(f"{text}\n", encoding="ascii")
    return ScopeCgroup(WithoutDelegation("/job.scope", str(path)), keeper=1)


MANUAL = "scoperun(1), REQUIREMENTS, explains how to fix that"
DELEGATE = (
    "as root: systemctl edit user@.service, add [Service] and Delegate=cpu cpuset io memory pids, and log in again"
)
ZSWAP = "this kernel has no memory.zswap.max: that needs Linux 5.19 or later, built with CONFIG_ZSWAP"
CPUSET = "systemd does not delegate the cpuset controller to your manager"


@pytest.mark.parametrize(
    ("setting", "limit", "reason", "remedy"),
    [
        ("MemoryZSwapMax=1M", "MemoryZSwapMax=1M", ZSWAP, MANUAL),
        ("AllowedCPUs=0", "AllowedCPUs=", CPUSET, DELEGATE),
        ("IODeviceLatencyTargetSec=/ 5ms", "IODeviceLatencyTargetSec=", "this kernel has no io.latency", MANUAL),
    ],
)
def test_a_refusal_says_what_is_missing_and_what_to_do(
    tmp_path: Path, setting: str, limit: str, reason: str, remedy: str
) -> None:
    with pytest.raises(LimitNotEnforced) as refused:
        check_limits([parse_property(setting)], scope(tmp_path))
    assert in_options(str(refused.value)) == (
        f"{limit} would not be enforced: {reason} ({remedy}; --no-require-limits runs the command anyway)"
    )


def test_every_limit_that_is_not_in_force_is_found(tmp_path: Path) -> None:
    settings = ("MemoryMax=20M", "TasksMax=infinity", "AllowedCPUs=0", "IOReadIOPSMax=/ 5", "KillSignal=INT")
    job = scope(tmp_path)
    found = dict(unenforced(map(parse_property, settings), job, job.limits()))
    assert found == {
        "MemoryMax=20M": "the kernel has not kept it",
        "AllowedCPUs=": "systemd does not delegate the cpuset controller to your manager",
        "IOReadIOPSMax=": "the kernel has not kept it",
    }
