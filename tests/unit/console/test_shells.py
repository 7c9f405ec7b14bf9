"""An interactive shell survives an OOM kill of its children, unless the user asks for something else."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scoperun.console.shells import is_shell_for_input

FOR_A_SHELL = "scoperun itself, for a shell at a terminal"


@pytest.fixture
def terminal() -> Iterator[int]:
    ours, its = pty.openpty()
    yield its
    os.close(ours)
    os.close(its)


def oom_policy(*words: str, stdin: int, stderr: int) -> tuple[str, str] | None:
    """Return OOMPolicy= and its source as `--dry-run` shows them; its systemd-run line has the same."""
    command = [sys.executable, "-m", "scoperun", "--dry-run", "--json", *words]
    shown = json.loads(subprocess.run(command, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, check=True).stdout)
    found = [(each["value"], each["source"]) for each in shown["properties"] if each["name"] == "OOMPolicy"]
    line = [word for word in shown["systemd_run"] if word.startswith("OOMPolicy=")]
    assert line == [f"OOMPolicy={value}" for value, _ in found]
    return found[0] if found else None


@pytest.mark.parametrize(
    "line",
    [
        "bash",
        "/usr/bin/bash",
        "sh -i",
        "bash --norc --noprofile -i",
        "bash --rcfile /dev/null",
        "bash -O extglob +o history -l",
        "zsh -f -o nobeep",
        "dash -",
        "fish --init-command true",
        "ksh -l",
        "tcsh",
    ],
)
def test_a_shell_with_only_options_is_interactive(line: str) -> None:
    assert is_shell_for_input(line.split())


@pytest.mark.parametrize(
    "line",
    [
        "sh -c ls",
        "bash -ec ls",
        "bash -l -c ls",
        "fish --command=ls",
        "bash script",
        "bash -x script",
        "bash --rcfile /dev/null script",
        "zsh -- script",
        "vim",
        "bashful",
        "./bash-5.2/configure",
        "sudo bash",
    ],
)
def test_a_shell_with_a_script_or_another_program_is_not_interactive(line: str) -> None:
    assert not is_shell_for_input(line.split())


@pytest.mark.skipif(not Path("/etc/shells").exists(), reason="this system lists no shells")
def test_a_shell_that_the_system_lists_counts_as_one() -> None:
    lines = Path("/etc/shells").read_text().splitlines()
    listed = [line for line in lines if line.startswith("/")]
    assert all(is_shell_for_input([shell]) for shell in listed)


def test_at_a_terminal_an_interactive_shell_gets_policy_continue(terminal: int) -> None:
    assert oom_policy("--", "bash", stdin=terminal, stderr=terminal) == ("continue", FOR_A_SHELL)


@pytest.mark.parametrize(
    "words",
    [("--oom-policy", "stop"), ("-p", "OOMPolicy=stop")],
)
def test_a_requested_policy_is_used(terminal: int, words: tuple[str, ...]) -> None:
    found = oom_policy(*words, "--", "bash", stdin=terminal, stderr=terminal)
    assert found is not None
    assert found[0] == "stop"


def test_a_policy_of_a_config_file_is_used(terminal: int, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[defaults]\noom-policy = "kill"\n')
    words = ("--config", str(tmp_path / "config.toml"), "--", "bash")
    found = oom_policy(*words, stdin=terminal, stderr=terminal)
    assert found is not None
    assert found[0] == "kill"


def test_everything_else_keeps_systemds_default(terminal: int) -> None:
    assert oom_policy("--", "make", stdin=terminal, stderr=terminal) is None
    assert oom_policy("--", "bash", stdin=subprocess.DEVNULL, stderr=terminal) is None
    assert oom_policy("--", "bash", stdin=terminal, stderr=subprocess.DEVNULL) is None
