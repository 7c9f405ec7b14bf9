"""What is acted on is named in full, or by a glob over fewer units."""

import pytest

from scoperun.ctl.names import acted_on

NAMES = ["a.scope", "ab.scope", "abc.service"]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("a", ["a.scope"]),
        ("abc.service", ["abc.service"]),
        ("abc", []),
        ("a*", ["a.scope", "ab.scope"]),
        ("abc.*", []),
        ("?b", ["ab.scope"]),
        ("[", []),
    ],
)
def test_a_full_name_means_any_unit_and_a_glob_only_some(word: str, found: list[str]) -> None:
    names, without = acted_on([word], NAMES, globbed=["a.scope", "ab.scope"])
    assert names == found
    assert without == ([] if found else [word])


def test_a_unit_is_acted_on_once() -> None:
    assert acted_on(["a", "a.scope", "a*"], NAMES) == (NAMES, [])
