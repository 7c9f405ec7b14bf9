"""Bad input and places without systemd: one line, exit status 125, nothing left behind."""

from pathlib import Path

import pytest

from .story import Story


@pytest.mark.parametrize("size", ["20Q", "-1", "", str(2**64), "20MB", "0"])
def test_bad_sizes_are_refused(story: Story, size: str) -> None:
    line = story.refused(f"--mem={size}", "--", "true")
    assert "--mem" in line
    assert repr(size) in line


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("Memorymax=1M", "did you mean MemoryMax=?"),
        ("LimitAS=1M", "does not exist for scopes"),
        ("TasksMax=many", "TasksMax=many"),
        ("OOMPolicy=panic", "one of stop, continue, kill"),
        ("MemoryMax", "NAME=VALUE"),
        ("PIDs=1", "set by scoperun itself"),
    ],
)
def test_bad_properties_are_refused(story: Story, setting: str, words: str) -> None:
    assert words in story.refused("-p", setting, "--", "true")


@pytest.mark.parametrize("name", ["a/b", "", "x" * 256, "ä"])
def test_bad_unit_names_are_refused(story: Story, name: str) -> None:
    assert "--unit" in story.refused(f"--unit={name}", "--", "true")


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
