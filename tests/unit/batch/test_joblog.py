"""GNU parallel reads the log, and takes a job as done only if it is known to have succeeded."""

import re
import subprocess

import pytest

from scoperun.batch.attempt import Attempt
from scoperun.batch.job import SHELL, Job
from scoperun.batch.joblog import HEADER, line
from scoperun.evidence.verdict import Verdict
from tests.unit.batch.attempts import GIB, attempt, ran_out

LINE = re.compile(r"\d+\s+[^\s]+\s+([-0-9.]+\s+){6}")
DONE = re.compile(r"^(\d+)(?:\t[^\t]+){5}\t0\t0\t")
"""What --resume-failed of parallel 20221122 takes for a line, and for the line of a job that is done."""

WORDS = Job(seq=17, command=("./leak", "a b"), memory=GIB)


def columns(end: Attempt, *, job: Job = WORDS, host: str = "box") -> dict[str, str]:
    written = line(job, end, host)
    assert written.endswith("\n")
    assert LINE.match(written)
    return dict(zip(HEADER.rstrip("\n").split("\t"), written.rstrip("\n").split("\t"), strict=True))


def test_a_line_has_the_columns_of_parallel() -> None:
    assert HEADER == "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"
    assert line(WORDS, attempt(started=1764309083.25), "box") == (
        "17\tbox\t1764309083.250\t10.000\t0\t0\t0\t0\t./leak 'a b'\n"
    )


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (attempt(exit_status=0), ("0", "0")),
        (attempt(Verdict.EXIT_CODE, exit_status=3), ("3", "0")),
        (attempt(Verdict.SIGNAL, exit_status=143, signal=15), ("143", "15")),
        (attempt(Verdict.TIMEOUT, exit_status=124, signal=15), ("124", "15")),
        (ran_out(signal=9), ("137", "9")),
        (ran_out(exit_status=0), ("137", "0")),
        (attempt(Verdict.UNKNOWN, exit_status=0), ("125", "0")),
        (attempt(Verdict.RESOURCES, exit_status=0), ("125", "0")),
        (attempt(None, runtime=None, exit_status=127, error="not found"), ("127", "0")),
        (attempt(None, runtime=None), ("125", "0")),
    ],
)
def test_only_a_success_has_zeros(end: Attempt, status: tuple[str, str]) -> None:
    found = columns(end)
    assert (found["Exitval"], found["Signal"]) == status
    assert bool(DONE.match(line(WORDS, end, "box"))) is end.is_success


def test_a_runtime_that_is_not_known_is_a_dash() -> None:
    assert columns(attempt(None, runtime=None))["JobRuntime"] == "-"


def test_a_host_without_a_name_and_one_with_blanks_are_one_column() -> None:
    assert [columns(attempt(), host=host)["Host"] for host in ("", "my box", "a\tb")] == ["-", "mybox", r"a\tb"]


@pytest.mark.parametrize("text", ["echo $HOME; exit 3", "printf 'a\tb'", "true\nfalse", "echo \x1b[2J"])
def test_the_command_is_one_that_a_shell_executes(text: str) -> None:
    """Tabs and newlines do not break the line; what is executed is the same."""
    command = columns(attempt(), job=Job(seq=1, command=(*SHELL, text), memory=GIB))["Command"]
    assert command.isprintable()
    direct, logged = (
        subprocess.run(["bash", "-c", each], capture_output=True, check=False) for each in (text, command)
    )
    assert (logged.stdout, logged.returncode) == (direct.stdout, direct.returncode)


def test_text_for_a_shell_is_logged_as_it_was_written() -> None:
    assert (
        columns(attempt(), job=Job(seq=1, command=(*SHELL, "a | b > 'c d'"), memory=GIB))["Command"] == "a | b > 'c d'"
    )
