"""The keeper without cat(1) in its usual places, as on NixOS and Guix."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from .hiding import hidden
from .story import GENEROUS, Story

pytestmark = pytest.mark.guest(user="root")


def run(story: Story, around: Sequence[str], *words: str) -> tuple[int, str]:
    """Return exit status and stderr."""
    options = ["--system", "--report", str(story.report_file), "--mem", "20M"]
    done = subprocess.run(
        [*around, "scoperun", *options, *words],
        cwd=story.cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=GENEROUS,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_shell_keeps_the_counters_if_cat_is_missing(story: Story) -> None:
    words = ("--oom-policy", "continue", "--", "sh", "-c", "./bigleak2; exit 3")
    assert run(story, hidden("/bin/cat"), *words)[0] == 3
    report = story.report()
    assert (report["verdict"], report["oom"]["kills"], report["left_running"]) == ("oom-kill", 1, [])
    assert report["memory"]["peak"] == 20 << 20


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_every_shell_survives_the_signal_that_stops_the_scope(story: Story, shell: str) -> None:
    """Under OOMPolicy=stop systemd sends SIGTERM, and the counters must stay readable."""
    around = [*hidden("/bin/cat"), "unshare", "--mount", "sh", "-c", f'mount --bind {shell} /bin/sh && exec "$@"', "sh"]
    assert run(story, around, "--", "bash", "-c", "./bigleak2; sleep 1000")[0] == 128 + 15
    report = story.report()
    assert (report["verdict"], report["oom"]["kills"]) == ("oom-kill", 1)


def test_without_cat_and_shell_nothing_runs(story: Story, tmp_path: Path) -> None:
    around = hidden("/bin/cat", "/bin/sh")
    status, complaint = run(story, around, "--", "touch", str(tmp_path / "ran"))
    assert status == 125
    assert complaint == "scoperun: cannot start cat or sh, which holds the scope's counters: Permission denied\n"
    assert not (tmp_path / "ran").exists()


def test_the_keeper_is_not_searched_in_path(story: Story, tmp_path: Path) -> None:
    """Otherwise a user that can write to one of its folders could run a program as root."""
    for name in ("cat", "sh"):
        (tmp_path / name).write_text(f"#!/bin/bash\n>{tmp_path}/ran\n")
        (tmp_path / name).chmod(0o755)
    around = [*hidden("/bin/cat"), "env", f"PATH={tmp_path}:/usr/local/bin:/usr/bin:/bin"]
    assert run(story, around, "--", "true")[0] == 0
    assert not (tmp_path / "ran").exists()
