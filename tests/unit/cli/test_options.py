"""The command line is parsed up to the command, and each mistake in it is reported in one line."""

import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scoperun.cli.options import Output, late_options, parse
from scoperun.console import unknown_options
from scoperun.console.field_names import in_options
from scoperun.console.options import OPTIONS
from scoperun.errors import InvalidValue
from scoperun.spec.limits import Limits, OOMPolicy
from scoperun.spec.request import ExecContext, RunRequest
from scoperun.spec.sizes import INFINITY
from scoperun.version import __version__
from tests.documents import CHECKOUT
from tests.unit.declared import takes_value


def request(*argv: str) -> RunRequest:
    parsed = parse(list(argv))
    assert parsed is not None
    return parsed.request


def output(*argv: str) -> Output:
    parsed = parse(list(argv))
    assert parsed is not None
    return parsed.output


def refusal(*argv: str) -> str:
    with pytest.raises(InvalidValue) as refused:
        parse(list(argv))
    line = in_options(str(refused.value))
    assert line
    assert "\n" not in line
    return line


def test_a_command_alone_runs_with_the_defaults() -> None:
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
def test_options_end_at_the_first_other_word(command: tuple[str, ...]) -> None:
    """All later words belong to the command, even if they look like options."""
    assert request("--mem", "20M", *command).command == command
    assert request("-q", "--", *command).command == command


def test_only_the_first_double_dash_is_removed() -> None:
    assert request("--", "--", "x").command == ("--", "x")
    assert request("--", "-x").command == ("-x",)
    assert request("x", "--", "y").command == ("x", "--", "y")


def test_every_option_sets_its_field() -> None:
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


@pytest.mark.parametrize(
    ("argv", "field", "value"),
    [
        (["--mem-high", "15M"], "memory_high", 15 * 1024**2),
        (["--zswap", "0"], "memory_zswap_max", 0),
        (["--swap", "infinity"], "memory_swap_max", INFINITY),
        (["--cpus", "0.5"], "cpu_quota", 0.5),
        (["--cpus", "2"], "cpu_quota", 2.0),
        (["--cpus", ".5"], "cpu_quota", 0.5),
        (["--cpus", "12.34567"], "cpu_quota", 12.34567),
        (["--cpus", "10000"], "cpu_quota", 10000.0),
        (["--cpu-weight", "50"], "cpu_weight", 50),
        (["--tasks", "100"], "tasks_max", 100),
        (["--tasks", "infinity"], "tasks_max", INFINITY),
        (["--kill-after", "1min 5s"], "timeout_stop", 65.0),
        (["--kill-after", "0"], "timeout_stop", 0.0),
        (["--timeout", "infinity"], "runtime_max", math.inf),
    ],
)
def test_a_limit_has_an_option(argv: list[str], field: str, value: float) -> None:
    assert request(*argv, "true") == RunRequest(command=("true",), limits=Limits(**{field: value}))


@pytest.mark.parametrize(
    ("argv", "field", "value"),
    [
        (["-E", "A=b", "--setenv", "C=d=e"], "environment", ("A=b", "C=d=e")),
        (["--setenv", "HERE"], "environment", ("HERE=now",)),
        (["--setenv", "NOWHERE"], "environment", ("NOWHERE",)),
        (["--setenv", "EMPTY="], "environment", ("EMPTY=",)),
        (["-d", "/tmp"], "working_directory", "/tmp"),  # noqa: S108  nothing is written there
        (["--working-directory", "sub"], "working_directory", "sub"),
        (["--uid", "nobody"], "user", "nobody"),
        (["--gid", "100"], "group", "100"),
        (["--nice", "19"], "nice", 19),
        (["--nice=-20"], "nice", -20),
        (["--nice", "0"], "nice", 0),
        (["--oom-score-adj", "1000"], "oom_score_adj", 1000),
        (["--oom-score-adj=-1000"], "oom_score_adj", -1000),
        (["--oom-score-adj", "0"], "oom_score_adj", 0),
    ],
)
def test_how_the_command_starts_has_an_option(
    argv: list[str], field: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERE", "now")
    monkeypatch.delenv("NOWHERE", raising=False)
    fields: dict[str, Any] = {field: value}
    assert request(*argv, "true") == RunRequest(command=("true",), context=ExecContext(**fields))


@pytest.mark.parametrize(
    ("argv", "field", "value"),
    [
        (["--system"], "system", True),
        (["--system", "--user"], "system", False),
        (["--slice-inherit"], "slice_inherit", True),
        (["--description", "a nightly build"], "description", "a nightly build"),
        (["--wait"], "wait", True),
        (["--kill-leftovers"], "kill_leftovers", True),
    ],
)
def test_an_option_about_the_scope_sets_its_field(argv: list[str], field: str, value: object) -> None:
    fields: dict[str, Any] = {field: value}
    assert request(*argv, "true") == RunRequest(command=("true",), **fields)


def test_a_size_can_be_a_share_of_memory() -> None:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    asked = request("--mem", "50%", "--swap", "0%", "-p", "MemoryHigh=25%", "-p", "TasksMax=10%", "true")
    assert (asked.limits.memory_max, asked.limits.memory_swap_max) == (memory // 2, 0)
    assert asked.properties == (f"MemoryHigh={memory // 4}", "TasksMax=10%")


def test_the_environment_can_ask_for_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOPERUN_REPORT", "from-environment.json")
    assert output("true").report == "from-environment.json"
    assert output("--report", "from-option.json", "true").report == "from-option.json"


@pytest.mark.parametrize("given", [{}, {"LC_CTYPE": "C"}, {"LC_CTYPE": "C.UTF-8"}])
def test_a_variable_that_python_sets_in_the_c_locale_is_not_the_users(given: dict[str, str]) -> None:
    """PEP 538."""
    code = "from scoperun.console.option_values import variable; print(variable('LC_CTYPE'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, env=given, stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode() == "".join(("LC_CTYPE", *(f"={value}" for value in given.values()), "\n"))


def test_an_empty_variable_asks_for_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOPERUN_REPORT", "")
    assert output("true").report is None


def test_report_and_exit_status_have_options() -> None:
    assert output("--report-fd", "2", "true") == Output(report_fd=2)
    assert output("--oom-exit-code", "0", "true") == Output(oom_exit_code=0)
    assert output("--oom-exit-code", "255", "true") == Output(oom_exit_code=255)


def test_a_value_can_follow_an_equals_sign() -> None:
    assert request("--mem=20M", "--unit=job", "true") == request("--mem", "20M", "-ujob", "true")


def test_the_last_value_of_an_option_counts() -> None:
    assert request("--mem", "20M", "--mem", "30M", "true").limits.memory_max == 30 * 1024**2
    assert request("--no-require-limits", "--require-limits", "true").require_limits


def test_a_report_goes_to_its_destination() -> None:
    assert output("--report", "r.json", "true") == Output(report="r.json", json=False, quiet=False)
    assert output("--json", "-q", "true") == Output(report=None, json=True, quiet=True)


@pytest.mark.parametrize(
    ("words", "times"),
    [
        (["-q"], 1),
        (["-qq"], 2),
        (["-q", "--quiet"], 2),
        (["-qqq"], 3),
        (["-qq", "--no-quiet"], 0),
        (["--no-quiet", "-q"], 1),
        (["--no-quiet"], 0),
    ],
)
def test_quiet_is_counted(words: list[str], times: int) -> None:
    assert output(*words, "true").quiet == times


def test_the_format_of_the_report_is_a_word() -> None:
    assert output("--report-format", "line", "true").report_format == "line"
    assert output("--report-format", "line", "--report-format=block", "true").report_format == "block"


@pytest.mark.parametrize(
    ("option", "value", "right"),
    [
        ("--mem", "20Q", "e.g. 20M or 1.5G, or infinity"),
        ("--mem", "", "e.g. 20M or 1.5G, or infinity"),
        ("--mem", "-1", "e.g. 20M or 1.5G, or infinity"),
        ("--mem", "0", "no process can run in 0 bytes"),
        ("--mem", "16E", "infinity means no limit"),
        ("--mem", str(2**64), "infinity means no limit"),
        ("--mem", "20MB", "(write 20M)"),
        ("--mem", "20 MiB", "(write 20M)"),
        ("--timeout", "90S", "(write 90s)"),
        ("--swap", "lots", "e.g. 20M or 1.5G, or infinity"),
        ("--timeout", "soon", "terms like 5min 20s"),
        ("--timeout", "0", "infinity means no limit"),
        ("--oom-policy", "panic", "'stop', 'continue', 'kill'"),
        ("--report-format", "yaml", "'block', 'line'"),
        ("--property", "MemoryMx=1", "did you mean MemoryMax=?"),
        ("--property", "Memorymax=1M", "did you mean MemoryMax=?"),
        ("--property", "TasksMax=many", "TasksMax=many"),
        ("--property", "OOMPolicy=panic", "one of stop, continue, kill"),
        ("--property", "MemoryMax", "e.g. MemoryHigh=15M"),
        ("--property", "MemoryMax=20Q", "e.g. 20M or 1.5G, or infinity"),
        ("--property", "LimitAS=1G", "prlimit"),
        ("--property", "LimitAS=1M", "does not exist for scopes"),
        ("--property", "PIDs=1", "is set by scoperun itself"),
        ("--property", "AddRef=yes", "is set by scoperun itself"),
        ("--unit", "a/b", "systemd-escape(1)"),
        ("--unit", "", "letters, digits"),
        ("--unit", "a b", "letters, digits"),
        ("--unit", "ä", "letters, digits"),
        ("--unit", "x" * 256, "at most 255 characters"),
        ("--slice", "a/b", "systemd-escape(1)"),
        ("--mem-high", "0", "no process can run in 0 bytes"),
        ("--mem", "1", "did you mean 1M? at least 4096"),
        ("--mem", "0.5K", "at least 4096; infinity means no limit"),
        ("--mem", "4095", "'4095' is less than a page of memory"),
        ("--mem-high", "0.000001%", "is less than a page of memory"),
        ("--mem", "101%", "at most 100%"),
        ("--zswap", "-1", "e.g. 20M or 1.5G, or infinity"),
        ("--cpus", "0", "e.g. 2 or 0.5"),
        ("--cpus", "many", "e.g. 2 or 0.5"),
        ("--cpus", "nan", "e.g. 2 or 0.5"),
        ("--cpus", "inf", "e.g. 2 or 0.5"),
        ("--cpus", "50%", "(write 0.5)"),
        ("--cpus", "0%", "(e.g. 2 or 0.5)"),
        ("--cpus", "0.5%", "e.g. 2 or 0.5"),
        ("--cpus", "0,5", "(write 0.5)"),
        ("--cpus", "0,5,5", "(e.g. 2 or 0.5)"),
        ("--cpus", "\u0662", "e.g. 2 or 0.5"),
        ("--cpus", "1_0", "e.g. 2 or 0.5"),
        ("--cpus", " 2 ", "e.g. 2 or 0.5"),
        ("--cpus", "1e1", "e.g. 2 or 0.5"),
        ("--cpus", "9" * 5000, "e.g. 2 or 0.5"),
        ("--cpu-weight", "0", "from 1 to 10000"),
        ("--cpu-weight", "idle", "from 1 to 10000; the default is 100"),
        ("--tasks", "10%", "e.g. 100, or infinity"),
        ("--tasks", "many", "e.g. 100, or infinity"),
        ("--nice", "20", "-20 to 19"),
        ("--nice", "-21", "-20 to 19"),
        ("--nice", "--5", "-20 to 19"),
        ("--oom-score-adj", "1001", "-1000 to 1000"),
        ("--oom-score-adj", "-1001", "-1000 to 1000"),
        ("--oom-score-adj", "--5", "-1000 to 1000"),
        ("--oom-score-adj", "+5", "-1000 to 1000"),
        ("--oom-score-adj", "5.0", "-1000 to 1000"),
        ("--oom-score-adj", "\u0663", "-1000 to 1000"),
        ("--oom-score-adj", "9" * 5000, "-1000 to 1000"),
        ("--oom-score-adj", "-", "-1000 to 1000"),
        ("--kill-after", "soon", "terms like 5min 20s"),
        ("--cpu-time", "soon", "terms like 5min 20s"),
        ("--cpu-time", "0", "infinity means no limit"),
        ("--setenv", "=x", "NAME=VALUE"),
        ("--setenv", "", "NAME=VALUE"),
        ("--report", "-", "--report-fd N"),
        ("--report", "/dev/stdout", "--report-fd N"),
        ("--report", "/dev/fd/5", "--report-fd N"),
        ("--report-fd", "-1", "3>report.json"),
        ("--report-fd", "stdout", "3>report.json"),
        ("--report-fd", "", "3>report.json"),
        ("--oom-exit-code", "256", "0 to 255"),
        ("--oom-exit-code", "-1", "0 to 255"),
        ("--oom-exit-code", "\u0663", "0 to 255"),
        ("--oom-exit-code", "9" * 5000, "0 to 255"),
        ("--property", "ConditionPathExist=/x", "did you mean ConditionPathExists=?"),
        ("--property", "MemoryLimit=1M", "write MemoryMax="),
        ("--property", "User=nobody", "--uid USER"),
    ],
)
def test_a_bad_value_is_reported_with_its_option_the_value_and_a_remedy(option: str, value: str, right: str) -> None:
    line = refusal(option, value, "true")
    assert f"'{option}'" in line
    assert (value if option == "--property" else repr(value)).partition("=")[0] in line
    assert right in line


def test_an_unwritable_descriptor_is_refused() -> None:
    with open(os.devnull, "rb") as file:
        fd = file.fileno()
        assert f"descriptor {fd} is not open for writing" in refusal("--report-fd", str(fd), "true")


@pytest.mark.parametrize(
    ("option", "value", "right"),
    [
        ("--tasks", "0", "no process can run among 0 tasks (at least 1)"),
        ("--description", "caf\udce9", "UTF-8"),
        ("--report-fd", "987", "descriptor 987 is not open (e.g. 3 with 3>report.json)"),
        ("--report-fd", "99999999999999999999", "descriptor 99999999999999999999 is not open"),
        ("--report-fd", "9" * 5000, "is not open (e.g. 3 with 3>report.json)"),
    ],
)
def test_a_bad_value_of_a_property_is_reported_with_its_option_and_a_remedy(
    option: str, value: str, right: str
) -> None:
    line = refusal(option, value, "true")
    assert f"'{option}'" in line
    assert right in line


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--mem"], "--mem needs a SIZE"),
        (["--mem", "--", "true"], "--mem needs a SIZE"),
        (["--soft-mem", "--tasks", "5", "true"], "--soft-mem needs a SIZE[:SIGNAL]"),
        (["--tasks", "-q", "true"], "--tasks needs an N"),
        (["--oom-policy", "--", "true"], "--oom-policy needs one of stop, continue, kill"),
        (["-p"], "--property needs a NAME=VALUE"),
        (["--json=1", "true"], "--json does not take a value"),
        (["--no-wait=yes", "true"], "--no-wait does not take a value"),
        (["-x", "true"], "no such option: -x (scoperun --help lists all options)"),
        (["-qx", "true"], "no such option: -x (scoperun --help lists all options)"),
        (["--mme", "20M", "true"], "no such option: --mme (did you mean --mem?)"),
        (["--memm", "20M", "true"], "no such option: --memm (did you mean --mem?)"),
    ],
)
def test_an_unknown_option_is_named(argv: list[str], line: str) -> None:
    assert refusal(*argv) == line


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("--memory", "did you mean --mem?"),
        ("--ram", "did you mean --mem?"),
        ("--MEM", "did you mean --mem?"),
        ("--memory-max", "did you mean --mem?"),
        ("--cpu", "did you mean --cpus?"),
        ("--env", "did you mean --setenv?"),
        ("-e", "did you mean --setenv?"),
        ("-C", "did you mean --working-directory?"),
        ("--scope", "leave it out: scoperun always makes a scope"),
        ("--collect", "leave it out: systemd always forgets"),
        ("-G", "leave it out: systemd always forgets"),
        ("--same-dir", "leave it out: COMMAND starts in this directory"),
        ("--pty", "leave it out: COMMAND always has scoperun's own streams"),
        ("-t", "leave it out: COMMAND always has scoperun's own streams"),
        ("--pipe", "leave it out: COMMAND always has scoperun's own streams"),
        ("--slic", "did you mean --slice?"),
    ],
)
def test_an_option_of_another_program_is_answered_with_ours_or_why_it_is_not_needed(name: str, said: str) -> None:
    assert refusal(name, "true").startswith(f"no such option: {name} ({said}")


def test_what_we_say_of_other_programs_options_is_of_options_that_we_have_or_have_not() -> None:
    ours = takes_value()
    assert {name for name in (*unknown_options.OURS, *unknown_options.UNNECESSARY) if name in ours} == set()
    assert {name for name in (*unknown_options.OURS.values(), *unknown_options.MISTAKEN) if name not in ours} == set()


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("-d", "--working-directory needs a DIR (-d DIR is --working-directory; for systemd-run's -d, "),
        ("-P", "--profile needs a NAME (-P NAME is --profile; for systemd-run's -P, --pipe, leave it out)"),
    ],
)
def test_an_option_that_takes_no_value_for_systemd_run_is_explained(option: str, line: str) -> None:
    assert refusal(option).startswith(line)


@pytest.mark.parametrize("argv", [["--me", "20M", "true"], ["--ti", "5", "true"]])
def test_an_option_cannot_be_abbreviated(argv: list[str]) -> None:
    """A unique abbreviation can become ambiguous with the next option."""
    assert refusal(*argv).startswith(f"no such option: {argv[0]}")


@pytest.mark.parametrize("argv", [[], ["--"], ["--mem", "20M"], ["--mem", "20M", "--"], ["--", ""], [""]])
def test_a_missing_command_is_reported_as_such(argv: list[str]) -> None:
    assert "command" in refusal(*argv).lower()


@pytest.mark.parametrize(
    ("argv", "option"),
    [
        (["--tasks", "x", "--mem", "20Q", "true"], "--tasks"),
        (["--mem", "20Q", "--tasks", "x", "true"], "--mem"),
        (["--mem", "1M", "--tasks", "x", "--mem", "20Q", "true"], "--mem"),
        (["-p", "TasksMax=5", "--mem", "20Q", "-p", "TasksMx=5", "true"], "--property"),
        (["--mem", "20Q"], "--mem"),
    ],
)
def test_of_two_mistakes_the_one_of_the_first_option_is_reported(argv: list[str], option: str) -> None:
    assert f"'{option}'" in refusal(*argv)


def test_a_bad_option_is_reported_before_a_bad_value() -> None:
    assert refusal("--mem", "20Q", "-x", "true") == "no such option: -x (scoperun --help lists all options)"


def test_a_value_that_is_overridden_is_not_checked() -> None:
    assert request("--mem", "20Q", "--mem", "1M", "true").limits.memory_max == 1 << 20


def test_a_bad_value_from_the_environment_is_reported_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOPERUN_REPORT", "-")
    assert refusal("true") == "SCOPERUN_REPORT: '-' is a stream, not a file (--report-fd N writes to descriptor N)"
    assert output("--report", "r.json", "true").report == "r.json"


PIPED = [
    ("TasksMax=5", [], "properties=('TasksMax=5',)"),
    ("TasksMax=5", ["--mem", "20Q"], "Invalid value for '--mem': "),
    ("TasksMx=5", [], "Invalid value for '-p' / '--property': /dev/stdin:1: unknown property 'TasksMx'"),
    ("TasksMx=5", ["-p", "@/dev/stdin"], "Invalid value for '-p' / '--property': /dev/stdin:1: unknown property"),
    ("TasksMx=5", ["--mem", "20Q"], "Invalid value for '-p' / '--property': /dev/stdin:1: unknown property"),
]
READING = """
import sys
from scoperun.cli.options import parse
try:
    print(parse([*sys.argv[1:], "true"]).request)
except Exception as error:
    print(error)
"""


@pytest.mark.parametrize(("text", "words", "said"), PIPED)
def test_a_pipe_is_read_once(text: str, words: list[str], said: str) -> None:
    """Also if its content is wrong, and typer reports that."""
    command = [sys.executable, "-c", READING, "-p", "@/dev/stdin", *words]
    assert said in subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def test_interrupting_the_wait_for_properties_starts_nothing(tmp_path: Path) -> None:
    """The exit status says so."""
    os.mkfifo(tmp_path / "properties")
    words = ["-m", "scoperun", "-p", f"@{tmp_path}/properties", "--dry-run", "true"]
    command = ["env", "--default-signal=INT", sys.executable, *words]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        open(tmp_path / "properties", "w", encoding="ascii"),  # waits for its reader
    ):
        process.send_signal(signal.SIGINT)
        said = process.communicate()
    assert (process.returncode, *said) == (125, "", "scoperun: interrupted\n")


def test_a_text_that_d_bus_cannot_carry_is_refused_before_anything_starts() -> None:
    assert "'--property'" in refusal("-p", "Description=caf\udce9", "true")


def test_version_prints_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["--version"]) is None
    assert capsys.readouterr() == (f"scoperun {__version__}\n", "")


def test_the_command_as_a_value_of_d_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For systemd-run -d takes no value; a folder of that name is a folder all the same."""
    monkeypatch.chdir(tmp_path)
    assert refusal("-d", "env", "true") == (
        "--working-directory: 'env' is not a directory "
        "(-d DIR is --working-directory; for systemd-run's -d, --same-dir, leave it out)"
    )
    (tmp_path / "env").mkdir()
    assert request("-d", "env", "true").context.working_directory == "env"


@pytest.mark.parametrize(
    ("option", "said"), [("-d", "'env' is not a directory (-d DIR "), ("-P", "no command to run (-P ")]
)
def test_the_command_is_missed_if_it_was_taken_for_a_value(option: str, said: str) -> None:
    assert said in refusal(option, "env")


def test_the_command_as_a_profile_is_explained() -> None:
    assert refusal("-P", "env", "true").endswith("; -P NAME is --profile; for systemd-run's -P, --pipe, leave it out)")
    assert "systemd-run" not in refusal("-P", "no-such-program", "true")


@pytest.mark.parametrize(
    ("argv", "late"),
    [
        (["make", "--mem", "20M"], ["--mem"]),
        (["-q", "--tasks", "5", "make", "all", "--mem=20M", "--cpus", "2"], ["--mem", "--cpus"]),
        (["--", "make", "--mem", "20M"], []),
        (["make", "--", "--mem", "20M"], []),
        (["make", "--mem", "20M", "--"], ["--mem"]),
        (["make", "--memory", "20M", "--quiet", "--user", "-p"], []),
        (["--mem", "20M", "make"], []),
        (["--description", "--", "make", "--mem", "20M"], []),
    ],
)
def test_a_limit_after_the_command_is_noticed(argv: list[str], late: list[str]) -> None:
    assert late_options(argv, request(*argv).command) == late


def test_a_limit_after_the_command_is_the_commands_and_a_note_says_so() -> None:
    words = [sys.executable, "-m", "scoperun", "--dry-run", "true", "--mem", "20M"]
    noted = subprocess.run(words, capture_output=True, text=True, check=True)
    assert noted.stderr == (
        "scoperun: note: the command gets --mem, which is written after it; "
        "scoperun's options come before the command (with -- before the command there is no such note)\n"
    )
    assert noted.stdout.endswith(" -- true --mem 20M\n")
    assert subprocess.run([*words[:4], "-q", *words[4:]], capture_output=True, check=True).stderr == b""


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["--mem", "20M", "--help", "no", "matter"]])
def test_help_prints_the_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(argv) is None
    out, err = capsys.readouterr()
    assert out.startswith("Usage: scoperun [OPTIONS] [--] COMMAND [ARGS]...\n")
    assert err == ""


def test_help_lists_exactly_the_existing_options(capsys: pytest.CaptureFixture[str]) -> None:
    parse(["--help"])
    listed = re.findall("^  (-.*?)(?:  .*)?$", capsys.readouterr().out, flags=re.MULTILINE)
    assert set(re.findall(r"(?<!\w)--?[A-Za-z][a-z-]*", " ".join(listed))) == set(takes_value())


def test_help_shows_the_usual_first_and_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    parse(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    first = "\n".join(lines[:24])
    assert first.count("\n  scoperun --") == 3
    usual = [option.names[-1] for option in OPTIONS if option.is_usual]
    assert len(usual) == 10
    assert [name for name in usual if not re.search(rf"{name}[ ,]", first)] == []
    assert lines.index("Memory:") >= lines.index("The usual options:")


def test_help_names_the_property_that_each_limit_sets(capsys: pytest.CaptureFixture[str]) -> None:
    parse(["--help"])
    shown = capsys.readouterr().out
    for name in "MemoryMax=", "MemorySwapMax=", "RuntimeMaxSec=", "OOMPolicy=", "Slice=":
        assert f"({name})" in shown


QUICK = """
import sys
import scoperun
from scoperun.cli import command as cli
from scoperun.cli import options

for argv in ["--version"], ["--help"], ["--mem", "20Q", "true"], ["--no-such-option"], []:
    sys.argv[1:] = argv
    print(cli.main(), *sorted({"asyncio", "dbus_next"} & set(sys.modules)), file=sys.stderr)
"""


def test_nothing_heavy_is_imported_before_the_arguments_are_checked() -> None:
    run = subprocess.run([sys.executable, "-c", QUICK], capture_output=True, text=True, check=True)
    said = [line for line in run.stderr.splitlines() if not line.startswith("scoperun: ")]
    assert said == ["0", "0", "125", "125", "125"]
    assert run.stdout.startswith(f"scoperun {__version__}\nUsage: ")
    assert run.stderr.count("scoperun: ") == 3


def test_an_output_in_a_removed_working_directory_is_refused_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert parse(["--report", "x", "--log", "y", "true"]) is not None
    with pytest.raises(InvalidValue, match="--report and --log are the same file: "):
        parse(["--report", "x", "--log", "x", "true"])


def test_two_outputs_into_one_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("x")
    refused = "--report and --timeline are the same file: "
    with pytest.raises(InvalidValue, match=refused):
        parse(["--report", f"{tmp_path}/x", "--timeline", f"{tmp_path}/link", "true"])
    with pytest.raises(InvalidValue, match="--log and --trace are the same file: "):
        parse(["--log", f"{tmp_path}/x", "--trace", f"{tmp_path}/../{tmp_path.name}/x", "true"])
    assert parse(["--report", "/dev/null", "--log", "/dev/null", "--timeline", f"{tmp_path}/x", "true"]) is not None
