"""What only systemd or the bus can refuse: one line, exit status 125, nothing left behind.

What the parser refuses is tried in tests/unit/cli.
"""

from pathlib import Path

from .story import Story


def test_what_only_systemd_knows_to_be_wrong_is_its_own_word(story: Story) -> None:
    """It is said at once: systemd has announced the unit by then, and nothing more will come of it."""
    line = story.refused("--slice", "a--b", "--unit", "sliced", "--", "true", SYSTEMD_BUS_TIMEOUT="1h")
    assert line.startswith("scoperun: Failed to start scope 'sliced.scope': ")


def test_a_dead_bus_is_named(story: Story, tmp_path: Path) -> None:
    line = story.refused("--", "true", XDG_RUNTIME_DIR=str(tmp_path), DBUS_SESSION_BUS_ADDRESS="unix:path=/nowhere/bus")
    assert "unix:path=/nowhere/bus: No such file or directory" in line


def test_the_runtime_directory_of_nobody_has_no_bus(story: Story) -> None:
    line = story.refused("--", "true", XDG_RUNTIME_DIR="/run/user/65534", DBUS_SESSION_BUS_ADDRESS="")
    assert "/run/user/65534/bus" in line
