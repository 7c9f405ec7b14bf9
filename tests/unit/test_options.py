"""The command line is read up to the command and no further, and what is wrong in it is answered in one line."""

import subprocess
import sys

import pytest

from scoperun.errors import InvalidValue
from scoperun.limits import Limits, OOMPolicy
from scoperun.options import Output, parse
from scoperun.request import RunRequest
from scoperun.version import __version__


def request(*argv: str) -> RunRequest:
    parsed = parse(list(argv))
    assert parsed is not None
    return parsed[0]


def output(*argv: str) -> Output:
    parsed = parse(list(argv))
    assert parsed is not None
    return parsed[1]


def refusal(*argv: str) -> str:
    with pytest.raises(InvalidValue) as refused:
        parse(list(argv))
    line = str(refused.value)
    assert line
    assert "\n" not in line
    return line


def test_a_command_alone_is_run_as_it_is() -> None:
    assert request("sleep", "1") == RunRequest(command=("sleep", "1"))
    assert output("true") == Output(report=None, json=False, quiet=False)


@pytest.mark.parametrize(
    "command",
    [
        ("make", "-j4", "--mem", "20M"),
        ("ls", "--help"),
        ("ls", "--version"),
        ("sh", "-c", "echo $0", "-q"),
        ("git", "log", "--", "file"),
        ("env", "--", "--"),
        ("printf", "", "-u"),
        ("echo", "--no-such-option", "-p"),
    ],
)
def test_options_end_at_the_first_word_that_is_none(command: tuple[str, ...]) -> None:
    """What follows is the command's own, whatever it looks like."""
    assert request("--mem", "20M", *command).command == command
    assert request("-q", "--", *command).command == command


def test_the_first_double_dash_is_eaten_and_no_other() -> None:
    assert request("--", "--", "x").command == ("--", "x")
    assert request("--", "-x").command == ("-x",)
    assert request("x", "--", "y").command == ("x", "--", "y")


def test_every_option_has_its_place() -> None:
    asked = request(
        "--mem", "20M", "--swap", "1M", "--timeout", "5min 20s", "--oom-policy", "continue", "-p", "MemoryHigh=15M",
        "--property", "TasksMax=9", "-u", "job", "--slice", "heavy", "--no-require-limits", "--", "make", "all",
    )  # fmt: skip
    assert asked == RunRequest(
        command=("make", "all"),
        limits=Limits(
            memory_max=20 * 1024**2, memory_swap_max=1024**2, runtime_max=320.0, oom_policy=OOMPolicy.CONTINUE
        ),
        unit="job.scope",
        slice="heavy.slice",
        properties=("MemoryHigh=15M", "TasksMax=9"),
        require_limits=False,
    )


def test_a_value_may_follow_an_equals_sign() -> None:
    assert request("--mem=20M", "--unit=job", "true") == request("--mem", "20M", "-ujob", "true")


def test_the_last_of_an_option_counts() -> None:
    assert request("--mem", "20M", "--mem", "30M", "true").limits.memory_max == 30 * 1024**2
    assert request("--no-require-limits", "--require-limits", "true").require_limits


def test_a_report_goes_where_it_is_asked_for() -> None:
    assert output("--report", "r.json", "true") == Output(report="r.json", json=False, quiet=False)
    assert output("--json", "-q", "true") == Output(report=None, json=True, quiet=True)


@pytest.mark.parametrize(
    ("option", "value", "right"),
    [
        ("--mem", "20Q", "as 20M or 1.5G, or infinity"),
        ("--mem", "", "as 20M or 1.5G, or infinity"),
        ("--mem", "-1", "as 20M or 1.5G, or infinity"),
        ("--mem", "0", "at least 1"),
        ("--mem", "16E", "infinity is no limit"),
        ("--swap", "lots", "as 20M or 1.5G, or infinity"),
        ("--timeout", "soon", "terms like 5min 20s"),
        ("--timeout", "0", "infinity is no limit"),
        ("--oom-policy", "panic", "'stop', 'continue', 'kill'"),
        ("--property", "MemoryMx=1", "did you mean MemoryMax=?"),
        ("--property", "MemoryMax", "as MemoryHigh=15M"),
        ("--property", "MemoryMax=20Q", "as 20M or 1.5G, or infinity"),
        ("--property", "LimitAS=1G", "prlimit"),
        ("--property", "AddRef=yes", "is set by scoperun itself"),
        ("--unit", "a/b", "systemd-escape(1)"),
        ("--unit", "", "letters, digits"),
        ("--unit", "a b", "letters, digits"),
        ("--slice", "a/b", "systemd-escape(1)"),
    ],
)
def test_a_bad_value_is_answered_with_its_option_itself_and_what_is_right(option: str, value: str, right: str) -> None:
    line = refusal(option, value, "true")
    assert f"'{option}'" in line
    assert (value if option == "--property" else repr(value)).partition("=")[0] in line
    assert right in line


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--mem"], "Option '--mem' requires an argument."),
        (["--json=1", "true"], "Option '--json' does not take a value."),
        (["-x", "true"], "No such option: -x"),
        (["-qx", "true"], "No such option: -x"),
        (["--mme", "20M", "true"], "No such option: --mme (Possible options: --mem)"),
    ],
)
def test_an_option_that_is_wrong_itself_is_named(argv: list[str], line: str) -> None:
    assert refusal(*argv) == line


@pytest.mark.parametrize("argv", [["--me", "20M", "true"], ["--ti", "5", "true"]])
def test_an_option_is_not_to_be_shortened(argv: list[str]) -> None:
    """What is short today may be ambiguous tomorrow."""
    assert refusal(*argv).startswith(f"No such option: {argv[0]}")


@pytest.mark.parametrize("argv", [[], ["--"], ["--mem", "20M"], ["--mem", "20M", "--"], ["--", ""], [""]])
def test_no_command_is_answered_with_the_word_for_it(argv: list[str]) -> None:
    assert "command" in refusal(*argv).lower()


def test_a_text_that_no_bus_can_carry_is_refused_before_anything_starts() -> None:
    assert "'--property'" in refusal("-p", "Description=caf\udce9", "true")


def test_the_version_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["--version"]) is None
    assert capsys.readouterr() == (f"scoperun {__version__}\n", "")


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["--mem", "20M", "--help", "no", "matter"]])
def test_help_is_answered(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(argv) is None
    out, err = capsys.readouterr()
    assert out.startswith("Usage: scoperun [OPTIONS] [--] ")
    assert err == ""


def test_help_names_the_property_that_each_limit_sets(capsys: pytest.CaptureFixture[str]) -> None:
    parse(["--help"])
    shown = capsys.readouterr().out
    for name in "MemoryMax=", "MemorySwapMax=", "RuntimeMaxSec=", "OOMPolicy=", "Slice=":
        assert f"({name})" in shown


QUICK = """
import sys
import scoperun
from scoperun import cli, options

for argv in ["--version"], ["--help"], ["--mem", "20Q", "true"], ["--no-such-option"], []:
    sys.argv[1:] = argv
    print(cli.main(), *sorted({"asyncio", "dbus_next"} & set(sys.modules)), file=sys.stderr)
"""


def test_nothing_heavy_is_imported_before_the_arguments_are_known_to_be_right() -> None:
    run = subprocess.run([sys.executable, "-c", QUICK], capture_output=True, text=True, check=True)
    said = [line for line in run.stderr.splitlines() if not line.startswith("scoperun: ")]
    assert said == ["0", "0", "125", "125", "125"]
    assert run.stdout.startswith(f"scoperun {__version__}\nUsage: ")
    assert run.stderr.count("scoperun: ") == 3
