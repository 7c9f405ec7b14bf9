"""What is done to the files of a cap is said if systemd does not read them."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from scoperun.ctl.cap_request import Asked, Target
from scoperun.ctl.cap_steps import reload
from scoperun.errors import ManagerError, ScoperunError


class Refusing:
    """A systemd that does not read its files again."""

    async def call(self, *_: object) -> None:
        raise ManagerError("Reload: refused", name="org.freedesktop.DBus.Error.AccessDenied")


@pytest.mark.parametrize(
    ("done", "hint"),
    [("removed", "again: scopectl cap 'a b' --remove"), ("written", "again: scopectl cap 'a b' with the same limits")],
)
def test_a_reload_that_fails_says_what_was_done(done: str, hint: str) -> None:
    asked = Asked(Target("a b"), (), remove=True, dry_run=False, force=False)
    work: Any = SimpleNamespace(opened=SimpleNamespace(manager=Refusing()), asked=asked)
    with pytest.raises(ScoperunError) as caught:
        asyncio.run(reload(work, done))
    message = f"the files are {done}, but not applied yet: Reload: refused"
    assert (caught.value.message, caught.value.hint) == (message, hint)
