"""Properties that systemd accepts but nothing enforces are refused with the reason, unless the user waives this."""

import pytest

from .story import Story

BEYOND_A_USERS_MANAGER = ["IPAddressDeny=any", "DevicePolicy=strict", "DeviceAllow=/dev/null r", "SocketBindDeny=any"]
NO_CONTROLLER = [
    "AllowedCPUs=0", "IOWeight=50", "IOWriteBandwidthMax=/dev/ubda 1M", "StartupAllowedCPUs=0", "StartupIOWeight=50",
]  # fmt: skip


@pytest.mark.parametrize("setting", [*BEYOND_A_USERS_MANAGER, *NO_CONTROLLER, "ManagedOOMSwap=kill"])
def test_a_property_without_effect_is_refused(story: Story, setting: str) -> None:
    line = story.refused("-p", setting, "--", "true")
    assert f"{setting.partition('=')[0]}= would not be enforced: " in line
    assert story.run("--no-require-limits", "-p", setting, "--", "true").status == 0


@pytest.mark.parametrize(
    "setting",
    [
        "CPUWeight=50", "CPUWeight=idle", "MemoryLow=10M", "MemoryMin=5%", "TasksMax=10%", "DevicePolicy=auto",
        "StartupCPUWeight=50",
    ],
)  # fmt: skip
def test_a_property_with_effect_is_accepted(story: Story, setting: str) -> None:
    assert story.run("-p", setting, "--", "true").status == 0
