"""The program's first step: settings for the command's Python do not affect scoperun."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import scoperun
from tests.documents import CHECKOUT

SCRIPT = (sys.executable, str(CHECKOUT / "bin/scoperun"))
MODULE = (sys.executable, "-m", "scoperun")

BREAKS = 'raise SystemExit("not the one that scoperun wants")\n'
IMPORTED = (
    "__future__", "copyreg", "dbus_next", "enum", "re", "signal", "tomli", "typer", "typing", "typing_extensions",
)  # fmt: skip
IMPORTED_BY_RUNPY = ("collections", "contextlib", "functools", "keyword", "operator", "types", "warnings")
"""Modules that `python -m` itself imports, depending on the release."""


@pytest.fixture
def backports(tmp_path: Path) -> Path:
    """Return a folder with unusable modules that have the names of standard ones."""
    for name in IMPORTED:
        (tmp_path / f"{name}.py").write_text(BREAKS)
    return tmp_path


@pytest.fixture
def more_backports(backports: Path) -> Path:
    for name in IMPORTED_BY_RUNPY:
        (backports / f"{name}.py").write_text(BREAKS)
    return backports


def run(*words: str, cwd: Path | None = None, **environment: str) -> tuple[int, str, str]:
    """Return exit status, standard output and standard error, in an environment without Python's variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(words, cwd=cwd, env=inherited | environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


VERSION = (0, f"scoperun {scoperun.__version__}\n", "")


def test_the_commands_modules_are_not_imported(backports: Path) -> None:
    assert run(*MODULE, "--version", PYTHONPATH=str(backports)) == VERSION


def test_the_script_does_not_import_any_of_them(more_backports: Path) -> None:
    assert run(*SCRIPT, "--version", PYTHONPATH=str(more_backports)) == VERSION


@pytest.mark.parametrize("path", ["", ".", "..:", "nowhere:."])
def test_a_relative_pythonpath_of_the_commands_is_not_searched(path: str, more_backports: Path) -> None:
    assert run(*SCRIPT, "--version", cwd=more_backports, PYTHONPATH=path) == VERSION


def test_the_working_directory_is_not_searched(backports: Path) -> None:
    """Not even with -m, which would put it first."""
    assert run(*SCRIPT, "--version", cwd=backports) == VERSION
    assert run(*MODULE, "--version", cwd=backports) == VERSION
    assert run(sys.executable, "-mscoperun", "--version", cwd=backports) == VERSION


def test_modules_beside_the_script_are_not_imported(more_backports: Path) -> None:
    script = shutil.copy(SCRIPT[1], more_backports)
    assert run(sys.executable, script, "--version") == VERSION


@pytest.mark.parametrize(
    "variable",
    [
        "PYTHONASYNCIODEBUG=1", "PYTHONBREAKPOINT=nowhere.nothing", "PYTHONCOERCECLOCALE=warn", "PYTHONDEVMODE=1",
        "PYTHONDONTWRITEBYTECODE=1", "PYTHONFAULTHANDLER=1", "PYTHONHASHSEED=7", "PYTHONINSPECT=1",
        "PYTHONINTMAXSTRDIGITS=640", "PYTHONIOENCODING=ascii:strict", "PYTHONMALLOC=debug", "PYTHONNODEBUGRANGES=1",
        "PYTHONNOUSERSITE=1", "PYTHONOPTIMIZE=2", "PYTHONSAFEPATH=1", "PYTHONSTARTUP=/nowhere", "PYTHONTRACEMALLOC=5",
        "PYTHONUNBUFFERED=1", "PYTHONUSERBASE=/nowhere", "PYTHONUTF8=0", "PYTHONWARNINGS=error",
        "PYTHON_OF_A_LATER_RELEASE=1",
    ],
)  # fmt: skip
def test_a_python_variable_of_the_commands_has_no_effect(variable: str) -> None:
    name, _, value = variable.partition("=")
    status, shown, complaint = run(*SCRIPT, "--dry-run", "--", "true", **{name: value, "LC_ALL": "C.UTF-8"})
    assert (status, complaint) == (0, "")
    assert shown.startswith("Description=true ")


def test_arguments_reach_the_second_start_unchanged() -> None:
    words = ("--description", "\udcff 'two' \n words", "--dry-run", "--", "true")
    assert run(*SCRIPT, *words, PYTHONOPTIMIZE="1") == run(*SCRIPT, *words)


NAMELESS = "import ctypes, os, sys; ctypes.CDLL(None).putenv(b'=nameless'); os.execv(sys.argv[1], sys.argv[1:])"


def test_a_variable_without_a_name_does_not_prevent_the_start(backports: Path) -> None:
    with_it = (sys.executable, "-c", NAMELESS, sys.executable)
    code = "import os; from scoperun.environment import given_environment; os.execve('/bin/true', ['true'], {given})"
    assert "illegal environment variable" in run(*with_it, "-c", code.format(given="os.environ"))[2]
    assert run(*with_it, "-c", code.format(given="given_environment()")) == (0, "", "")
    assert run(*with_it, SCRIPT[1], "--version", PYTHONPATH=str(backports)) == VERSION


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_an_error_that_cannot_be_printed_is_one_line(option: str) -> None:
    words = ("sh", "-c", 'exec "$@" >/dev/full', "sh", *SCRIPT, option)
    assert run(*words) == (125, "", "scoperun: No space left on device\n")


def test_pythons_own_options_stay_in_force() -> None:
    code = "import sys; from scoperun.isolation import isolate; isolate(); f = sys.flags; print(f.dev_mode, f.optimize)"
    assert run(sys.executable, "-X", "dev", "-c", code, PYTHONOPTIMIZE="1") == (0, "True 0\n", "")


def test_a_path_that_scoperun_itself_is_found_in_is_searched(tmp_path: Path) -> None:
    """Developers use it that way, and installations in a separate folder."""
    shutil.copytree(Path(scoperun.__file__).parent, tmp_path / "scoperun")
    (tmp_path / "scoperun/version.py").write_text('__version__ = "another"\n')
    another = (0, "scoperun another\n", "")
    assert run(*SCRIPT, "--version", PYTHONPATH=str(tmp_path)) == another
    assert run(*MODULE, "--version", cwd=tmp_path) == another
    assert run(*MODULE, "--version", cwd=tmp_path, PYTHONOPTIMIZE="1") == another


def test_without_variables_python_starts_only_once() -> None:
    code = "import os; os.execve = print; from scoperun.isolation import isolate; isolate()"
    assert run(sys.executable, "-c", code) == (0, "", "")
    assert run(sys.executable, "-c", code, PYTHONUNBUFFERED="1", PYTHONPATH="") == (0, "", "")
    assert run(sys.executable, "-c", code, PYTHONPATH="/nowhere")[1] != ""


def test_if_python_cannot_start_again_the_first_start_continues() -> None:
    code = "import sys; sys.executable = ''; from scoperun.isolation import isolate; isolate(); print('there')"
    assert run(sys.executable, "-c", code, PYTHONPATH="/nowhere") == (0, "there\n", "")


@pytest.mark.parametrize("instruction", ["x", "bash_complete", "bash_source", "complete_fish", "source_zsh"])
def test_no_variable_changes_what_a_run_does(instruction: str) -> None:
    words = (*SCRIPT, "--dry-run", "--", "true")
    assert run(*words, _SCOPERUN_COMPLETE=instruction, COMP_WORDS="scoperun", COMP_CWORD="1") == run(*words)
