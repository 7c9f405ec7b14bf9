"""Errors that only systemd or the bus can detect: one line, exit status 125, nothing left behind.

Errors that the parser detects are tested in tests/unit/cli.
"""

from pathlib import Path

import pytest

from .story import Story, systemctl


@pytest.mark.parametrize("wrong", [["--slice", "hidden"], ["-p", "After=nothing"]])
def test_systemds_own_error_is_printed(story: Story, wrong: list[str]) -> None:
    """It is printed at once: systemd has announced the unit by then, and sends nothing more about it."""
    systemctl("mask", "--runtime", "hidden.slice")
    try:
        line = story.refused(*wrong, "--unit", "sliced", "--", "true", SYSTEMD_BUS_TIMEOUT="1h")
    finally:
        systemctl("unmask", "--runtime", "hidden.slice")
    assert line.startswith("scoperun: Failed to start scope 'sliced.scope': ")


def test_a_dead_bus_is_named(story: Story, tmp_path: Path) -> None:
    line = story.refused("--", "true", XDG_RUNTIME_DIR=str(tmp_path), DBUS_SESSION_BUS_ADDRESS="unix:path=/nowhere/bus")
    assert "unix:path=/nowhere/bus: No such file or directory" in line


def test_a_runtime_directory_without_a_bus_is_named(story: Story) -> None:
    line = story.refused("--", "true", XDG_RUNTIME_DIR="/run/user/65534", DBUS_SESSION_BUS_ADDRESS="")
    assert "/run/user/65534/bus" in line
