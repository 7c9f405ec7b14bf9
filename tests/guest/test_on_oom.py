"""The program of --on-oom is run once after an OOM kill, with the report written, and OnFailure= as systemd has it."""

import json
import os
import pwd
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .story import Story, systemctl

pytestmark = pytest.mark.guest(suite="trixie")

LEAK_IN_A_CHILD = ("sh", "-c", "./bigleak2 >/dev/null; true")

SEE = """
[ -t 0 ] || read word && exit 9
id -un >"$1/user" 2>/dev/null
env >"$1/environment"
cat /proc/self/cgroup >"$1/cgroup"
cat "$SCOPERUN_REPORT" >"$1/report"
echo "out of memory: $SCOPERUN_VICTIM_NAME"
"""


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    """Return a folder that every user can write to, for what the program has seen."""
    for each in (tmp_path, *tmp_path.parents[:2]):
        each.chmod(0o755)
    folder = tmp_path / "seen"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


@pytest.fixture
def program(seen: Path) -> str:
    path = seen.parent / "program"
    path.write_text(f"#!/bin/sh\nset -- {seen}\n{SEE}")
    path.chmod(0o755)
    return str(path)


def environment(seen: Path) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in (seen / "environment").read_text().splitlines())


def test_it_sees_the_report_and_what_happened(story: Story, seen: Path, program: str) -> None:
    words = ("--mem", "20M", "--on-oom", program, "-E", "FOR_THE_COMMAND=1", "--", "./bigleak2")
    ending = story.run(*words, OF_THE_START="yes")
    assert (ending.status, ending.verdict) == (137, "oom-kill")
    (victim,) = ending.report["oom"]["victims"]
    found = environment(seen)
    assert {name: text for name, text in found.items() if name.startswith("SCOPERUN_")} == {
        "SCOPERUN_UNIT": ending.report["unit"],
        "SCOPERUN_VERDICT": "oom-kill",
        "SCOPERUN_LIMIT_OF": "scope",
        "SCOPERUN_VICTIM_PID": str(victim["pid"]),
        "SCOPERUN_VICTIM_NAME": "bigleak2",
        "SCOPERUN_REPORT": str(story.report_file),
    }
    assert (found["OF_THE_START"], "FOR_THE_COMMAND" in found) == ("yes", False)
    assert json.loads((seen / "report").read_text()) == ending.report
    assert ending.report["cgroup"] not in (seen / "cgroup").read_text()
    assert ending.stderr.endswith("out of memory: bigleak2\n")


def test_it_is_run_if_only_a_child_was_killed(story: Story, seen: Path, program: str) -> None:
    words = ("--mem", "20M", "--oom-policy", "continue", "--on-oom", program, "--", *LEAK_IN_A_CHILD)
    ending = story.run(*words)
    assert (ending.status, environment(seen)["SCOPERUN_VICTIM_NAME"]) == (0, "bigleak2")


@pytest.mark.parametrize("script", ["exit 3", "kill -KILL $$"])
def test_it_is_not_run_for_another_end(story: Story, seen: Path, program: str, script: str) -> None:
    assert story.run("--mem", "20M", "--on-oom", program, "--", "sh", "-c", script).report["oom"] is None
    assert list(seen.iterdir()) == []


def test_its_failure_changes_no_status(story: Story, seen: Path, program: str) -> None:
    Path(program).write_text("#!/bin/sh\nexit 3\n")
    ending = story.run("--mem", "20M", "--oom-exit-code", "99", "--on-oom", program, "--", "./bigleak2")
    assert ending.status == 99
    assert ending.stderr.endswith(f"scoperun: warning: --on-oom '{program}': it exited with status 3\n")


def test_one_that_cannot_be_run_is_known_before(story: Story, seen: Path) -> None:
    line = story.refused("--on-oom", str(seen / "missing"), "--", "touch", str(seen / "started"))
    assert line.startswith(f"scoperun: --on-oom: cannot run '{seen}/missing': No such file or directory")
    assert list(seen.iterdir()) == []


@pytest.mark.guest(user="root")
class TestUser:
    """Where root runs a command for another user the program is that user's too."""

    def test_it_runs_as_the_user(self, story: Story, seen: Path, program: str) -> None:
        leak = shutil.copy(story.cwd / "bigleak2", seen.parent)
        ending = story.run("--system", "--uid", "plain", "--mem", "20M", "--on-oom", program, "--", leak)
        assert (ending.status, ending.verdict) == (137, "oom-kill")
        found = environment(seen)
        assert ((seen / "user").read_text(), found["HOME"]) == ("plain\n", pwd.getpwnam("plain").pw_dir)
        assert "XDG_RUNTIME_DIR" not in found
        assert (seen / "report").read_text() == ""  # the report is root's

    def test_that_the_user_may_not_execute_it_is_known_before(self, story: Story, seen: Path, program: str) -> None:
        os.chmod(program, 0o700)
        line = story.refused("--system", "--uid", "plain", "--on-oom", program, "--", "true")
        assert line.startswith(f"scoperun: --on-oom: cannot run '{program}': Permission denied")


class TestOnFailure:
    """systemd starts that unit when the scope fails: not under the policy continue, but after a timeout."""

    @pytest.fixture
    def noted(self, seen: Path) -> Iterator[Callable[[str], bool]]:
        """Return a function that tells whether notice@NAME.service has run."""
        folder = Path(os.environ["XDG_RUNTIME_DIR"], "systemd", "user")
        folder.mkdir(parents=True, exist_ok=True)
        unit = folder / "notice@.service"
        unit.write_text(f"[Service]\nType=oneshot\nExecStart=/bin/touch {seen}/%i\n")
        systemctl("daemon-reload")

        def has_run(name: str) -> bool:
            systemctl("start", "notice@last.service")  # systemd has taken in all that came before
            return (seen / name).exists()

        yield has_run
        unit.unlink()
        systemctl("daemon-reload")

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (("--mem", "20M", "--", "./bigleak2"), True),
            (("--mem", "20M", "--oom-policy", "stop", "--", *LEAK_IN_A_CHILD), True),
            (("--mem", "20M", "--oom-policy", "continue", "--", *LEAK_IN_A_CHILD), False),
            (("--timeout", "100ms", "--", "sleep", "1000"), True),
            (("--", "sh", "-c", "exit 3"), False),
        ],
    )
    def test_when_the_unit_is_started(
        self, story: Story, noted: Callable[[str], bool], words: tuple[str, ...], expected: bool
    ) -> None:
        story.run("-q", "-p", "OnFailure=notice@it.service", *words)
        assert noted("it") is expected
