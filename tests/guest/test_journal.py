"""The verdict is in the journal, where journalctl finds it by the scope's name, by its kind and by its invocation."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scoperun.console.journal import MESSAGE_ID, SOCKET

from .hiding import scoperun_without
from .story import GENEROUS, Story

MIB = 1024 * 1024
AS_TESTER = ("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--reset-env")


def in_journal(*words: str, before: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the first entry of scoperun that `journalctl WORDS` shows, as soon as it is there."""
    command = [*before, "journalctl", "--quiet", "--output=json", "--all", "--follow", "--no-tail", *words]
    with subprocess.Popen([*command, f"MESSAGE_ID={MESSAGE_ID}"], stdout=subprocess.PIPE) as journalctl:
        assert journalctl.stdout is not None
        line = journalctl.stdout.readline()
        journalctl.kill()
    entry: dict[str, Any] = json.loads(line)
    return entry


def of_scoperun(entry: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in entry.items() if name.startswith("SCOPERUN_")}


def test_an_oom_kill_is_there_with_the_scope(story: Story) -> None:
    ending = story.run("--journal", "--mem", "20M", "--oom-exit-code", "99", "--", "./bigleak2")
    report = ending.report
    (victim,) = report["oom"]["victims"]
    entry = in_journal("--user-unit", report["unit"])
    assert of_scoperun(entry) == {
        "SCOPERUN_VERDICT": "oom-kill",
        "SCOPERUN_EXIT_STATUS": "99",
        "SCOPERUN_MEMORY_PEAK": str(report["memory"]["peak"]),
        "SCOPERUN_MEMORY_MAX": str(20 * MIB),
        "SCOPERUN_LIMIT_OF": "scope",
        "SCOPERUN_VICTIM_PID": str(victim["pid"]),
        "SCOPERUN_VICTIM_NAME": "bigleak2",
        "SCOPERUN_COMMAND": "./bigleak2",
    }
    assert (entry["USER_UNIT"], entry["USER_INVOCATION_ID"]) == (report["unit"], report["invocation_id"])
    assert entry["MESSAGE"] == f"{report['unit']}: oom-kill: ./bigleak2; memory peak 20M of 20M"
    assert (entry["SYSLOG_IDENTIFIER"], entry["PRIORITY"]) == ("scoperun", "4")


def test_a_success_is_there_too(story: Story) -> None:
    unit = story.run("-q", "--journal", "--", "true").report["unit"]
    entry = in_journal(f"USER_UNIT={unit}")
    assert (entry["SCOPERUN_VERDICT"], entry["PRIORITY"]) == ("success", "6")


def test_a_command_with_newlines_is_one_value(story: Story) -> None:
    words = ("--journal", "--", "true", "a\nMESSAGE=forged\n", "\x1b[2J")
    entry = in_journal("--user-unit", story.run(*words).report["unit"])
    assert entry["SCOPERUN_COMMAND"] == r"true $'a\nMESSAGE=forged\n' $'\033[2J'"
    assert "forged" in entry["MESSAGE"]


def test_a_command_that_is_too_large_for_a_datagram_is_there_as_a_whole(story: Story) -> None:
    large = ["x" * 100_000] * 8
    entry = in_journal("--user-unit", story.run("--journal", "--", "true", *large).report["unit"])
    assert entry["SCOPERUN_COMMAND"] == " ".join(["true", *large])
    assert len(entry["MESSAGE"]) < 500


def test_without_it_there_is_no_entry(story: Story) -> None:
    quiet = story.run("--", "true").report["unit"]
    told = story.run("--journal", "--", "true").report["unit"]
    in_journal("--user-unit", told)  # what was sent before that is there by now
    words = ["journalctl", "--quiet", "--output=cat", "--user-unit", quiet, f"MESSAGE_ID={MESSAGE_ID}"]
    assert subprocess.check_output(words) == b""


def test_that_there_is_no_journald_is_one_warning(story: Story, tmp_path: Path) -> None:
    path = scoperun_without(SOCKET, folder=tmp_path)
    ending = story.run("-q", "--journal", "--", "sh", "-c", "exit 3", PATH=path)
    assert ending.status == 3
    reason = f"--journal: cannot send the verdict to journald at {SOCKET}: Connection refused"
    assert ending.stderr == f"scoperun: warning: {reason}\n"


@pytest.mark.guest(user="root")
class TestRoot:
    """Under the system's manager, and in files that a user without any group may read."""

    def test_the_systems_scope_has_the_entry(self, story: Story) -> None:
        report = story.run("--system", "--journal", "--mem", "20M", "--", "./bigleak2").report
        entry = in_journal("--unit", report["unit"])
        assert entry["SCOPERUN_VERDICT"] == "oom-kill"
        assert entry["OBJECT_SYSTEMD_INVOCATION_ID"] == report["invocation_id"]

    @pytest.fixture
    def on_disk(self) -> Iterator[None]:
        """Have journald write to a disk, where each user has a journal."""
        configuration = Path("/run/systemd/journald.conf.d/test.conf")
        configuration.parent.mkdir(exist_ok=True)
        configuration.write_text("[Journal]\nStorage=persistent\n")
        try:
            for words in (["systemctl", "restart", "systemd-journald"], ["journalctl", "--flush"]):
                subprocess.run(words, check=True, timeout=GENEROUS)
            yield
        finally:
            configuration.unlink()
            subprocess.run(["systemctl", "restart", "systemd-journald"], check=True, timeout=GENEROUS)

    @pytest.fixture
    def user_manager(self) -> Iterator[None]:
        """Have the user's systemd run."""
        subprocess.run(["systemctl", "start", "user@1000.service"], check=True, timeout=GENEROUS)
        yield
        subprocess.run(["systemctl", "stop", "user@1000.service"], check=True, timeout=GENEROUS)

    @pytest.mark.usefixtures("on_disk", "user_manager")
    def test_a_user_without_groups_finds_it_in_the_own_journal(self, story: Story) -> None:
        words = [*AS_TESTER, "scoperun", "-q", "--journal", "--unit", "on-disk.scope", "--", "true"]
        subprocess.run(words, check=True, timeout=GENEROUS)
        subprocess.run(["journalctl", "--sync"], check=True, timeout=GENEROUS)  # the user's file is there by now
        entry = in_journal("--user", "--unit", "on-disk.scope", before=AS_TESTER)
        assert (entry["SCOPERUN_VERDICT"], entry["USER_UNIT"]) == ("success", "on-disk.scope")
