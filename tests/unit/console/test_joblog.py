"""A line of the log is one line with twelve columns, whatever is in it, and bash reads its command as it was."""

import random
import subprocess

import pytest

from scoperun.console.joblog import COLUMNS, HEADER, Entry
from scoperun.console.shell_words import quoted
from scoperun.record import replace
from scoperun.spec.sizes import INFINITY

ENDED = Entry(
    pid=823,
    host="box",
    started=1764309083.25,
    command=("./bigleak2", "--size", "50"),
    runtime=0.134,
    exit_status=137,
    signal=9,
    verdict="oom-kill",
    memory_peak=20971520,
    memory_max=20971520,
)
HARD_WORDS = [
    "",
    "a\tb",
    "a\nb",
    "it's",
    "\\t",
    "'",
    "\x1b[2J",
    "\udcff\udcfe9",
    "ü \xa0\u2028",
    "$HOME `id` $(id)",
    "-n",
    "*",
]


def columns(entry: Entry) -> dict[str, str]:
    line, end = entry.line().split("\n")
    assert end == ""
    return dict(zip(COLUMNS, line.split("\t"), strict=True))


def test_the_first_columns_are_those_of_gnu_parallel() -> None:
    joblog = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand"
    assert f"{joblog}\tVerdict\tMemoryPeak\tMemoryMax\n" == HEADER


def test_a_line_has_a_value_for_each_column() -> None:
    assert columns(ENDED) == {
        "Seq": "823",
        "Host": "box",
        "Starttime": "1764309083.250",
        "JobRuntime": "0.134",
        "Send": "0",
        "Receive": "0",
        "Exitval": "137",
        "Signal": "9",
        "Command": "./bigleak2 --size 50",
        "Verdict": "oom-kill",
        "MemoryPeak": "20971520",
        "MemoryMax": "20971520",
    }


def test_what_is_not_known_is_a_dash() -> None:
    """No column is empty: programs that split at white space would lose it."""
    found = columns(Entry(pid=1, host="", started=0.0, command=("true",), exit_status=127))
    assert [name for name, value in found.items() if value == "-"] == [
        *("Host", "JobRuntime", "Verdict", "MemoryPeak", "MemoryMax")
    ]


def test_no_limit_is_infinity() -> None:
    assert columns(replace(ENDED, memory_max=INFINITY))["MemoryMax"] == "infinity"


@pytest.mark.parametrize("word", HARD_WORDS)
def test_a_command_is_one_printable_line(word: str) -> None:
    assert columns(replace(ENDED, command=("echo", word)))["Command"].isprintable()


def read_by_bash(line: str) -> list[bytes]:
    script = f"printf '%s\\0' {line}".encode()
    return subprocess.run(["bash", "-c", script], check=True, capture_output=True).stdout.split(b"\0")[:-1]


def test_bash_reads_the_command_as_it_was() -> None:
    dice = random.Random(16)  # noqa: S311
    letters = [chr(number) for number in (*range(1, 128), *range(0xDC80, 0xDD00), 0xA0, 0xFC, 0x202E, 0x1F600)]
    words = [*HARD_WORDS, *("".join(dice.choices(letters, k=12)) for _ in range(300))]
    assert read_by_bash(" ".join(map(quoted, words))) == [word.encode(errors="surrogateescape") for word in words]
