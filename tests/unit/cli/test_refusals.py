"""Errors that the parser finds are reported without any bus: one line, exit status 125, nothing started.

The errors of each option are tested in test_options.py.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("words", "option", "reason"),
    [
        (["--mem=20Q"], "'--mem'", "'20Q' is not a valid size"),
        (["-p", "Memorymax=1M"], "'--property'", "did you mean MemoryMax=?"),
        (["--unit=a/b"], "'--unit'", "'a/b' is not a unit name"),
        (["--report-fd=99"], "'--report-fd'", "descriptor 99 is not open"),
    ],
)
def test_bad_arguments_are_refused_without_a_bus(words: list[str], option: str, reason: str, tmp_path: Path) -> None:
    line = refusal(words, tmp_path)
    assert option in line
    assert reason in line


EVIL = "a\r\x1b[2K\n   Verdict: success\a\x1b]0;title\a\u202e\x9b\n"
"""A text that would delete a row on a terminal, and add one."""


@pytest.mark.parametrize(
    "words",
    [
        ["-p", f"MemoryMax={EVIL}"],
        ["-p", f"{EVIL}=1"],
        ["-p", f"Description={EVIL}"],
        ["-p", f"@/{EVIL}"],
        ["--mem", EVIL],
        ["--unit", EVIL],
        ["--report", f"/{EVIL}/r.json"],
        ["--log", f"/{EVIL}/runs.log"],
        ["--timeline", f"/{EVIL}/t.csv"],
        ["--on-oom", f"/{EVIL}"],
        ["--uid", EVIL],
        [f"--{EVIL}"],
    ],
)
def test_a_refused_value_is_quoted_on_one_line(words: list[str], tmp_path: Path) -> None:
    line = refusal(words, tmp_path)
    assert line.isprintable()
    assert "Verdict: success" in line


def refusal(words: list[str], folder: Path) -> str:
    """Run arguments that must be refused, without a bus; assert that nothing was started, and return the line."""
    nowhere = {"XDG_RUNTIME_DIR": "/nowhere", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere/bus"}
    report, started = folder / "report.json", folder / "started"
    command = [sys.executable, "-m", "scoperun", "--report", str(report), *words, "--", "touch", str(started)]
    refused = subprocess.run(command, env=os.environ | nowhere, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (125, "", 1)
    assert refused.stderr.startswith("scoperun: ")
    assert list(folder.iterdir()) == []
    return refused.stderr.removesuffix("\n")
