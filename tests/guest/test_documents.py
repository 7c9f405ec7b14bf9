"""The sessions and examples of the README and of the manual page are what a user would see."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents import CHECKOUT, library_examples, sessions

from .story import GENEROUS, Story, systemctl

pytestmark = pytest.mark.guest(suite="trixie")

END = "\x1e"


def steps(session: str) -> list[tuple[str, str]]:
    """Return the commands of a session, each with what it prints; a line after `> ` continues a command."""
    parts = re.split(r"^\$ (.*(?:\n> .*)*)\n", session, flags=re.MULTILINE)[1:]
    return [(command.replace("\n> ", "\n"), output) for command, output in zip(parts[::2], parts[1::2], strict=True)]


def printed(commands: list[str], home: Path) -> list[str]:
    """Run the commands in one shell, in which $? is the status of the previous one; return what each prints."""
    script = "".join(f"{command}\nlast=$?; printf '\\036'; (exit $last)\n" for command in commands)
    ours = {"HOME": str(home), "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": ""}
    done = subprocess.run(
        ["sh"],
        input=script,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=home,
        env=os.environ | ours,
        text=True,
        timeout=GENEROUS,
        check=False,
    )
    return done.stdout.split(END)[:-1]


def unwrapped(text: str) -> str:
    """Return a report with each row on one line: where a row is wrapped depends on the digits of a PID."""
    return re.sub(r"\n {12}(?=\S)", " ", text)


def pattern(expected: str) -> str:
    """Return a regular expression for what is printed: … stands for a part of a line, [...] for lines."""
    return re.escape(expected).replace("…", r"[^\n]+").replace(re.escape("[...]\n"), r"(?:.*\n)*")


@pytest.fixture
def folder(story: Story, tmp_path: Path) -> Path:
    """Return a folder with the examples; `story` asserts that nothing is left behind."""
    shutil.copytree(CHECKOUT / "examples", tmp_path / "examples")
    subprocess.run(["cc", "-o", "bigleak2", "examples/bigleak2.c"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.fixture(params=sessions())
def session(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return a session; restore the units whose properties it sets afterwards."""
    yield request.param
    for unit in re.findall(r"set-property --runtime (\S+)", request.param):
        systemctl("revert", unit)


def test_a_session_prints_what_the_document_shows(session: str, folder: Path) -> None:
    commands = steps(session)
    outputs = printed([command for command, _ in commands], folder)
    assert len(outputs) == len(commands)
    for (command, expected), output in zip(commands, outputs, strict=True):
        is_right = re.fullmatch(pattern(unwrapped(expected)), unwrapped(output))
        assert is_right, f"$ {command}\n{output}\ninstead of\n{expected}"


@pytest.mark.parametrize("example", library_examples())
def test_a_library_example_prints_what_the_document_shows(example: str, folder: Path) -> None:
    body = "".join(f"    {line}\n" for line in example.splitlines())
    program = f"import asyncio\nasync def main():\n{body}asyncio.run(main())\n"
    subprocess.run(["python3", "-c", program], cwd=folder, check=True, timeout=GENEROUS)


@pytest.mark.guest  # each suite has its own groff
@pytest.mark.parametrize("page", sorted(each.name for each in (CHECKOUT / "man").iterdir()))
@pytest.mark.parametrize("width", [80, 120])
def test_the_manual_fits_the_terminal_and_is_neither_justified_nor_hyphenated(width: int, page: str) -> None:
    shown = subprocess.run(
        ["man", "--warnings", "--local-file", str(CHECKOUT / "man" / page)],
        env=os.environ | {"MANWIDTH": str(width), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=True,
    )
    lines = shown.stdout.splitlines()
    text = lines[lines.index("DESCRIPTION") : lines.index("EXAMPLES")]
    assert shown.stderr == ""
    assert [line for line in lines if len(line) > width] == []
    assert [line for line in text if line.endswith("\N{HYPHEN}")] == []
    assert [line for line in text if re.search(r"[a-z,]  +[a-z]", line)] == []
