"""Profiles that take effect, and the systemd-run line that sets the same."""

import json
import subprocess
from pathlib import Path

import pytest

from .story import GENEROUS, Story

pytestmark = pytest.mark.guest(suite="trixie")

SHOWN = "CPUQuotaPerSecUSec,MemoryHigh,MemoryMax,MemorySwapMax,OOMPolicy,RuntimeMaxUSec,Slice,TasksMax,TimeoutStopUSec"
SHOW = f'systemctl --user show "$(basename "$(cut -d: -f3 /proc/self/cgroup)")" -p {SHOWN}; echo "$WORD"; pwd'
"""A shell's words that show the limits of the scope that it runs in."""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "scoperun" / "config.toml"
    file.parent.mkdir()
    file.write_text("""
[defaults]
oom-policy = "continue"

[profiles.small]
mem = "20M"
cpus = 0.5
tasks = 50
timeout = "90.5"
kill-after = 5
setenv = ["WORD=two words"]
slice = "scoperun"
working-directory = "/"
property = ["MemoryHigh=15M", "CPUWeight=50"]

[rules]
"bigleak*" = "small"
""")
    return file


def test_a_profile_takes_effect(story: Story, config: Path) -> None:
    limits = story.run("-P", "small", "--swap", "10M", "--", "true").report["limits"]
    assert (limits["memory_max"], limits["memory_high"]) == (20 * 1024**2, 15 * 1024**2)
    assert (limits["memory_swap_max"], limits["tasks_max"], limits["cpu_quota"]) == (10 * 1024**2, 50, 0.5)
    assert limits["runtime_max"] == 90.5


def test_a_rule_limits_a_command_that_was_started_without_a_limit(story: Story, config: Path) -> None:
    ending = story.run("-d", str(story.cwd), "--mem-high", "infinity", "--", "./bigleak2")
    assert (ending.status, ending.verdict) == (137, "oom-kill")


def test_a_trap_is_a_warning_before_the_command_runs(story: Story, config: Path) -> None:
    ending = story.run("-P", "small", "--", "true")
    assert ending.stderr.startswith("scoperun: warning: MemoryHigh=15M without swap slows the command to a crawl")
    assert "warning" not in story.run("-q", "-P", "small", "--", "true").stderr


def test_a_bad_file_starts_nothing(story: Story, config: Path) -> None:
    config.write_text('[defaults]\nmem = "20Q"\n')
    assert f"{config}:2: mem: '20Q' is not a valid size" in story.refused("--", "true")


def test_the_systemd_run_line_works_and_sets_the_same(story: Story, config: Path) -> None:
    words = ["-P", "small", "--nice", "5", "-p", "KillSignal=SIGINT", "-p", "TimeoutStopSec=1min 3s"]
    ours = story.run("-q", *words, "--", "sh", "-c", SHOW).stdout.decode()
    printed = story.run("-q", "--dry-run", "--json", *words, "--", "sh", "-c", SHOW).stdout
    theirs = subprocess.run(
        json.loads(printed)["systemd_run"], capture_output=True, text=True, timeout=GENEROUS, check=True
    ).stdout
    assert theirs.splitlines()[-2:] == ["two words", "/"]
    assert ours.replace("TasksMax=51", "TasksMax=50") == theirs
