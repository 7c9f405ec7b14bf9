"""A command line that is read again has the properties of -p @FILE in its place, and means the same."""

import pytest

from scoperun.batch.property_words import Names, properties_in_place
from scoperun.console.sources import Assignment

NAMES = Names(
    flags=frozenset({"-k", "--keep-order", "--shuf", "--no-shuf"}),
    valued=frozenset({"-p", "--property", "-j", "--jobs", "--mem", "--mem-high"}),
)
TWO = [Assignment("A=1", "f:1"), Assignment("B=@f", "f:2")]
ONE = [Assignment("C= -p")]


@pytest.mark.parametrize(
    ("words", "assigned", "found"),
    [
        (["-p", "@f"], [TWO], ["--property=A=1", "--property=B=@f"]),
        (["-p@f", "-pC= -p"], [TWO, ONE], ["--property=A=1", "--property=B=@f", "--property=C= -p"]),
        (["--property", "@f", "jobs", "--property=C= -p"], [TWO, ONE],
         ["--property=A=1", "--property=B=@f", "jobs", "--property=C= -p"]),
        (["-kp", "@f"], [TWO], ["-k", "--property=A=1", "--property=B=@f"]),
        (["-kp@f", "-kj4"], [TWO], ["-k", "--property=A=1", "--property=B=@f", "-k", "-j", "4"]),
        (["-p", "@empty", "-"], [[]], ["-"]),
        (["--mem=1G", "--mem", "", "--mem-high", "-p", "@f", "-j", "2", "--no-shuf"], [],
         ["--mem", "1G", "--mem", "", "--mem-high", "-p", "@f", "-j", "2", "--no-shuf"]),
        ([], [], []),
    ],
)  # fmt: skip
def test_properties_take_the_place_of_what_has_assigned_them(
    words: list[str], assigned: list[list[Assignment]], found: list[str]
) -> None:
    assert properties_in_place(words, NAMES, assigned) == tuple(found)
    assert properties_in_place(found, NAMES, [[each] for several in assigned for each in several]) == tuple(found)


def test_arguments_and_options_can_follow_each_other_whatever_a_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSIXLY_CORRECT", "1")
    assert properties_in_place(["a", "-p", "@f", "b", "-k"], NAMES, [ONE]) == ("a", "--property=C= -p", "b", "-k")
