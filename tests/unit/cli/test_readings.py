"""The command line has two parsers, a plain one and typer, and both give the same result.

The plain one gives up at a mistake or a question, and only there.
"""

import itertools
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from scoperun.cli.declaration import declaration, read
from scoperun.cli.options import OPTIONS, asked
from scoperun.console import plain
from scoperun.console.option import Option
from scoperun.console.plain import NotPlain
from scoperun.console.reading import Reading
from scoperun.errors import InvalidValue

pytestmark = pytest.mark.usefixtures("config")

DECLARED = declaration(OPTIONS)

VALUES = {
    "profile": ["build"],
    "config": ["limits.toml"],
    "mem": ["20M", "1.5G", "50%", "infinity"],
    "mem-high": ["15M"],
    "soft-mem": ["15M", "15M:USR1", "15M:none", "infinity"],
    "soft-pressure": ["30%/2s", "5%/10s:USR1", "30%/2s:none", "infinity"],
    "swap": ["0", "1M"],
    "zswap": ["0%"],
    "cpus": ["0.5", "2"],
    "cpu-weight": ["50"],
    "tasks": ["100"],
    "timeout": ["5min 20s", "90"],
    "cpu-time": ["1.5", "2min"],
    "kill-after": ["0", "infinity"],
    "oom-policy": ["stop", "continue", "kill"],
    "property": ["TasksMax=9", "MemoryHigh=15%", "Wants=a.service b.service", "@properties"],
    "unit": ["job", "job-1.scope"],
    "slice": ["heavy", "a-b.slice"],
    "description": ["a nightly build", "--", "--mem"],
    "setenv": ["A=b", "C=d=e", "HOME", "-=1"],
    "working-directory": ["/", ".", "--", "-q"],
    "uid": ["nobody", "0"],
    "gid": ["100"],
    "nice": ["19", "-20"],
    "oom-score-adj": ["500", "-1000"],
    "report": ["r.json", "--help"],
    "report-fd": ["2"],
    "report-format": ["block", "line"],
    "on-oom": ["./tell", "--help"],
    "log": ["runs.log", "--help"],
    "record": ["build", "n\u00e4chtlich-1.2"],
    "record-keep": ["1", "infinity"],
    "record-keep-for": ["90d", "infinity"],
    "timeline": ["t.csv", "--help"],
    "timeline-interval": ["0.5", "10ms"],
    "trace": ["t.jsonl", "--help"],
    "oom-exit-code": ["0", "255"],
}
"""Values for each option, among them some that look like options."""

NEEDED = {
    "timeline-interval": ("--timeline", "t.csv"),
    "record-keep": ("--record", "build"),
    "record-keep-for": ("--record", "build"),
}
"""What an option has no effect without."""

FLAGS = [(name,) for option in OPTIONS if not option.takes_value and not option.is_answer for name in option.names]
FLAGS += [(option.contrary,) for option in OPTIONS if option.contrary is not None]

CONFIG = """
[defaults]
property = ["TasksMax=5", "IOWeight=5", "Wants=c.service"]
setenv = ["A=1", "HOME"]
report = "config.json"
[profiles.build]
mem = "4G"
nice = 5
require-limits = false
oom-policy = "kill"
"""


def written(option: Option, text: str) -> list[tuple[str, ...]]:
    """Return the ways to write an option with a value."""
    *short, long = option.names
    apart = [(name, text) for name in option.names]
    joined = [(f"{name}{text}",) for name in short if text]
    among_flags = [(f"-qq{name[1]}", text) for name in short]
    return [*apart, *joined, *among_flags, (f"{long}={text}",)]


OPTIONAL = {"die-with-parent": ["1", "4194304", ""]}
"""Values of options that can be without one."""

GIVEN = [
    words for option in OPTIONS if option.takes_value for text in VALUES[option.name] for words in written(option, text)
]
GIVEN += [(f"--{name}={text}",) for name, texts in OPTIONAL.items() for text in texts]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with the files that options name."""
    (tmp_path / "properties").write_text("TasksMax=5\nMemoryHigh=1M\n")
    (tmp_path / "limits.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def same(*argv: str) -> Reading:
    """Return the result, the same from both parsers. The order counts too: the first of two mistakes is reported."""
    plainly, by_typer = plain.read(argv, OPTIONS), read(argv, DECLARED)
    assert by_typer == plainly
    assert list(by_typer.given) == list(plainly.given)
    return plainly


def test_every_option_with_a_value_is_tested() -> None:
    assert set(VALUES) == {option.name for option in OPTIONS if option.takes_value}
    assert set(OPTIONAL) == {option.name for option in OPTIONS if option.is_optional}


@pytest.mark.parametrize("words", [*FLAGS, *GIVEN], ids=" ".join)
def test_every_spelling_of_an_option_is_parsed_the_same(words: tuple[str, ...]) -> None:
    for command in ["true"], ["--", "-x"], ["--", "--", "true"], ["-", "--mem"]:
        assert same(*words, *command).command == tuple(command[command[0] == "--" :])


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("name", "texts"), VALUES.items(), ids=list(VALUES))
@pytest.mark.parametrize("variables", [{}, {"SCOPERUN_PROFILE": "build", "SCOPERUN_REPORT": "environment.json"}])
def test_both_parsers_lead_to_the_same_request(
    name: str, texts: list[str], variables: dict[str, str], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With everything that the environment and a config file add."""
    config.write_text(CONFIG)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    (option,) = (option for option in OPTIONS if option.name == name)
    for words in itertools.chain.from_iterable(written(option, text) for text in texts):
        argv = [*words, *NEEDED.get(name, ()), "--", "true"]
        by_typer = read(argv, DECLARED)
        assert by_typer is not None
        assert asked(plain.read(argv, OPTIONS)) == asked(by_typer)


JUNK = [
    "--", "-", "", "---", "--=", "-=", "-=x", "--mem=", "--mem", "-p", "-pq", "-qp", "-p=", "-qx", "-x", "-é", "-mem",
    "--mme", "--me", "--json=1", "--no-mem", "--no-quiet=", "--nope\x1b", "--é=5", "-u", "-\udcff", "word", "-Eq",
    "-qE", "-qqd", "--die-with-parent=", "--no-die-with-parent=1",
]  # fmt: skip
QUESTIONS = ["--version", "--help", "-h", "-qh", "-hx"]
COMMANDS = [
    ["true"],
    ["make", "-j4", "--mem", "20M"],
    ["--", "true"],
    ["--", "-x"],
    ["env", "--", "--"],
    [""],
    ["--"],
    [],
]
ENDINGS = {"read": 800, "refused": 600, "answered": 20}
"""The least number of lines per seed with this ending: a test with only mistakes, or none, would prove nothing."""


def line(rng: random.Random) -> list[str]:
    """Return random words, mostly options."""
    words: list[str] = []
    for _ in range(rng.randrange(6)):
        kind = rng.random()
        if kind < 0.12:
            words.append(rng.choice(JUNK))
        elif kind < 0.14:
            words.append(rng.choice(QUESTIONS))
        else:
            words += rng.choice(FLAGS if kind < 0.4 else GIVEN)
    return words + rng.choice(COMMANDS)


def typers(argv: list[str]) -> Reading | str:
    """Return what typer parses, or its error."""
    try:
        reading = read(argv, DECLARED)
    except InvalidValue as error:
        return str(error)
    return "answered" if reading is None else reading


def ending(argv: list[str]) -> str:
    """Return how a line ends: in a result or in an error, in the same form for both parsers."""
    by_typer = typers(argv)
    try:
        plainly = plain.read(argv, OPTIONS)
    except NotPlain:
        assert isinstance(by_typer, str), argv
        return "answered" if by_typer == "answered" else "refused"
    if not plainly.command:
        assert by_typer == "no command to run (scoperun --help shows what to write)", argv
        return "refused"
    assert by_typer == plainly
    assert list(by_typer.given) == list(plainly.given)
    return "read"


@pytest.mark.parametrize("seed", range(5))
def test_random_lines_are_parsed_the_same(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(seed)  # noqa: S311  no secret
    endings = Counter(ending(line(rng)) for _ in range(2000))
    assert endings >= Counter(ENDINGS)
    assert capsys.readouterr().err == ""


EVERYDAY = [
    [],
    ["--mem", "20M"],
    ["--mem=20M", "--swap", "1M", "--soft-mem", "10M:USR1", "--zswap=0"],
    ["--mem-high", "15M", "--cpus", "0.5", "--cpu-weight", "50", "--tasks", "100"],
    ["--timeout", "5min 20s", "--kill-after", "5", "--oom-policy", "continue", "-q"],
    ["-p", "MemoryLow=10M", "-p", "AllowedCPUs=0-3", "-pIOWeight=50", "--property=TasksMax=10%"],
    ["-p", "@properties"],
    ["--config", "limits.toml", "-P", "build"],
    ["--no-config", "--no-require-limits"],
    ["--system", "-u", "job", "--slice", "heavy", "--slice-inherit", "--description", "a nightly build"],
    ["--user", "-E", "A=b", "-E", "HOME", "-d", "/", "--nice", "5"],
    ["--uid", "nobody", "--gid", "100", "--wait", "--kill-leftovers"],
    ["--report", "r.json", "--report-fd", "2", "--timeline", "t.csv", "--json", "--oom-log", "--oom-exit-code", "99"],
    ["-qqd/", "--dry-run"],
    ["--die-with-scoperun", "--die-with-parent", "--no-die-with-parent", "--die-with-parent=1"],
]
"""Command lines without a mistake, as people and programs write them."""

PROFILED = [["-P", "build"], ["--profile=build", "--mem", "1G", "--no-quiet"]]

PARSING = """
import sys
from scoperun.cli.command import main
from scoperun.cli.options import parse
for options in {lines!r}:
    for command in (["true"], ["--", "true", "--help"]):
        assert parse([*options, *command]).request.command[0] == "true"
        assert not {{"typer", "click", "rich", "inspect"}} & set(sys.modules), options
sys.argv[1:] = ["--dry-run", "--mem", "20M", "true"]
assert main() == 0
assert "typer" not in sys.modules
"""


def shown_without_typer(*lines: list[str]) -> str:
    """Parse the lines without typer, and return what the last one would ask for."""
    words = [sys.executable, "-c", PARSING.format(lines=lines)]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.usefixtures("folder")
def test_everyday_lines_need_no_typer() -> None:
    assert "MemoryMax=20971520 " in shown_without_typer(*EVERYDAY)


@pytest.mark.usefixtures("folder")
def test_a_config_file_and_the_environment_need_no_typer(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text(CONFIG)
    monkeypatch.setenv("SCOPERUN_PROFILE", "build")
    monkeypatch.setenv("SCOPERUN_REPORT", "environment.json")
    assert f"  {config}:10 [profiles.build]\n" in shown_without_typer(*EVERYDAY, *PROFILED)
