"""The scope of a guard, and how its name tells whose it is."""

import pytest

from scoperun.spec.guard import bound_to, guard_request, owner_of


def test_the_name_tells_the_owner_and_the_description_names_it() -> None:
    request = guard_request(77, "a\\b\nc", "00ff00ff")
    assert owner_of(request.unit) == 77
    assert request.value("Description") == "Guard of process 77 (a?b?c): what is bound to it ends with that process"


@pytest.mark.parametrize("name", ["guard-of-scoperun-.scope", "guard-of-scoperun-7-x.scope", "scoperun-a-7-00.scope"])
def test_another_unit_has_no_owner(name: str) -> None:
    assert owner_of(name) is None


def test_a_scope_is_stopped_with_its_guard_and_started_after_it() -> None:
    assert {each.name: each.value for each in bound_to("g.scope")} == {"BindsTo": ["g.scope"], "After": ["g.scope"]}
