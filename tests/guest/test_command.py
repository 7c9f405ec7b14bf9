"""Options that need no systemd: the command's environment, directory and nice level, its exit status, and warnings."""

from pathlib import Path

import pytest

from scoperun.kernel.swap import has_swap

from .story import Story

pytestmark = pytest.mark.guest(suite="trixie")


def test_oom_exit_code_is_the_status_after_an_oom_kill(story: Story) -> None:
    assert story.run("--mem", "20M", "--oom-exit-code", "42", "--", "./bigleak2").status == 42


def test_oom_exit_code_is_the_status_even_if_the_command_succeeds(story: Story) -> None:
    words = ("--mem", "20M", "--oom-policy", "continue", "--oom-exit-code", "42")
    ending = story.run(*words, "--", "sh", "-c", "./bigleak2 >/dev/null; exit 0")
    assert (ending.status, ending.verdict, ending.report["exit_code"]) == (42, "oom-kill", 0)


def test_oom_exit_code_is_not_used_without_an_oom_kill(story: Story) -> None:
    assert story.run("--mem", "20M", "--oom-exit-code", "42", "--", "sh", "-c", "exit 3").status == 3
    assert story.run("--mem", "20M", "--oom-exit-code", "42", "--", "sh", "-c", "kill -9 $$").status == 137


def test_variables_are_added_to_the_inherited_ones(story: Story) -> None:
    words = ("-q", "-E", "WORD=two words", "-E", "EMPTY=", "-E", "PASSED")
    ending = story.run(
        *words, "--", "sh", "-c", 'echo "$WORD,${EMPTY-unset},$PASSED,$OTHER"', PASSED="yes", OTHER="too"
    )
    assert ending.stdout == b"two words,,yes,too\n"


def test_the_command_starts_in_the_directory_and_the_report_names_it(story: Story, tmp_path: Path) -> None:
    ending = story.run("-q", "-d", str(tmp_path), "--", "pwd")
    assert ending.stdout.decode() == f"{tmp_path}\n"
    assert ending.report["cwd"] == str(tmp_path)


def test_a_relative_command_is_looked_up_in_the_directory(story: Story, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 6\n")
    program.chmod(0o755)
    assert story.run("-d", str(tmp_path), "--", "./program").status == 6


def test_a_missing_directory_is_refused(story: Story, tmp_path: Path) -> None:
    folder = tmp_path / "missing"
    line = story.refused("-d", str(folder), "--", "true")
    assert line == f"scoperun: cannot start the command: -d {folder}: No such file or directory\n"


def test_the_command_runs_at_the_nice_level(story: Story) -> None:
    assert story.run("-q", "--nice", "5", "--", "nice").stdout == b"5\n"


def test_a_nice_level_that_needs_root_is_refused(story: Story) -> None:
    line = story.refused("--nice=-5", "--", "true")
    assert line == "scoperun: cannot start the command: --nice -5: Permission denied\n"


@pytest.mark.skipif(has_swap(), reason="there is swap")
def test_a_high_limit_without_swap_is_a_trap_even_if_swap_is_allowed(story: Story) -> None:
    for swap in ([], ["--swap", "1G"]):
        ending = story.run("--mem-high", "100M", *swap, "--", "true")
        assert ending.stderr.startswith("scoperun: warning: MemoryHigh=100M without swap slows the command to a crawl ")
    assert "warning" not in story.run("-q", "--mem-high", "100M", "--", "true").stderr
