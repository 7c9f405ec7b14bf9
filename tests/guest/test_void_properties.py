"""Properties that systemd accepts but nothing enforces are refused with the reason, unless the user waives this."""

import re
from pathlib import Path

import pytest

from .story import Story

BEYOND_A_USERS_MANAGER = ["IPAddressDeny=any", "DevicePolicy=strict", "DeviceAllow=/dev/null r", "SocketBindDeny=any"]
NO_CONTROLLER = [
    "AllowedCPUs=0", "IOWeight=50", "IOWriteBandwidthMax=/dev/ubda 1M", "StartupAllowedCPUs=0", "StartupIOWeight=50",
]  # fmt: skip


@pytest.mark.parametrize("setting", [*BEYOND_A_USERS_MANAGER, *NO_CONTROLLER, "ManagedOOMSwap=kill"])
def test_a_property_without_effect_is_refused(story: Story, setting: str) -> None:
    name = setting.partition("=")[0]
    line = story.refused("-p", setting, "--", "true")
    assert f"{name}= would not be enforced: " in line
    free = story.run("--no-require-limits", "-p", setting, "--", "sh", "-c", "exit 3")
    assert free.status == 3
    assert f"scoperun: warning: {name}= is not enforced: " in free.stderr.splitlines()[0]


REMEDY = "as root: systemctl edit user@.service, add [Service] and Delegate=cpu cpuset io memory pids, and log in again"


@pytest.mark.guest(kernel="stock")
def test_a_controller_that_is_not_delegated_is_told_with_the_remedy(story: Story) -> None:
    """tests/guest/test_disks.py does what is told here."""
    for controller, settings in {
        "cpuset": ["AllowedCPUs=0"],
        "io": ["IOWriteBandwidthMax=/ 1M", "IOWeight=50", "IODeviceWeight=/ 50"],
    }.items():
        reason = f"systemd does not delegate the {controller} controller to your manager"
        for setting in settings:
            assert f"{reason} ({REMEDY}; " in story.refused("-p", setting, "--", "true")
    free = story.run("--no-require-limits", "-p", "AllowedCPUs=0", "-p", "IOWeight=50", "--", "sh", "-c", "exit 3")
    assert [line.partition(" is not enforced: ")[0] for line in free.stderr.splitlines()[:2]] == [
        "scoperun: warning: AllowedCPUs=",
        "scoperun: warning: IOWeight=",
    ]
    assert (free.status, free.report["io"]) == (3, None)


@pytest.mark.guest(kernel="stock")
def test_a_limit_on_zswap_holds_or_is_refused_with_what_is_missing(story: Story) -> None:
    """Debian's cloud kernels 6.1 and 6.12 are built without zswap, and systemd 252 does not know the property."""
    words = ("--zswap", "1M", "--", "true")
    if Path("/sys/module/zswap").exists():
        assert story.run(*words).report["limits"]["memory_zswap_max"] == 1 << 20
        return
    missing = "this kernel has no memory.zswap.max|this systemd has no MemoryZSwapMax= for"
    assert re.search(missing, story.refused(*words))


@pytest.mark.parametrize(
    "setting",
    [
        "CPUWeight=50", "CPUWeight=idle", "MemoryLow=10M", "MemoryMin=5%", "TasksMax=10%", "DevicePolicy=auto",
        "StartupCPUWeight=50",
    ],
)  # fmt: skip
def test_a_property_with_effect_is_accepted(story: Story, setting: str) -> None:
    assert story.run("-p", setting, "--", "true").status == 0
