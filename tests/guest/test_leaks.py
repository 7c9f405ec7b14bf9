"""A program that runs many commands leaks nothing."""

import pytest

import scoperun
from tests.leaks import assert_nothing_leaks

from .story import Story

pytestmark = pytest.mark.guest(suite="trixie")


async def test_runs_leak_nothing(story: Story) -> None:
    """tests/bus does 400 runs on a fake systemd; in a guest that would take two minutes."""

    async def run() -> None:
        assert (await scoperun.run(["true"])).exit_code == 0

    await assert_nothing_leaks(run, runs=100)
