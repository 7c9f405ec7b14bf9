"""The places in a shell's text at which a quoted word is one."""

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scoperun.batch.shell_text import open_places
from scoperun.batch.templates import Names, filled_text
from scoperun.errors import InvalidValue

VALUE = Names(("x",))

EVIL = (
    "; :>MARK; #",
    "$(:>MARK)",
    "`:>MARK`",
    "'; :>MARK; '",
    '"; :>MARK; "',
    "\\'; :>MARK; \\'",
    "'\"'; :>MARK; #",
    "\n:>MARK\n",
    ") ; :>MARK; (",
    "}; :>MARK; {",
    "$(:>MARK)'\"`",
    "\\",
)
FRAGMENTS = (
    *("{x}", "{x}", "{x}", "'", "'", '"', '"', "\\", "$", "$(", ")", "(", "${y:-", "${y#", "}", "`", "#", " # ", "<<"),
    *(
        "<<E\n",
        "\nE\n",
        "echo ",
        ": ",
        "; ",
        " ",
        "case",
        "case a in a) ",
        " ;; esac",
        "a=",
        "$((",
        "))",
        "&& ",
        "$'",
        "1",
        "$[",
        "]",
        "$((1+1))",
    ),
)


def random_texts(seed: int, count: int) -> Iterator[str]:
    chance = random.Random(seed)  # noqa: S311
    for _ in range(count):
        yield ": " + "".join(chance.choices(FRAGMENTS, k=chance.randint(2, 14)))


def ran(text: str, folder: Path, shell: str) -> None:
    subprocess.run(
        [shell, "-c", text], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False
    )


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("a 'b' c", "a ' c"),
        ('a "b" c', 'a " c'),
        (r"a\bc", r"a\c"),
        ("$(a)b", "$a)b"),
        ("a'b", "a'"),
        ("a # b", "a "),
        ("a#b", "a#b"),
        ("${a:-b}c", "$c"),
        ("a `b` c", "a "),
        ("a <<b", "a "),
        ("a $'b' c", "a "),
        ('"$(a "b" c)" d', '" d'),
        ('"a\'b"c', '"c'),
        ("$((1<<2))a", "$a"),
        ("$((1+'2'))a", ""),
        ("((a))b", ""),
        ("$[1]a", ""),
        ('"$((a+1))"b', '"b'),
        ('"$(case a in a) "b" ;; esac)" d', '"'),
    ],
)
def test_what_is_open_is_outside_of_quotes(text: str, places: str) -> None:
    assert "".join(text[each] for each in sorted(open_places(text))) == places


@pytest.mark.parametrize("opened", ["( ", '"$( ', "${a:-", "a'", '"\\"'])
def test_a_place_behind_much_that_is_open_is_found_in_linear_time(opened: str) -> None:
    """With a search of all that is open at each place this would take minutes."""
    assert len(open_places(opened * 60_000)) <= 60_000 * len(opened)


def check(seed: int, count: int, folder: Path, shell: str) -> int:
    """Fill random texts with values that would write a file if they were run; return how many took a value."""
    accepted = 0
    chance = random.Random(seed)  # noqa: S311
    for text in random_texts(seed, count):
        try:
            whole = filled_text(text, VALUE, {"x": chance.choice(EVIL)})
        except InvalidValue:
            continue
        if whole == text:
            continue
        accepted += 1
        ran(whole, folder, shell)
        assert not (folder / "MARK").exists(), (text, whole)
    return accepted


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_no_value_is_run_wherever_it_is_put(tmp_path: Path, shell: str) -> None:
    assert check(1, 1000, tmp_path, shell) > 100


def test_a_value_that_is_put_into_quotes_would_be_run(tmp_path: Path) -> None:
    """So the test above can fail."""
    ran(': "$(:>MARK)"', tmp_path, "/bin/sh")
    assert (tmp_path / "MARK").exists()
