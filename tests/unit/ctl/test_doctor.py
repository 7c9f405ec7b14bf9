"""`scopectl doctor` says of each check what was found, why it matters and what fixes it; its script is safe to read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scoperun.ctl.doctor import pages, script
from scoperun.supervision.check import Check, Machine, State

CHOICE = Check(
    name="zswap",
    state=State.LIMITED,
    found="off: `memory_zswap_max` has no effect",
    remedy="as root: echo Y >x",
    commands=("echo Y >x",),
    is_choice=True,
)
IO, CPUSET = (
    Check(
        name=f"{name} controller",
        state=State.LIMITED,
        found="not delegated",
        remedy="edit it",
        commands=("touch delegated", "touch again"),
    )
    for name in ("io", "cpuset")
)
GOOD = Check(name="systemd", state=State.OK, found="262", remedy="never shown")
HOSTILE = Check(name="bus", state=State.MISSING, found="no\ntouch evil\r\x1b[2J", remedy="$(touch evil)\n`touch evil`")


def test_the_script_has_each_command_once_and_choices_as_comments() -> None:
    lines = script(Machine((GOOD, CHOICE, IO, CPUSET))).splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == ["set -e", "touch delegated", "touch again"]
    assert "# choice: echo Y >x" in lines
    assert "# zswap: off: --zswap has no effect" in lines
    assert not any("systemd: 262" in line for line in lines)


def test_what_strangers_have_written_stays_in_comments(tmp_path: Path) -> None:
    text = script(Machine((HOSTILE, CHOICE, IO)))
    subprocess.run(["sh"], input=text, text=True, check=True, cwd=tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["again", "delegated"]
    assert text.isascii()
    assert "\x1b" not in text


def test_a_machine_that_lacks_nothing_needs_no_script() -> None:
    assert script(Machine((GOOD,))) == "#!/bin/sh\n# scopectl doctor has found nothing to fix."


@pytest.mark.parametrize("width", [80, 100])
def test_a_paragraph_says_what_why_and_how_in_lines_that_fit(width: int) -> None:
    text = pages(Machine((GOOD, CHOICE, HOSTILE)), width)
    assert max(map(len, text.splitlines())) <= width
    first, *_ = text.splitlines()
    assert first == "ok       systemd: 262"
    assert "         fix: as root: echo Y >x" in text
    assert "never shown" not in text
    assert text.endswith("\n\nA run with limits would not work here.")
    assert pages(Machine((GOOD, CHOICE)), width).endswith("\n\nA run with limits works here.")


def doctor(*words: str) -> subprocess.CompletedProcess[str]:
    here = {"XDG_RUNTIME_DIR": "", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere/bus"}
    command = [sys.executable, "-m", "scoperun.ctl", "doctor", *words]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | here, check=False)


def test_without_a_bus_it_fails_and_says_why() -> None:
    done = doctor("--json")
    printed = json.loads(done.stdout)
    assert (done.returncode, done.stderr, printed["can_run"]) == (1, "", False)
    assert all(each["why"] for each in printed["checks"])
    said = "cannot connect to the bus at unix:path=/nowhere/bus: No such file or directory"
    assert {each["name"]: each["found"] for each in printed["checks"]}["bus"] == said
    heading, *rows = [line.split("\t") for line in doctor().stdout.splitlines()]
    assert heading == ["STATE", "CHECK", "FOUND", "WHY", "REMEDY"]
    assert [row[:3] for row in rows] == [[each["state"], each["name"], each["found"]] for each in printed["checks"]]


def test_a_script_is_not_json() -> None:
    done = doctor("--fix", "--json")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
