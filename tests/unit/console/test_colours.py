"""Colours are for terminals, and for users who ask for them."""

import pytest

from scoperun.console.colours import is_coloured, painted
from scoperun.report.outcome import Tone

FORCED = {"CLICOLOR_FORCE": "1"}
XTERM = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("environment", "on_terminal", "elsewhere"),
    [
        (XTERM, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": ""}, False, False),
        ({}, False, False),
        (XTERM | {"NO_COLOR": "1"}, False, False),
        (XTERM | {"NO_COLOR": ""}, True, False),
        (XTERM | FORCED, True, True),
        (FORCED, True, True),
        ({"TERM": "dumb"} | FORCED, True, True),
        (XTERM | {"CLICOLOR_FORCE": "0"}, True, False),
        (XTERM | {"CLICOLOR_FORCE": ""}, True, False),
        (XTERM | FORCED | {"NO_COLOR": "1"}, False, False),
    ],
)
def test_who_gets_colours(environment: dict[str, str], on_terminal: bool, elsewhere: bool) -> None:
    assert is_coloured(environment, on_terminal=True) is on_terminal
    assert is_coloured(environment, on_terminal=False) is elsewhere


@pytest.mark.parametrize(("tone", "code"), [(Tone.GOOD, 32), (Tone.DOUBTFUL, 33), (Tone.BAD, 31)])
def test_good_news_is_green_doubtful_yellow_and_bad_red(tone: Tone, code: int) -> None:
    assert painted("ok", tone) == f"\x1b[1;{code}mok\x1b[0m"
