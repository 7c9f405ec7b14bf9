"""The completions know every option, and start no Python at a TAB."""

import itertools
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from scoperun.console.options import OPTIONS
from scoperun.spec.settings import SETTINGS
from tests.documents import CHECKOUT
from tests.unit.declared import takes_value

FOLDER = CHECKOUT / "completions"
OPTION = r"(?<![\w-])--?[A-Za-z][a-z-]*"

CONFIG = """
[defaults]
mem = "1G"
[profiles.build]
mem = "4G"
[profiles."a.b"]
tasks = 10
"""

SYSTEMCTL = """#!/bin/sh
case "$*" in
*--system*) echo system.slice loaded active active a slice of the system ;;
*) echo app.slice loaded active active a slice; echo t.slice loaded active active another ;;
esac
"""


def in_bash() -> dict[str, bool]:
    text = (FOLDER / "scoperun.bash").read_text()
    lists = {name: re.findall(OPTION, re.findall(rf"{name}='([^']*)'", text)[0]) for name in ("with_value", "flags")}
    return dict.fromkeys(lists["with_value"], True) | dict.fromkeys(lists["flags"], False)


def in_zsh() -> dict[str, bool]:
    specs = [line.partition("[")[0] for line in (FOLDER / "scoperun.zsh").read_text().splitlines() if "--" in line]
    specs = [re.sub(r"^  ['\"]\(.*?\)", "", spec) for spec in specs if re.match(" *['\"]", spec)]
    return {name: bool(value) for spec in specs for name, value in re.findall(rf"({OPTION})(=(?!-)|\+)?", spec)}


def in_fish() -> dict[str, bool]:
    text = (FOLDER / "scoperun.fish").read_text()
    found = {}
    for line in re.findall("^complete -c scoperun -n __scoperun_in_options (.*)$", text, flags=re.MULTILINE):
        words = shlex.split(line)
        names = [name for flag, name in itertools.pairwise(words) if flag in {"-l", "-s"}]
        names = [f"-{name}" if len(name) == 1 else f"--{name}" for name in names]
        found |= dict.fromkeys(names, not {"-x", "-r"}.isdisjoint(words))
    (listed,) = re.findall(r"set -g __scoperun_with_value ((?:.*\\\n)*.*)", text)
    assert sorted(re.findall(OPTION, listed)) == sorted(name for name, value in found.items() if value)
    return found


@pytest.mark.parametrize("options", [in_bash, in_zsh, in_fish])
def test_a_completion_has_exactly_the_existing_options(options: Callable[[], dict[str, bool]]) -> None:
    assert options() == takes_value()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_has_the_properties_of_scopes(shell: str) -> None:
    text = (FOLDER / f"scoperun.{shell}").read_text()
    lines = re.findall(r"^ +([A-Z]\w+(?: [A-Z]\w+)*)[ \\']*$", text, flags=re.MULTILINE)
    assert " ".join(lines).split() == sorted(SETTINGS)


OFFERS = {
    "bash": {
        "file": "_scoperun_files -f",
        "folder": "_scoperun_files -d",
        "profile": "_scoperun_profiles",
        "property": "_scoperun_property",
        "slice": "_scoperun_slices",
        "variable": "compgen -e",
        "user": "compgen -u",
        "group": "compgen -g",
        "stop continue kill": "stop continue kill",
        "block line": "block line",
    },
    "zsh": {
        "file": ":_files",
        "folder": "_directories",
        "descriptor": "_file_descriptors",
        "profile": "_scoperun_profiles",
        "property": "_scoperun_property",
        "slice": "_scoperun_slices",
        "process": ":_pids",
        "variable": "_parameters",
        "user": "_users",
        "group": "_groups",
        "stop continue kill": "(stop continue kill)",
        "block line": "(block line)",
    },
    "fish": {
        "file": "-r -F",
        "folder": "__fish_complete_directories",
        "profile": "__scoperun_profiles",
        "property": "__scoperun_property",
        "slice": "__scoperun_slices",
        "variable": "set -xn",
        "user": "__fish_complete_users",
        "group": "__fish_complete_groups",
        "stop continue kill": "'stop continue kill'",
        "block line": "'block line'",
    },
}
"""The words that tell each shell what to offer; bash and fish cannot complete descriptors."""

OPTIONS_WITH_VALUE = {
    "bash": (r"^        (-.*\) .*) ;;$", r"--([a-z-]+)(?= \||\))"),
    "zsh": (r"^  '(.*=.*)$", r"--([a-z-]+)="),
    "fish": (r"^complete -c scoperun -n __scoperun_in_options (-[xr] .*)$", r"-l ([a-z-]+)"),
}
"""The lines that say what is offered, and how they name an option."""


@pytest.mark.parametrize("shell", OFFERS)
def test_a_completion_offers_the_kind_of_value_that_an_option_takes(shell: str) -> None:
    text = (FOLDER / f"scoperun.{shell}").read_text()
    line, name = OPTIONS_WITH_VALUE[shell]
    offered = {
        option: completion
        for offer in re.findall(line, text, flags=re.MULTILINE)
        for completion, marker in OFFERS[shell].items()
        if marker in offer
        for option in re.findall(name, offer)
    }
    assert offered == {option.name: option.completion for option in OPTIONS if option.completion in OFFERS[shell]}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a home with a config file, two files, and programs; the test fails if a forbidden one is started."""
    programs = {"systemctl": SYSTEMCTL, **dict.fromkeys(["scoperun", "python3"], "#!/bin/sh\n>started\n")}
    (tmp_path / "bin").mkdir()
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / ".config/scoperun").mkdir(parents=True)
    (tmp_path / ".config/scoperun/config.toml").write_text(CONFIG)
    (tmp_path / "report.json").touch()
    (tmp_path / "reports").mkdir()
    return tmp_path


def completed(line: str, place: Path, *, loaded: str = "") -> list[str]:
    """Return what bash offers at the end of a line, which is split as bash does it for completions."""
    words = [piece for word in line.split(" ") for piece in re.findall("[=:@]|[^=:@]+", word) or [""]]
    script = f"""
        {loaded}
        . {shlex.quote(str(FOLDER / "scoperun.bash"))}
        COMP_WORDBREAKS=$' \\t\\n"\\'@><=;|&(:'
        COMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}
        COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)}
        _scoperun scoperun
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    environment = {"HOME": str(place), "PATH": f"{place}/bin:/usr/bin:/bin", "KEPT": "1"}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=place, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert not (place / "started").exists()
    return sorted(done.stdout.split())


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("scoperun --mem", ["--mem", "--mem-high"]),
        ("scoperun --mem 20M --oom-p", ["--oom-policy"]),
        ("scoperun --mem=20M --oom-p", ["--oom-policy"]),
        ("scoperun --json --oom-p", ["--oom-policy"]),
        ("scoperun --mem ", []),
        ("scoperun --oom-policy ", ["continue", "kill", "stop"]),
        ("scoperun --oom-policy=", ["continue", "kill", "stop"]),
        ("scoperun --oom-policy=c", ["continue"]),
        ("scoperun --report-format=", ["block", "line"]),
        ("scoperun -P ", ["a.b", "build"]),
        ("scoperun --profile=b", ["build"]),
        ("scoperun --unit t", []),
        ("scoperun --slice ", ["app.slice", "t.slice"]),
        ("scoperun --system --slice=", ["system.slice"]),
        ("scoperun --report rep", ["report.json", "reports"]),
        ("scoperun --report=rep", ["report.json", "reports"]),
        ("scoperun --config rep", ["report.json", "reports"]),
        ("scoperun --conf", ["--config"]),
        ("scoperun -d rep", ["reports"]),
        ("scoperun -p MemoryLow=1M -d rep", ["reports"]),
        ("scoperun -p @rep", ["@report.json", "@reports"]),
        ("scoperun -p MemoryZ", ["MemoryZSwapMax=", "MemoryZSwapWriteback="]),
        ("scoperun --property MemoryM", ["MemoryMax=", "MemoryMin="]),
        ("scoperun --property=MemoryM", ["MemoryMax=", "MemoryMin="]),
        ("scoperun -p MemoryMax=", []),
        ("scoperun -p MemoryMax=1", []),
        ("scoperun --property=MemoryMax=1", []),
        ("scoperun -p memory", []),
        ("scoperun -E KEP", ["KEPT"]),
        ("scoperun --uid roo", ["root"]),
        ("scoperun mkfif", ["mkfifo"]),
        ("scoperun --mem 20M -- mkfif", ["mkfifo"]),
        ("scoperun -p MemoryLow=1M mkfif", ["mkfifo"]),
        ("scoperun cat rep", ["report.json", "reports"]),
        ("scoperun cat --mem", []),
        ("scoperun -- cat --oom-policy ", [".config", "bin", "report.json", "reports"]),
    ],
)
def test_bash_offers(line: str, offered: list[str], place: Path) -> None:
    assert completed(line, place) == offered


def test_bash_completes_the_command_with_its_own_completion(place: Path) -> None:
    """The function of bash-completion for this takes the index of the word in bash's own split."""
    loaded = "_command_offset() { COMPREPLY=(word-$1); }"
    assert completed("scoperun --mem=20M -p A=1 -- git --no", place, loaded=loaded) == ["word-9"]
    assert completed("scoperun git --no", place, loaded=loaded) == ["word-1"]
