"""Python's variables affect the command's Python, and not scoperun's."""

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
    """Fill a folder with modules that scoperun cannot use, with the names of modules that it imports."""
    folder.mkdir(parents=True)
    for name in MODULES:
        (folder / f"{name}.py").write_text(BREAKS)
    return folder


def output(*words: str, environment: dict[bytes, bytes]) -> bytes:
    return subprocess.run(words, env=environment, capture_output=True, timeout=GENEROUS, check=True).stdout


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", None])
@pytest.mark.usefixtures("story")
def test_the_environment_reaches_the_command_byte_by_byte(tmp_path: Path, locale: str | None) -> None:
    """The order is kept too. In the C locale each of the two Python starts adds a variable (PEP 538)."""
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
    """Return the user's own site-packages folder, which might not exist."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return home / ".local/lib" / version / "site-packages"


def test_scoperun_does_not_import_the_users_packages(story: Story, tmp_path: Path) -> None:
    modules(users_packages(tmp_path))
    ending = story.run("-q", "--", "echo", "ran", HOME=str(tmp_path))
    assert (ending.status, ending.stdout, ending.stderr) == (0, b"ran\n", "")


def test_scoperun_does_not_import_from_a_path_file_of_the_users(story: Story, tmp_path: Path) -> None:
    packages = users_packages(tmp_path)
    packages.mkdir(parents=True)
    (packages / "work.pth").write_text(f"{modules(tmp_path / 'modules')}\n")
    for more in ({}, {"PYTHONOPTIMIZE": "1"}):
        ending = story.run("-q", "--", "echo", "ran", HOME=str(tmp_path), **more)
        assert (ending.status, ending.stdout, ending.stderr) == (0, b"ran\n", "")


@pytest.mark.parametrize("variables", [{}, {"PYTHONOPTIMIZE": "1"}])
@pytest.mark.parametrize("by_path_file", [False, True])
def test_scoperun_works_as_a_package_of_the_user(
    story: Story, tmp_path: Path, variables: dict[str, str], *, by_path_file: bool
) -> None:
    """As `pip install --user` installs it, with and without --editable; its dependencies are where they were."""
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
def test_a_program_named_by_pythonexecutable_is_not_run(story: Story, program: str) -> None:
    ending = story.run("-q", "--", "printenv", "PYTHONEXECUTABLE", PYTHONEXECUTABLE=f"/bin/{program}")
    assert (ending.status, ending.stdout, ending.stderr) == (0, f"/bin/{program}\n".encode(), "")


@pytest.mark.usefixtures("story")
def test_scoperun_does_not_import_from_the_working_directory(tmp_path: Path) -> None:
    words = ["python3", "-m", "scoperun", "-q", "--", "echo", "ran"]
    done = subprocess.run(words, cwd=modules(tmp_path / "work"), capture_output=True, timeout=GENEROUS, check=True)
    assert (done.stdout, done.stderr) == (b"ran\n", b"")
