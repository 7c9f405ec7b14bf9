"""The user manager itself ends while a command runs. Each test, as root of a guest, starts it again."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .story import GENEROUS
from .waiting import line_from

pytestmark = pytest.mark.guest(user="root")

UID = 1000
MANAGER = f"user@{UID}.service"
HOME = Path("/home/tester")
REPORT = HOME / "report.json"

CALM = "echo ready; exec sleep 1000"
ORDERLY = "trap 'exit 7' TERM; echo ready; while :; do read word; done"

by_either_signal = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])


@dataclass(frozen=True)
class Run:
    """scoperun as the user runs it, outside of the processes of the user's manager."""

    scoperun: subprocess.Popen[bytes]

    def end(self) -> tuple[int, dict[str, Any]]:
        """Return the exit status and the report."""
        self.scoperun.communicate(timeout=GENEROUS)
        report: dict[str, Any] = json.loads(REPORT.read_text())
        return self.scoperun.returncode, report


@pytest.fixture(autouse=True)
def manager() -> Iterator[None]:
    """A user manager for this test only; no process of the user is left afterwards."""
    subprocess.run(["systemctl", "restart", MANAGER], check=True, timeout=GENEROUS)
    REPORT.unlink(missing_ok=True)
    yield
    subprocess.run(["systemctl", "stop", MANAGER], check=True, timeout=GENEROUS)
    left = subprocess.run(["ps", "-o", "pid,args", "--no-headers", "-u", str(UID)], capture_output=True, check=False)
    assert left.stdout == b"", "processes were left behind"


def start(*options: str, script: str) -> Run:
    """Start a bash script in a scope, and wait until it says that it is ready."""
    scoperun = subprocess.Popen(
        ["scoperun", "--report", str(REPORT), "--mem", "20M", *options, "--", "bash", "-c", script],
        cwd=HOME,
        env={"PATH": os.environ["PATH"], "HOME": str(HOME), "XDG_RUNTIME_DIR": f"/run/user/{UID}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        user=UID,
        group=UID,
        extra_groups=[],
    )
    assert line_from(scoperun) == "ready"
    return Run(scoperun)


def end_manager(number: int) -> None:
    shown = subprocess.run(["systemctl", "show", MANAGER, "-P", "MainPID"], capture_output=True, check=True)
    os.kill(int(shown.stdout), number)


@by_either_signal
def test_the_status_is_the_signal_that_killed_the_command_and_the_verdict_is_not_oom(number: int) -> None:
    run = start(script=CALM)
    end_manager(number)
    status, report = run.end()
    assert status == 128 + number
    assert (report["signal"], report["exit_code"], report["oom"]) == (number, None, None)
    assert report["verdict"] in {"signal", "unknown"}


def test_a_command_that_handles_sigterm_keeps_its_status() -> None:
    run = start(script=ORDERLY)
    end_manager(signal.SIGTERM)
    status, report = run.end()
    assert (status, report["exit_code"]) == (7, 7)
    assert report["verdict"] in {"exit-code", "unknown"}


@by_either_signal
def test_with_a_time_limit_the_verdict_is_not_timeout(number: int) -> None:
    run = start("--timeout", "1h", script=CALM)
    end_manager(number)
    status, report = run.end()
    assert status == 128 + number
    assert report["verdict"] in {"signal", "unknown"}


@by_either_signal
def test_leftovers_end_with_the_manager(number: int) -> None:
    run = start("--wait", script="sleep 1000 >/dev/null 2>&1 & echo ready; exec sleep 1000")
    end_manager(number)
    status, report = run.end()
    assert status == 128 + number
    assert not report["left_running"]
