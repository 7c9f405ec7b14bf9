"""The completions work in bash, zsh and fish, in the version that each system has."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .story import GENEROUS
from .terminal import BASH, Terminal

pytestmark = pytest.mark.guest(suite="trixie")  # it takes half a minute

OFFERED = [
    ("scoperun -- mkfif", ["mkfifo"]),
    ("scoperun mkfif", ["mkfifo"]),
    ("scoperun -- ls --colo", ["--color", "--color="]),
    ("scoperun ls --colo", ["--color", "--color="]),
    ("scoperun -q ls --colo", ["--color", "--color="]),
    ("scoperun -q --mem 20M -- ls --colo", ["--color", "--color="]),
    ("scoperun --mem=20M ls --colo", ["--color", "--color="]),
    ("scoperun -p TasksMax=5 -- ls --colo", ["--color", "--color="]),
    ("scoperun -E A=b -p TasksMax=5 ls --colo", ["--color", "--color="]),
    ("scoperun -d 'a folder' ls -l 'a file' --colo", ["--color", "--color="]),
    ("scoperun -- env ls --colo", ["--color", "--color="]),
    ("env scoperun -- ls --colo", ["--color", "--color="]),
    ("scoperun -- scoperun -- ls --colo", ["--color", "--color="]),
    ("scoperun -- scoperun --oom-po", ["--oom-policy"]),
    ("scoperun --oom-po", ["--oom-policy"]),
    ("scoperun -- ls --oom-po", []),
    ("scoperun ls -p MemoryM", []),
    ("scoperun --oom-policy st", ["stop"]),
    ("scoperun -p MemoryM", ["MemoryMax=", "MemoryMin="]),
    ("scoperun -p MemoryMi", ["MemoryMin="]),
    ("scoperun --property MemoryM", ["MemoryMax=", "MemoryMin="]),
    ("scoperun --property=MemoryM", ["--property=MemoryMax=", "--property=MemoryMin="]),
    ("scoperun -pMemoryM", ["-pMemoryMax=", "-pMemoryMin="]),
    ("scoperun -q -p TasksMax=5 -p MemoryM", ["MemoryMax=", "MemoryMin="]),
    ("scoperun -p MemoryMax=1", []),
    ("scoperun -p @rep", ["@report.json"]),
    ("scoperun --property=@rep", ["--property=@report.json"]),
    ("scopectl fr", ["freeze"]),
    ("scopectl set --mem-h", ["--mem-high"]),
    ("scopectl set one --cpu-", ["--cpu-weight"]),
    ("scopectl kill --signal US", ["USR1", "USR2"]),
    ("scopectl top --sort mem", ["memory", "memory+swap"]),
    ("scopectl status init.sc", ["init.scope"]),
    ("scopectl batch pau", ["pause"]),
    ("scopectl batch rep", ["report.json"]),
    ("scopectl batch pause rep", []),
    ("scopectl batch --keep-o", ["--keep-order"]),
    ("scopectl batch --progress li", ["lines"]),
    ("scopectl batch --mem 20M -- mkfif", ["mkfifo"]),
    ("scopectl batch jobs -- ls --colo", ["--color", "--color="]),
    ("scopectl batch -- ls --keep-o", []),
    ("scopectl wait -- mkfif", []),
    ("scopectl advise odd", ["odd;id>OWNED.json"]),
    ("scopectl cap Odd", ["Odd;id Application"]),
    ("scopectl status odd", [r"odd\x2done.service"]),
]


EACH_LINE = "for line in $argv; complete -C $line; echo end of offers; end"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a home with files in it, while a unit runs that has a backslash in its name."""
    folder = tmp_path_factory.mktemp("completions")
    (folder / "report.json").touch()
    (folder / "odd;id>OWNED.json").touch()
    applications = folder / ".local/share/applications"
    applications.mkdir(parents=True)
    (applications / "Odd;id Application.desktop").touch()
    (folder / ".config/scoperun").mkdir(parents=True)
    (folder / ".config/scoperun/config.toml").write_text('[profiles."odd;id"]\n')
    unit = r"odd\x2done.service"
    subprocess.run(["systemd-run", "--user", "-q", "--unit", unit, "sleep", "infinity"], check=True)
    yield folder
    subprocess.run(["systemctl", "--user", "stop", unit], check=True)


@pytest.fixture(scope="module")
def fish_offers(folder: Path) -> dict[str, list[str]]:
    """Return what one fish offers for each line."""
    own = {"HOME": str(folder), "XDG_CONFIG_HOME": f"{folder}/.config", "XDG_DATA_HOME": f"{folder}/.local/share"}
    environment = os.environ | own | {"XDG_DATA_DIRS": "/usr/local/share:/usr/share"}  # required before 4.0
    done = subprocess.run(
        ["fish", "--private", "-c", EACH_LINE, *(line for line, _ in OFFERED)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=True,
    )
    assert done.stderr == ""
    *offers, rest = done.stdout.split("end of offers\n")
    assert rest == ""
    return {line: each.splitlines() for (line, _), each in zip(OFFERED, offers, strict=True)}


@pytest.mark.parametrize(("line", "offered"), OFFERED)
def test_fish_offers(line: str, offered: list[str], fish_offers: dict[str, list[str]]) -> None:
    assert sorted(each.partition("\t")[0] for each in fish_offers[line]) == offered


SAY_WORDS = 'scoperun() { printf \'<%s>\' "$@"; }; scopectl() { scoperun "$@"; }\n'
SHELLS = {
    "zsh": (("zsh", "-f", "-i"), "PS1='>'; autoload -U compinit; compinit -u"),
    "bash": (BASH, "PS1='>'; . /usr/share/bash-completion/bash_completion"),
}


@pytest.fixture(scope="module", params=SHELLS)
def shell(request: pytest.FixtureRequest, folder: Path) -> Iterator[Terminal]:
    """Yield a shell in which the commands are functions that print their words."""
    words, setup = SHELLS[request.param]
    term = Terminal("env", "TERM=dumb", f"HOME={folder}", *words, cwd=folder)
    try:
        term.type(f"{setup}; {SAY_WORDS}")
        yield term
    finally:
        term.end()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("scoperun -- mkfif\t7", "<--><mkfifo><7>"),
        ("scoperun mkfif\t7", "<mkfifo><7>"),
        ("scoperun -- ls --colo\t", "<--><ls><--color"),
        ("scoperun -p TasksMax=5 --mem 20M ls --colo\t", "<ls><--color"),
        ("scoperun --oom-po\t", "<--oom-policy"),
        ("scoperun -p MemoryMi\t7", "<-p><MemoryMin=7>"),
        ("scoperun --property=MemoryMi\t7", "<--property=MemoryMin=7>"),
        ("scoperun -p @rep\t7", "<-p><@report.json><7>"),
        ("scopectl free\t7", "<freeze><7>"),
        ("scopectl set --mem-h\t7", "<set><--mem-high><7>"),
        ("scopectl kill --signal USR\t\t", "USR1"),
        ("scopectl status init.sc\t7", "<status><init.scope><7>"),
        ("scopectl batch pau\t7", "<batch><pause><7>"),
        ("scopectl batch rep\t7", "<batch><report.json><7>"),
        ("scopectl batch --mem 20M -- mkfif\t7", "<--><mkfifo><7>"),
        ("scopectl batch jobs -- ls --colo\t", "<--><ls><--color"),
        ("scopectl advise odd\t7", "<advise><odd;id>OWNED.json><7>"),
        ("scopectl plot odd\t7", "<plot><odd;id>OWNED.json><7>"),
        ("scopectl cap Odd\t7", "<cap><Odd;id Application><7>"),
        ("scopectl cap Odd\\;i\t7", "<cap><Odd;id Application><7>"),
        ("scopectl status odd\t7", r"<status><odd\x2done.service><7>"),
        ("scoperun -P odd\t7", "<-P><odd;id><7>"),
        ("scoperun --report odd\t7", "<--report><odd;id>OWNED.json><7>"),
    ],
)
def test_a_tab_completes(shell: Terminal, keys: str, words: str) -> None:
    shell.type("echo rea''dy\n")
    shell.wait_for("ready\r\n")
    shell.type(f"{keys}\n")
    shell.wait_for(words)
