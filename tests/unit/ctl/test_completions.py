"""The completions of scopectl are what `make completions` writes, and complete what is typed."""

import shlex
import subprocess
from pathlib import Path

import pytest

from scoperun.ctl.subcommands import NAMES
from tests.completions import WRITERS, file
from tests.subcommands import subcommands


@pytest.mark.parametrize("shell", WRITERS)
def test_the_completions_are_up_to_date(shell: str) -> None:
    assert file(shell).read_text(encoding="utf-8") == WRITERS[shell](), "make completions"


@pytest.mark.parametrize("shell", WRITERS)
def test_no_completion_starts_python(shell: str) -> None:
    assert "python" not in file(shell).read_text(encoding="utf-8").lower().replace("starts no python", "")


def offered(*words: str) -> set[str]:
    """Return what bash offers for a command line; the last word is being typed. systemctl lists three units."""
    line = shlex.join(words)
    systemctl = "systemctl() { echo 'one.scope loaded'; echo 'two.service loaded'; echo 'a\\x2db.scope loaded'; }"
    scopectl = 'scopectl() { [ "$*" = "history --names" ] && printf "%s\\n" build nightly bench "odd;id"; }'
    script = f"{systemctl}; {scopectl}; . {file('bash')}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _scopectl"
    print_all = 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", f"{script}; {print_all}"], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return {*filter(None, done.stdout.split("\n"))}


def test_bash_offers_the_subcommands() -> None:
    assert set(NAMES) <= offered("scopectl", "")
    assert offered("scopectl", "--system", "fr") == {"freeze"}


@pytest.mark.parametrize("name", NAMES)
def test_bash_offers_the_options_of_a_subcommand(name: str) -> None:
    (found,) = [each for each in subcommands() if name in each.names]
    assert offered("scopectl", name, "-") == {word for option in found.options for word in option.names}


def test_bash_offers_the_names_of_recorded_runs() -> None:
    assert offered("scopectl", "history", "b") == {"build", "bench"}
    assert offered("scopectl", "history", "build", "--since", "") == set()


def test_bash_offers_files_with_reports_too() -> None:
    assert offered("scopectl", "advise", "bench") == {"bench"}
    assert offered("scopectl", "advise", "/proc/sel") == {"/proc/self"}


def test_bash_offers_verbs_and_files_of_jobs_first(tmp_path: Path) -> None:
    (tmp_path / "jobs of today").touch()
    (tmp_path / "state").mkdir()
    beginning = f"{tmp_path}/"
    assert offered("scopectl", "batch", "st") >= {"status", "stop"}
    assert offered("scopectl", "batch", "status", beginning) == set()
    assert offered("scopectl", "batch", beginning) == {f"{tmp_path}/jobs of today", f"{tmp_path}/state"}
    assert offered("scopectl", "batch", "--mem", "1G", "st") & {"status"} == set()
    assert offered("scopectl", "batch", "--state", beginning) == {f"{tmp_path}/state"}
    assert offered("scopectl", "batch", "--progress", "l") == {"lines"}
    assert offered("scopectl", "batch", "--oom-policy", "st") == {"stop"}
    assert offered("scopectl", "batch", "--record", "b") == {"build", "bench"}


def test_bash_completes_a_command_after_the_dashes_of_batch_alone() -> None:
    assert "mkfifo" in offered("scopectl", "batch", "--mem", "1G", "--", "mkfif")
    assert "mkfifo" in offered("scopectl", "batch", "jobs", "--", "mkfif")
    assert offered("scopectl", "batch", "--", "cat", "/proc/sel") == {"/proc/self"}
    assert offered("scopectl", "status", "--", "mkfif") == set()


def test_bash_offers_units_and_values() -> None:
    assert offered("scopectl", "status", "") == {"one.scope", "two.service", r"a\\x2db.scope"}
    assert offered("scopectl", "stop", "one.scope", "t") == {"two.service"}
    assert offered("scopectl", "kill", "--signal", "US") == {"USR1", "USR2"}
    assert offered("scopectl", "set", "--mem", "") == set()


def test_bash_offers_words_as_they_have_to_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a TAB and the Enter key could execute a part of a name."""
    applications = tmp_path / "applications"
    applications.mkdir()
    (applications / "My $(id) Application.desktop").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    typed = r"My\ \$\(id\)\ Application"
    assert offered("scopectl", "cap", "My") == offered("scopectl", "cap", r"My\ \$") == {typed}
    assert offered("scopectl", "history", "odd") == {r"odd\;id"}
    assert offered("scopectl", "status", "a") == {r"a\\x2db.scope"}


def test_readline_quotes_what_bash_offers_beside_files(tmp_path: Path) -> None:
    (tmp_path / "my;id report.json").touch()
    assert offered("scopectl", "advise", "odd") == {"odd;id"}
    assert offered("scopectl", "advise", f"{tmp_path}/my") == {f"{tmp_path}/my;id report.json"}
