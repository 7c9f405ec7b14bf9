"""The user and group of a command are looked up before anything is forked."""

import pytest

from scoperun.errors import InvalidValue
from scoperun.process.identity import identity
from scoperun.spec.request import ExecContext


@pytest.mark.parametrize("name", ["²", "٣", "scoperun-nobody", "99999999999999999999", "-1", "nul\0", ""])
def test_a_user_who_is_not_there_is_named(name: str) -> None:
    """Of Unicode's digits, int() refuses some, and accepts others that are not meant as a UID."""
    with pytest.raises(InvalidValue) as refused:
        identity(ExecContext(user=name))
    assert refused.value.message == f"`context.user`: there is no user {name!r}"


@pytest.mark.parametrize("name", ["²", "٣", "scoperun-nobody", "99999999999999999999", "-1", "nul\0", ""])
def test_a_group_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        identity(ExecContext(group=name))
    assert refused.value.message == f"`context.group`: there is no group {name!r}"
