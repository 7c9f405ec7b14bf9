"""The table of options is correct: each option's field, its property, and whether it can be changed while running."""

import dataclasses
from collections import Counter
from contextlib import suppress

import pytest

from scoperun.cli.options import Output
from scoperun.console.option import Option
from scoperun.console.options import OPTIONS, options_of
from scoperun.errors import InvalidValue
from scoperun.spec.limits import Limits
from scoperun.spec.request import ExecContext, RunRequest
from scoperun.spec.scope import live_properties

FIELDS = {
    f"{whole}.{field.name}"
    for whole, record in {"limits": Limits, "context": ExecContext, "request": RunRequest, "output": Output}.items()
    for field in dataclasses.fields(record)
}
NO_OPTION_ALONE = {"request.command", "request.limits", "request.context", "request.properties"}
NOT_ASKED_FOR = {"request.oom_policy_default"}
LISTS = {"context.environment"}

SAMPLES = {"memory_max": 1 << 20, "memory_high": 1 << 20, "oom_policy": "stop"}

every_limit = pytest.mark.parametrize(
    "option", [each for each in OPTIONS if f"{each.field}".startswith("limits.")], ids=lambda option: option.name
)


def limits(option: Option) -> Limits:
    name = f"{option.field}".removeprefix("limits.")
    return Limits(**{name: SAMPLES.get(name, 1)})


def test_each_name_belongs_to_one_option() -> None:
    names = Counter(name for option in OPTIONS for name in (*option.names, option.contrary) if name is not None)
    assert {name for name, times in names.items() if times > 1} == set()


def test_every_field_of_a_request_has_an_option() -> None:
    fields = Counter(option.field for option in OPTIONS if option.field is not None)
    assert set(fields) == FIELDS - NO_OPTION_ALONE - NOT_ASKED_FOR - LISTS
    assert set(fields.values()) == {1}


@every_limit
def test_a_limit_sets_its_property(option: Option) -> None:
    assert option.sets in {each.name for each in limits(option).properties()}


@every_limit
def test_a_limit_can_be_changed_while_the_scope_runs_if_the_table_says_so(option: Option) -> None:
    if option.is_live:
        assert [each.name for each in live_properties(limits(option))] == [option.sets]
    else:
        with pytest.raises(InvalidValue, match="cannot be changed while the scope runs"):
            live_properties(limits(option))


def test_only_limits_can_be_changed_while_the_scope_runs() -> None:
    assert {f"{option.field}".partition(".")[0] for option in OPTIONS if option.is_live} == {"limits"}


def test_a_program_has_its_own_options() -> None:
    assert options_of("scoperun") == OPTIONS
    assert options_of("true") == ()


@pytest.mark.parametrize("option", [each for each in OPTIONS if each.metavar is not None], ids=lambda each: each.name)
@pytest.mark.parametrize("text", ["9" * 5000, "0" * 9 + "9" * 5000, "-" + "9" * 5000, "9" * 5000 + "%"])
def test_a_value_with_thousands_of_digits_is_refused_in_words_of_ours(option: Option, text: str) -> None:
    """int() refuses 4300 digits with a ValueError of its own."""
    with suppress(InvalidValue):
        option.value(text)
