"""`scopectl doctor` finds what `scoperun --check` finds, and prints a script that a shell can read."""

import json
import subprocess

import pytest

from tests.schema import told_by

from .story import GENEROUS


def said(*words: str, status: int = 0) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=GENEROUS, check=False)
    assert (done.returncode, done.stderr) == (status, "")
    return done.stdout


@pytest.mark.guest(user="plain")
def test_a_user_learns_what_is_missing_and_how_to_get_it() -> None:
    checks = {each["name"]: each for each in told_by("doctor", said("scopectl", "doctor", "--json"))["checks"]}
    assert list(checks.values()) == json.loads(said("scoperun", "--check", "--json"))["checks"]
    assert checks["kernel log"]["commands"] == ["usermod --append --groups systemd-journal plain"]
    assert (checks["user namespace"]["found"], checks["limits"]["state"]) == ("the machine's own", "ok")
    script = said("scopectl", "doctor", "--fix")
    assert "\nusermod --append --groups systemd-journal plain\n" in script
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)


@pytest.mark.guest(memory_controller=False)
def test_without_the_memory_controller_it_fails() -> None:
    rows = [line.split("\t") for line in said("scopectl", "doctor", status=1).splitlines()]
    (row,) = [row for row in rows if row[1] == "memory controller"]
    assert (row[0], row[2]) == ("missing", "the kernel does not offer it: --mem would be refused")
