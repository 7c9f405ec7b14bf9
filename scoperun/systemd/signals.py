"""systemd's signals on one connection: which of them the bus sends, and what takes each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from scoperun.spec.scope import unit_path
from scoperun.systemd import answers, bus

if TYPE_CHECKING:
    from collections.abc import Callable

    from scoperun.systemd.presence import Presence

    Take = Callable[[str | None, list[Any]], None]
    """Called with a signal's name and its body."""

    Overhear = Callable[[bus.Signal], None]

SYSTEMD = "org.freedesktop.systemd1"
PATH = "/org/freedesktop/systemd1"
MANAGER = "org.freedesktop.systemd1.Manager"
PROPERTIES = "org.freedesktop.DBus.Properties"

_OWNER_CHANGED = f"type='signal',sender='{bus.NAME}',interface='{bus.NAME}',member='NameOwnerChanged',arg0='{SYSTEMD}'"

_NEWS = f"type='signal',sender='{SYSTEMD}',path='{PATH}',interface='{MANAGER}',member='UnitNew'"


class Signals:
    """The signals of a connection. What adds a rule to the bus raises bus.ErrorReply if it is refused, or BusLost."""

    def __init__(self, connection: bus.Connection) -> None:
        """Take the connection's signals from now on."""
        self._connection = connection
        self._routes: dict[str, Take] = {}
        self._take_returns: dict[str, Take] = {}
        self._shared_rules: dict[str, asyncio.Future[None]] = {}
        self._presence: Presence | None = None
        self._overhear: Overhear | None = None
        self._matched: set[bool] = set()
        connection.on_signal = self._route

    async def listen(self, path: str, unit: str, take: Take, *, is_guard: bool = False) -> None:
        """Hand the signals of a scope of ours, and of no other unit, to `take`.

        The first scope, and the first guard, have rules of their own. A bus allows a connection only so many.
        """
        rules = self._match_all() if is_guard in self._matched else self._match(path, unit)
        self._matched.add(is_guard)
        self._routes[path] = take
        await rules

    async def follow(self, unit: str, take: Take) -> None:
        """Hand the signals of a unit of any kind, and that of its removal, to `take`.

        systemd sends them if a client has a reference to the unit, or has called Subscribe(). `take` also gets each
        change of the process that has systemd's name on the bus, as in `hear_jobs`.
        """
        rules = self._follow_all() if self._routes else self._follow(unit)
        self._routes[unit_path(unit)] = self._take_returns[unit] = take
        await asyncio.gather(rules, self._once(_OWNER_CHANGED))

    async def hear_jobs(self, unit: str, take: Take) -> None:
        """Hand the end of each job of a unit to `take` (JobRemoved), until `forget`.

        It also gets each change of the process that has systemd's name on the bus (NameOwnerChanged): while systemd is
        away (daemon-reexec) it announces nothing.
        """
        self._routes[unit_path(unit)] = self._take_returns[unit] = take
        await asyncio.gather(self._once(_jobs("")), self._once(_OWNER_CHANGED))

    async def overhear(self, take: Overhear) -> None:
        """Hand every signal to `take`, and have the bus send those of all scopes and services, new units and removals.

        systemd sends them if a client has called Subscribe(). Of a unit that starts while systemd is busy, it announces
        only that it is new.
        """
        self._overhear = take
        objects = f"path_namespace='{PATH}/unit',arg0='{SYSTEMD}"
        changes = (_changes(f"{objects}.Scope'"), _changes(f"{objects}.Service'"))
        await asyncio.gather(*map(self._once, (*changes, _NEWS, _removals(""), _OWNER_CHANGED)))

    def forget(self, unit: str) -> None:
        """Stop handing on the signals of a unit."""
        self._routes.pop(unit_path(unit), None)
        self._take_returns.pop(unit, None)

    async def back(self) -> bool:
        """Wait until systemd is on the bus again; tell whether it is. Raises BusLost if the bus does not answer."""
        if self._presence is None:
            from scoperun.systemd.presence import Presence  # noqa: PLC0415  almost never needed

            self._presence = Presence(self._connection, SYSTEMD)
        return await self._presence.back()

    async def _match(self, path: str, unit: str) -> None:
        """Have the bus send the signals of one scope only: those of others would wake this process for nothing.

        With AddRef they come without Subscribe(), with which every scoperun on the machine would wake every other one.
        """
        await asyncio.gather(
            self._connection.match(_changes(f"path='{path}'")), self._connection.match(_jobs(f",arg2='{unit}'"))
        )

    async def _match_all(self) -> None:
        """Have the bus send the signals of all scopes: two rules in total in place of two for each scope."""
        await asyncio.gather(self._once(_changes(f"path_namespace='{PATH}/unit'")), self._once(_jobs("")))

    async def _follow(self, unit: str) -> None:
        """Have the bus send the signals of one unit and that of its removal."""
        await asyncio.gather(
            self._connection.match(_changes(f"path='{unit_path(unit)}'")),
            self._connection.match(_removals(f",arg0='{unit}'")),
        )

    async def _follow_all(self) -> None:
        """Do the same for all units, as in `_match_all`: a bus allows a connection some hundred rules."""
        await asyncio.gather(self._once(_changes(f"path_namespace='{PATH}/unit'")), self._once(_removals("")))

    async def _once(self, rule: str) -> None:
        """Have the bus send the signals that match `rule`, which several units share: it is added only once."""
        if rule not in self._shared_rules:
            self._shared_rules[rule] = asyncio.ensure_future(self._connection.match(rule))
        await asyncio.shield(self._shared_rules[rule])

    def _route(self, signal: bus.Signal) -> None:
        """Hand a signal to what follows the unit that it is about, or that of the bus to what waits for systemd."""
        if self._overhear is not None:
            self._overhear(signal)
        take = self._routes.get(signal.path or "")
        if take is not None:
            take(signal.member, signal.body(answers.WANTED))
        elif signal.path == PATH:
            body = signal.body()
            unit = answers.job_of(signal.member, body) or answers.removed(signal.member, body)
            take = self._routes.get(unit_path(unit)) if unit else None
            if take is not None:
                take(signal.member, body)
        elif signal.path == bus.PATH:
            body = signal.body() if self._take_returns else []
            for take in [*self._take_returns.values()]:
                take(signal.member, body)
            if self._presence is not None:
                self._presence.take(signal)


def _changes(objects: str) -> str:
    """Return the rule for changes of properties of these objects."""
    return f"type='signal',sender='{SYSTEMD}',interface='{PROPERTIES}',{objects}"


def _jobs(more: str) -> str:
    """Return the rule for the ends of jobs."""
    return f"type='signal',sender='{SYSTEMD}',path='{PATH}',interface='{MANAGER}',member='JobRemoved'{more}"


def _removals(more: str) -> str:
    """Return the rule for the removals of units."""
    return f"type='signal',sender='{SYSTEMD}',path='{PATH}',interface='{MANAGER}',member='UnitRemoved'{more}"
