"""What is acted on is named in full, or by a glob over fewer units."""

import pytest

from scoperun.ctl.errors import NoSuchUnit
from scoperun.ctl.names import acted_on, missing, one_shown

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


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("abc", "there is abc.service"),
        ("x", "scopectl list --all shows what runs"),
        ("x*", "scopectl list --all shows what runs"),
        ("abc.*", "with --all a glob means every scope and service, not only scopes of scoperun"),
    ],
)
def test_what_could_have_been_meant_is_said(word: str, hint: str) -> None:
    assert str(missing(word, NAMES)) == f"no unit {word!r} ({hint})"


def test_units_of_other_kinds_are_not_called_missing() -> None:
    other = "'x.socket' is neither a scope nor a service (systemctl is for other units)"
    assert str(missing("x.socket", NAMES)) == other
    assert str(missing("socket", NAMES)).startswith("no unit 'socket'")
    assert "neither" in str(missing("x.slice", NAMES))
    assert "neither" not in str(missing("x.slice", [*NAMES, "app.slice"])), "a command that shows slices"
    assert str(missing("init.scope", NAMES)) == "init.scope is left alone (it is systemd itself)"


def test_a_glob_is_not_one_unit() -> None:
    with pytest.raises(NoSuchUnit, match="name one unit, not a glob"):
        one_shown("a*", NAMES)
