"""A program that runs many commands is afterwards as it was before."""

import pytest

import scoperun
from tests.leaks import assert_nothing_leaks

from .story import Story

pytestmark = pytest.mark.guest(suite="trixie")


async def test_runs_leak_nothing(story: Story) -> None:
    """A thousand of them are done beside a fake systemd, in tests/bus: here they take a guest two minutes."""

    async def run() -> None:
        assert (await scoperun.run(["true"])).exit_code == 0

    await assert_nothing_leaks(run, runs=100)
