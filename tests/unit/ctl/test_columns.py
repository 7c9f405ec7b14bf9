"""The columns of `scopectl list`: what they show of a unit, and its order."""

from pathlib import Path

import pytest

from scoperun.ctl.columns import BY_DEFAULT, EVERY, chosen, order
from scoperun.ctl.reading import Moment, Reading
from scoperun.errors import InvalidValue

from .stand_ins import NOW, reading

FILES = {
    "memory_current": 12 << 20,
    "memory_max": 20 << 20,
    "memory_swap_current": 0,
    "pids_current": 3,
    "cpu_stat": "usage_usec 1250000",
    "cgroup_events": "populated 1\nfrozen 0",
}


def values(each: object, names: tuple[str, ...] = BY_DEFAULT) -> list[object]:
    return [EVERY[name].value(each) for name in names]  # type: ignore[arg-type]


def test_a_row_in_a_pipe(tmp_path: Path) -> None:
    cells = [EVERY[name].cell(reading(tmp_path / "a", **FILES), False, True)[0] for name in BY_DEFAULT]
    assert cells == ["a.scope", "active", "12M", "20M", "0B", "3", "1.250s", "5s", "./a"]


def test_a_row_in_json_has_numbers(tmp_path: Path) -> None:
    row = values(reading(tmp_path / "a", **FILES))
    assert row == ["a.scope", "active", 12 << 20, 20 << 20, 0, 3, 1.25, 5.0, "./a"]


def test_what_cannot_be_known_is_null_or_a_dash(tmp_path: Path) -> None:
    each = reading(tmp_path, age=None, state="failed")
    assert values(each) == ["a.scope", "failed", None, None, None, None, None, None, "./a"]
    assert {EVERY[name].cell(each, False, True)[0] for name in ("memory", "limit", "swap", "tasks", "cpu", "age")} == {
        "-"
    }


def test_without_swap_on_the_machine_none_is_used(tmp_path: Path) -> None:
    there, gone = reading(tmp_path / "a", has_swap=False, memory_current=1), reading(tmp_path, "b", has_swap=False)
    assert [each.swap for each in (there, gone)] == [0, None]


def test_no_limit_is_infinity(tmp_path: Path) -> None:
    each = reading(tmp_path / "a", memory_max="max")
    assert values(each, ("limit", "limited_by")) == ["infinity", None]


def test_a_start_after_now_has_no_age(tmp_path: Path) -> None:
    assert reading(tmp_path, age=-5.0).age is None


def test_the_age_of_a_service_is_not_that_of_its_file(tmp_path: Path) -> None:
    """It keeps its file when it restarts."""
    restarted = reading(tmp_path, "a.service", age=50.0).seen
    assert Reading(restarted, Moment(now=NOW), entered=NOW - 2).age == 2
    assert Reading(restarted, Moment(now=NOW)).age is None
    assert Reading(reading(tmp_path, "a.scope", age=50.0).seen, Moment(now=NOW)).age == 50


@pytest.mark.parametrize(
    ("events", "state"),
    [("populated 1\nfrozen 1", "frozen"), ("populated 0\nfrozen 0", "empty"), ("populated 1\nfrozen 0", "active")],
)
def test_frozen_and_empty_scopes_are_told_apart(tmp_path: Path, events: str, state: str) -> None:
    assert reading(tmp_path / "a", cgroup_events=events).state == state


@pytest.mark.parametrize(
    ("utf8", "shown"), [(True, "   20M █████░░░"), (False, "   20M #####...")], ids=["UTF-8", "ASCII"]
)
def test_a_terminal_shows_a_bar(tmp_path: Path, utf8: bool, shown: str) -> None:
    assert EVERY["limit"].cell(reading(tmp_path / "a", **FILES), True, utf8) == (shown, "green")


def test_numbers_are_sorted_with_the_largest_first_and_the_unknown_last(tmp_path: Path) -> None:
    large, small = (reading(tmp_path / name, name, memory_current=size) for name, size in (("b", 9), ("a", 1)))
    gone = reading(tmp_path, "c")
    by = chosen("memory", "--sort")
    assert [each.name for each in order([small, gone, large], by, reverse=False)] == ["b", "a", "c"]
    assert [each.name for each in order([small, gone, large], by, reverse=True)] == ["a", "b", "c"]


def test_no_limit_sorts_above_any_limit(tmp_path: Path) -> None:
    limits = {"a": 1, "b": "max", "c": 3}
    found = [reading(tmp_path / name, name, memory_max=limit) for name, limit in limits.items()]
    assert [each.name for each in order(found, chosen("limit", "--sort"), reverse=False)] == ["b", "c", "a"]


def test_text_is_sorted_from_a_then_by_the_next_column(tmp_path: Path) -> None:
    found = [
        reading(tmp_path, name, state=state) for name, state in (("a", "failed"), ("b", "active"), ("c", "active"))
    ]
    assert [each.name for each in order(found, chosen("state,unit", "--sort"), reverse=False)] == ["b", "c", "a"]
    assert [each.name for each in order(found, chosen("unit", "--sort"), reverse=True)] == ["c", "b", "a"]


def test_a_description_that_reads_as_a_number_is_text(tmp_path: Path) -> None:
    found = [reading(tmp_path, name, description=text) for name, text in (("a", "sh"), ("b", "infinity"), ("c", "9"))]
    assert [each.name for each in order(found, chosen("command", "--sort"), reverse=False)] == ["c", "b", "a"]
    assert [each.name for each in order(found[1:2], chosen("command", "--sort"), reverse=False)] == ["b"]


def test_an_unknown_column_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidValue, match=r"^--columns unit,x: no column 'x' \(there are unit, state, memory"):
        chosen("unit,x", "--columns")


def test_a_value_is_read_once(tmp_path: Path) -> None:
    each = reading(tmp_path / "a", **FILES)
    assert each.memory == 12 << 20
    (tmp_path / "a" / "memory.current").write_text("1\n")
    assert each.memory == 12 << 20
