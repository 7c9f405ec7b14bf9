"""A bus allows a connection some hundred match rules: any number of units is heard with a few."""

from __future__ import annotations

import asyncio
from typing import Any

from scoperun.systemd.manager import Manager


class FakeConnection:
    """Notes the rules."""

    def __init__(self) -> None:
        self.rules: list[str] = []
        self.on_signal: Any = None

    async def match(self, rule: str) -> None:
        self.rules.append(rule)


def take(_member: str | None, _body: list[Any]) -> None:
    """Take no signal."""


async def test_one_unit_is_followed_without_the_signals_of_others() -> None:
    connection = FakeConnection()
    await Manager(connection).follow("a.scope", take)  # type: ignore[arg-type]
    assert ["a_2escope" in rule or "'a.scope'" in rule for rule in connection.rules].count(True) == 2
    assert len(connection.rules) == 3  # and systemd's name


async def test_many_units_are_followed_with_a_few_rules() -> None:
    connection = FakeConnection()
    manager = Manager(connection)  # type: ignore[arg-type]
    await asyncio.gather(*(manager.follow(f"a{number}.scope", take) for number in range(600)))
    assert len(connection.rules) == 5


async def test_the_jobs_of_many_units_are_heard_with_two_rules() -> None:
    """Also if that is one unit after the other."""
    connection = FakeConnection()
    manager = Manager(connection)  # type: ignore[arg-type]
    await asyncio.gather(*(manager.hear_jobs(f"a{number}.scope", take) for number in range(300)))
    for number in range(300):
        await manager.hear_jobs(f"b{number}.scope", take)
        manager.forget(f"b{number}.scope")
    assert len(connection.rules) == 2
