"""The report fits the terminal and is coloured there; in a pipe and in a file it has 80 columns and no colours."""

import re
import subprocess

import pytest

from tests.report_rows import rows

from .story import GENEROUS, Story
from .terminal import terminal

pytestmark = pytest.mark.guest(suite="trixie")

LEAK = "./bigleak2 >/dev/null; exit 3"
WORDS = (
    "scoperun",
    "--mem",
    "20M",
    "--oom-policy",
    "continue",
    "--",
    "sh",
    "-c",
    LEAK,
    *map(str, range(100_000, 100_030)),
)
RED = "\x1b[1;31m"


def on_terminal(story: Story, columns: int, *environment: str) -> str:
    """Return what a terminal of this width shows of a run that leaks."""
    with terminal(story, "env", *environment, "sh", "-c", 'echo ready; read go; exec "$@"', "sh", *WORDS) as term:
        term.wait_for("ready\r\n")
        term.resize(rows=24, columns=columns)
        term.type("\n")
        assert term.status() == 3
        return term.screen.decode().replace("\r\n", "\n").partition("scoperun: ")[2]


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal(story: Story, columns: int) -> None:
    shown = f"scoperun: {on_terminal(story, columns, 'TERM=dumb')}"
    widths = [len(line) for line in shown.splitlines()]
    assert columns * 4 // 5 < max(widths) <= columns
    assert "(--mem 20M)" in shown
    assert "".join(rows(shown)["scope"].split()).endswith(".scope")


@pytest.mark.parametrize(
    ("environment", "is_coloured"),
    [
        (("TERM=xterm",), True),
        (("TERM=dumb",), False),
        (("TERM=xterm", "NO_COLOR=1"), False),
        (("TERM=dumb", "CLICOLOR_FORCE=1"), True),
    ],
)
def test_the_outcome_is_coloured(story: Story, environment: tuple[str, ...], is_coloured: bool) -> None:
    shown = on_terminal(story, 80, *environment)
    assert shown.startswith(RED if is_coloured else "exit 3, but a child RAN OUT OF MEMORY: ")
    assert shown.count("\x1b") == (2 if is_coloured else 0)


def test_elsewhere_it_has_80_columns_and_no_colours(story: Story) -> None:
    in_pipe = subprocess.run(WORDS, cwd=story.cwd, stderr=subprocess.PIPE, timeout=GENEROUS, check=False).stderr
    with open(story.cwd / "report.txt", "w+b") as file:
        subprocess.run(WORDS, cwd=story.cwd, stderr=file, timeout=GENEROUS, check=False)
        file.seek(0)
        in_file = file.read()
    for shown in in_pipe.decode(), in_file.decode():
        assert max(len(line) for line in shown.splitlines()) <= 80
        assert "\x1b" not in shown
        first = next(line for line in shown.splitlines() if line.startswith("scoperun: "))
        assert re.fullmatch(r"scoperun: exit 3, but a child RAN OUT OF MEMORY: sh -c '.* \.\.\. 100029", first)
