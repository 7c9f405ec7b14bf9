"""What is set for the command's Python reaches the command, and only the command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import scoperun

from .story import GENEROUS, Story

BREAKS = 'raise SystemExit("not the one that scoperun wants")\n'
MODULES = ("enum", "re", "signal", "typing", "typing_extensions", "click", "typer", "dbus_next", "tomli")
ENVIRONMENT = ("python3", "-Ic", "import os; os.write(1, open('/proc/self/environ', 'rb').read())")


def modules(folder: Path) -> Path:
    """Fill a folder with modules that scoperun cannot use, under the names of some that it imports."""
    folder.mkdir(parents=True)
    for name in MODULES:
        (folder / f"{name}.py").write_text(BREAKS)
    return folder


def output(*words: str, environment: dict[bytes, bytes]) -> bytes:
    return subprocess.run(words, env=environment, capture_output=True, timeout=GENEROUS, check=True).stdout


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", None])
@pytest.mark.usefixtures("story")
def test_the_environment_reaches_the_command_byte_by_byte(tmp_path: Path, locale: str | None) -> None:
    """In its order, too. In the C locale Python adds a variable to its own (PEP 538), in both starts."""
    given = {name: value for name, value in os.environb.items() if not name.startswith((b"LC_", b"LANG"))} | {
        b"PYTHONPATH": os.fsencode(modules(tmp_path / "modules")),
        b"PYTHONNOUSERSITE": b"",
        b"PYTHONDEVMODE": b"1",
        b"WORDS": b"\xff = two\nlines",
        b"EMPTY": b"",
        b"PYTHONUTF8": b"0",
    }
    if locale is not None:
        given[b"LC_CTYPE"] = locale.encode()
    without = output(*ENVIRONMENT, environment=given)
    within = output("scoperun", "-q", "--", *ENVIRONMENT, environment=given)
    whole, _, invocation_id = within.rpartition(b"INVOCATION_ID=")
    assert whole == without
    assert len(invocation_id) == 33


def users_packages(home: Path) -> Path:
    """Return the user's own site-packages, which may not exist."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return home / ".local/lib" / version / "site-packages"


def test_the_users_own_packages_are_not_scoperuns(story: Story, tmp_path: Path) -> None:
    modules(users_packages(tmp_path))
    ending = story.run("-q", "--", "echo", "ran", HOME=str(tmp_path))
    assert (ending.status, ending.stdout, ending.stderr) == (0, b"ran\n", "")


def test_nor_are_those_of_a_folder_that_they_name(story: Story, tmp_path: Path) -> None:
    packages = users_packages(tmp_path)
    packages.mkdir(parents=True)
    (packages / "work.pth").write_text(f"{modules(tmp_path / 'modules')}\n")
    for more in ({}, {"PYTHONOPTIMIZE": "1"}):
        ending = story.run("-q", "--", "echo", "ran", HOME=str(tmp_path), **more)
        assert (ending.status, ending.stdout, ending.stderr) == (0, b"ran\n", "")


@pytest.mark.parametrize("variables", [{}, {"PYTHONOPTIMIZE": "1"}])
@pytest.mark.parametrize("by_path_file", [False, True])
def test_scoperun_works_where_it_is_a_package_of_the_users(
    story: Story, tmp_path: Path, variables: dict[str, str], *, by_path_file: bool
) -> None:
    """As pip install --user leaves it, without and with --editable; its dependencies are where they were."""
    packages = users_packages(tmp_path)
    packages.mkdir(parents=True)
    folder = tmp_path / "checkout" if by_path_file else packages
    folder.mkdir(exist_ok=True)
    (packages / "scoperun.pth").write_text(f"{folder}\n")
    subprocess.run(["cp", "-r", str(Path(scoperun.__file__).parent), str(folder)], check=True)
    (folder / "scoperun/version.py").write_text('__version__ = "the user\'s"\n')
    ending = story.run("--", "true", HOME=str(tmp_path), **variables)
    assert ending.report["scoperun"] == "the user's"


@pytest.mark.parametrize("program", ["true", "false", "nowhere"])
def test_what_is_named_as_pythons_program_is_not_run_in_its_place(story: Story, program: str) -> None:
    ending = story.run("-q", "--", "printenv", "PYTHONEXECUTABLE", PYTHONEXECUTABLE=f"/bin/{program}")
    assert (ending.status, ending.stdout, ending.stderr) == (0, f"/bin/{program}\n".encode(), "")


@pytest.mark.usefixtures("story")
def test_the_working_directory_is_not_searched(tmp_path: Path) -> None:
    words = ["python3", "-m", "scoperun", "-q", "--", "echo", "ran"]
    done = subprocess.run(words, cwd=modules(tmp_path / "work"), capture_output=True, timeout=GENEROUS, check=True)
    assert (done.stdout, done.stderr) == (b"ran\n", b"")
