"""The user and group of a command are looked up before anything is forked."""

import pytest

from scoperun.errors import InvalidValue
from scoperun.process.identity import identity
from scoperun.spec.request import ExecContext


@pytest.mark.parametrize("name", ["²", "٣", "scoperun-nobody", "99999999999999999999", "-1", "nul\0", ""])
def test_an_unknown_user_is_named(name: str) -> None:
    """Some of Unicode's digits are accepted by int(), but not meant as a UID; others are refused."""
    with pytest.raises(InvalidValue) as refused:
        identity(ExecContext(user=name))
    assert refused.value.message == f"`context.user`: there is no user {name!r}"


@pytest.mark.parametrize("name", ["²", "٣", "scoperun-nobody", "99999999999999999999", "-1", "nul\0", ""])
def test_an_unknown_group_is_named(name: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        identity(ExecContext(group=name))
    assert refused.value.message == f"`context.group`: there is no group {name!r}"
