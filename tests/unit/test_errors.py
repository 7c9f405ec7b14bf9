"""What a command line prints for an error: one line, which names `scopectl doctor` if the machine is the reason."""

import os
import subprocess
import sys

import pytest

from scoperun.errors import BusLost, BusUnavailable, InvalidValue, LimitNotEnforced

DOCTOR = "scopectl doctor shows what this machine has"


@pytest.mark.parametrize("kind", [BusUnavailable, LimitNotEnforced])
def test_an_error_about_the_machine_points_to_doctor(kind: type[BusUnavailable]) -> None:
    assert kind("no bus").complaint == f"no bus ({DOCTOR})"
    assert kind("no bus", hint="log in\n").complaint == rf"no bus (log in\n; {DOCTOR})"
    assert str(kind("no bus", hint="log in")) == "no bus (log in)"


@pytest.mark.parametrize("kind", [BusLost, InvalidValue])
def test_another_error_does_not(kind: type[BusLost]) -> None:
    assert kind("lost").complaint == str(kind("lost")) == "lost"


@pytest.mark.parametrize("words", [("scoperun", "--", "true"), ("scoperun.ctl", "list")])
def test_both_programs_print_it(words: tuple[str, ...]) -> None:
    environment = os.environ | {"XDG_RUNTIME_DIR": "", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere/bus"}
    done = subprocess.run([sys.executable, "-m", *words], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert done.stderr.endswith(f"; {DOCTOR})\n")
