"""What the program of --on-oom learns is true and printable, and it is run after an OOM kill only."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from scoperun.cli.afterwards import Afterwards
from scoperun.cli.on_oom import variables
from scoperun.cli.options import Output
from scoperun.errors import ScoperunError
from scoperun.evidence.events import ResultChanged, StateChanged
from scoperun.evidence.last_seen import Victim
from scoperun.process.patience import Patience
from scoperun.process.signals import ENDING
from scoperun.record import replace
from scoperun.report.report import Report
from scoperun.spec.request import RunRequest
from tests.child import in_child
from tests.unit.stories import counted, exited, read, told

OOM = told([exited(-9), counted(1), ResultChanged("oom-kill"), StateChanged("failed"), read("oom-kill")])
REQUEST = RunRequest(command=("true",))


def with_victims(*victims: Victim) -> Report:
    assert OOM.oom is not None
    return replace(OOM, oom=replace(OOM.oom, victims=victims or None))


def victim(name: str) -> Victim:
    return Victim(pid=824, name=name, rss=None, anon=None, source="kernel log")


def test_the_program_learns_what_the_report_says() -> None:
    report = with_victims(victim("bigleak2"), victim("other"))
    assert report.oom is not None
    assert variables(report, report_file="/r.json") == {
        "SCOPERUN_UNIT": report.unit,
        "SCOPERUN_VERDICT": "oom-kill",
        "SCOPERUN_LIMIT_OF": report.oom.limit_of,
        "SCOPERUN_VICTIM_PID": "824",
        "SCOPERUN_VICTIM_NAME": "bigleak2",
        "SCOPERUN_REPORT": "/r.json",
    }


def test_what_is_not_known_is_empty() -> None:
    """And never what the environment had of that name before."""
    known = variables(with_victims(), report_file=None)
    assert [name for name, text in known.items() if not text] == [
        *("SCOPERUN_VICTIM_PID", "SCOPERUN_VICTIM_NAME", "SCOPERUN_REPORT")
    ]


def test_a_name_is_printable() -> None:
    name = variables(with_victims(victim("a\n\x1b[2J\u202e")), report_file=None)["SCOPERUN_VICTIM_NAME"]
    assert name == r"a\n\x1b[2J\u202e"


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """Return a function that makes a program of a script of sh."""

    def make(script: str) -> str:
        (tmp_path / "program").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "program").chmod(0o755)
        return str(tmp_path / "program")

    return make


def act(path: str, report: Report, *, report_file: str | None = None) -> list[str]:
    """Do what follows a run with that report; return what is said on standard error."""

    def run() -> list[str]:
        said: list[str] = []
        with Afterwards(Output(on_oom=path), REQUEST, say=said.append, patience=Patience()) as afterwards:
            afterwards.act(report, report_file=report_file)
        return said

    return in_child(run)


def test_it_is_run_once(program: Callable[[str], str], tmp_path: Path) -> None:
    assert act(program(f'env >>"{tmp_path}/said"'), OOM, report_file="r.json") == []
    said = (tmp_path / "said").read_text().splitlines()
    assert said.count(f"SCOPERUN_UNIT={OOM.unit}") == 1
    assert f"SCOPERUN_REPORT={os.getcwd()}/r.json" in said
    assert f"HOME={os.environ['HOME']}" in said


@pytest.mark.parametrize("status", [0, 3, -15])
def test_it_is_not_run_where_nothing_was_killed_for_memory(
    program: Callable[[str], str], tmp_path: Path, status: int
) -> None:
    report = told([exited(status), counted(0), read("success")])
    assert act(program(f'echo >"{tmp_path}/said"'), report) == []
    assert not (tmp_path / "said").exists()


def test_its_failure_is_one_warning(program: Callable[[str], str]) -> None:
    path = program("exit 3")
    assert act(path, OOM) == [f"scoperun: warning: --on-oom {path!r}: it exited with status 3"]


def test_that_it_has_disappeared_meanwhile_is_one_too(program: Callable[[str], str]) -> None:
    path = program("exit 0")

    def run() -> list[str]:
        said: list[str] = []
        with Afterwards(Output(on_oom=path), REQUEST, say=said.append, patience=Patience()) as afterwards:
            os.unlink(path)
            afterwards.act(OOM, report_file=None)
        return said

    reason = "it cannot be executed: No such file or directory"
    assert in_child(run) == [f"scoperun: warning: --on-oom {path!r}: {reason}"]


@pytest.mark.parametrize("number", sorted(ENDING))
def test_a_signal_ends_the_wait_for_it(program: Callable[[str], str], number: int) -> None:
    path = program(f"kill -{number:d} $PPID; exec tail -f /dev/null")

    def run() -> list[str]:
        said: list[str] = []
        signal.signal(number, signal.SIG_DFL)  # pytest might have been started with it ignored
        patience = Patience()
        patience.begin()
        with Afterwards(Output(on_oom=path), REQUEST, say=said.append, patience=patience) as afterwards:
            afterwards.act(OOM, report_file=None)
        return said

    assert in_child(run) == [f"scoperun: warning: --on-oom {path!r}: interrupted"]


@pytest.mark.parametrize("words", ["/nowhere/program", "mail -s oom root", "/dev/null", "/", ""])
def test_what_cannot_be_run_is_refused_before_the_command_starts(words: str) -> None:
    with pytest.raises(ScoperunError) as refused:
        Afterwards(Output(on_oom=words), REQUEST, say=pytest.fail, patience=Patience())
    assert refused.value.exit_status == 125
    assert str(refused.value).startswith(f"--on-oom: cannot run {words!r}: ")
    assert str(refused.value).endswith(" (the path of a program, without arguments)")
