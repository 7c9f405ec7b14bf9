"""An unexpected error is one unit's, and the other units of the command are acted on."""

import asyncio
from pathlib import Path

from scoperun.ctl.acting import Did, Target, _met

from .fake_manager import FakeManager
from .stand_ins import reading


def test_an_unexpected_error_is_an_error_of_that_unit(tmp_path: Path) -> None:
    async def act(_: Target) -> Did:
        raise ValueError("what?")

    met = asyncio.run(_met(FakeManager().session(), reading(tmp_path).seen, act))
    assert (met.unit, met.did) == ("a.scope", None)
    assert str(met.error).startswith("internal error: ValueError: what? (")
