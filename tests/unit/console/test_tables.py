"""A pipe gets whole cells with tabs between them, a terminal what fits it."""

import pytest

from scoperun.console.locales import takes_utf8
from scoperun.console.tables import Cell, Column, aligned, tabbed

COLUMNS = [
    Column(title="UNIT", is_flexible=True),
    Column(title="MEMORY", is_right=True),
    Column(title="SWAP", is_right=True, rank=2),
    Column(title="AGE", rank=1),
    Column(title="COMMAND", is_flexible=True),
]
ROW = [Cell(text) for text in ("scoperun-a-long-name.scope", "12M", "0B", "5s", "sh -c 'a long command line'")]


@pytest.fixture(autouse=True)
def without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")


def test_a_pipe_gets_all_of_it() -> None:
    text = tabbed(COLUMNS, [ROW], legend=True)
    assert text == (
        "UNIT\tMEMORY\tSWAP\tAGE\tCOMMAND\nscoperun-a-long-name.scope\t12M\t0B\t5s\tsh -c 'a long command line'"
    )


def test_a_name_neither_ends_a_line_nor_moves_the_cursor() -> None:
    assert tabbed([Column(title="A")], [[Cell("a\tb\n\x1b[2J")]], legend=False) == r"a\tb\n\x1b[2J"
    assert aligned([Column(title="A")], [[Cell("[red]a\n\x1b[2J[/]")]], legend=False, width=80) == (
        r"[red]a\n\x1b[2J[/]"
    )


def test_a_wide_terminal_gets_all_of_it() -> None:
    heading, row = aligned(COLUMNS, [ROW], legend=True, width=120).splitlines()
    assert heading.split() == ["UNIT", "MEMORY", "SWAP", "AGE", "COMMAND"]
    assert row == "scoperun-a-long-name.scope     12M    0B  5s   sh -c 'a long command line'"


@pytest.mark.parametrize("width", range(16, 90))
def test_no_line_is_longer_than_the_terminal_is_wide(width: int) -> None:
    lines = aligned(COLUMNS, [ROW], legend=True, width=width).splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= width
    assert " 12M" in lines[1], "a number is never cut"


def test_what_can_be_cut_is_cut_before_columns_are_left_out() -> None:
    heading, row = aligned(COLUMNS, [ROW], legend=True, width=60).splitlines()
    assert heading.split() == ["UNIT", "MEMORY", "SWAP", "AGE", "COMMAND"]
    assert "…" in row
    assert "12M" in row


def test_columns_of_the_highest_rank_are_left_out_first() -> None:
    headings = [aligned(COLUMNS, [ROW], legend=True, width=width).splitlines()[0].split() for width in (42, 36)]
    assert headings == [["UNIT", "MEMORY", "AGE", "COMMAND"], ["UNIT", "MEMORY", "COMMAND"]]


@pytest.mark.parametrize(
    ("environment", "takes"),
    [
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "de_DE.utf8@euro"}, True),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, False),
        ({"LC_ALL": "", "LC_CTYPE": "en_US.UTF-8", "LANG": "C"}, True),
        ({"LANG": "de_DE"}, False),
        ({}, False),
    ],
)
def test_the_locale_says_whether_it_takes_utf8(environment: dict[str, str], takes: bool) -> None:
    assert takes_utf8(environment) is takes
