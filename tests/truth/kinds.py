"""The kinds of stories, and the functions that state their truth."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import lcm
from typing import Any

from scoperun import OOMPolicy
from tests.lab.needs import Needs

from .score import Truth
from .stage import Claim, Stage, Variant

Play = Callable[[Stage], Awaitable[Claim | tuple[Claim, ...]]]

EVERY_POLICY = tuple(OOMPolicy)
WAYS = (
    *((True, False, False), (False, True, False), (True, True, True), (False, False, True)),
    *((True, False, True), (False, True, True), (True, True, False), (False, False, False)),
)
"""Whether the kernel log can be read, whether the processor is busy, and whether commands are jobs of a batch."""

ANY, SMALL, SWAP = Needs(), Needs(ram="256M"), Needs(swap="512M")
"""Guests: that of most tests, one that is small enough to be filled, one with swap."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of story.

    name: what happens. play: the story. policies: those under which its end is known. guest: the one that it needs.
    may_lose_counters: the process that holds the counters can be killed too, even without OOMPolicy=kill.
    """

    name: str
    play: Play
    policies: tuple[OOMPolicy, ...]
    guest: Needs
    may_lose_counters: bool

    @property
    def variants(self) -> list[Variant]:
        """All variants of it, in an order in which neighbours differ as much as possible."""
        round_trip = lcm(len(self.policies), len(WAYS))
        turns = range(len(self.policies) * len(WAYS))
        ways = (WAYS[(turn + turn // round_trip) % len(WAYS)] for turn in turns)
        policies = (self.policies[turn % len(self.policies)] for turn in turns)
        return [Variant(policy, *way) for policy, way in zip(policies, ways, strict=True)]


KINDS: list[Kind] = []


def kind(
    name: str, *policies: OOMPolicy, guest: Needs = ANY, may_lose_counters: bool = False
) -> Callable[[Play], Play]:
    """Add a story to the kinds."""

    def add(play: Play) -> Play:
        KINDS.append(Kind(name, play, policies or EVERY_POLICY, guest, may_lose_counters))
        return play

    return add


def ended(report: dict[str, Any], verdict: str, *, withheld: bool = False) -> Claim:
    """Claim that a run ended with this verdict, without an OOM kill; `withheld`: the verdict can be unknown."""
    return Claim(report, Truth(happened=verdict, withheld=frozenset({"verdict"} if withheld else ())))


def killed(
    report: dict[str, Any],
    *victims: int | tuple[int, str],
    limit_of: str = "scope",
    units: tuple[str | None, ...] = (),
    withheld: frozenset[str] = frozenset(),
    counted: int | None = None,
) -> Claim:
    """Claim that these processes were killed because memory ran out.

    victims: PIDs of actors, or pairs of a PID and a name; a name can have alternatives, separated by |.
    limit_of: whose limit it was. units: the units that the report can name for it; by default the scope, and None for a
    full machine and for a systemd-oomd that is not running. withheld: what can be unknown. counted: the number of kills
    that the kernel counted, if smaller.
    """
    names = dict((victim, "actor") if isinstance(victim, int) else victim for victim in victims)
    truth = Truth(
        happened="oom-kill",
        victims={pid: tuple(name.split("|")) for pid, name in names.items()},
        counted=counted,
        limit_of=limit_of,
        limit_units=units or (None if limit_of in {"host", "systemd-oomd"} else report["unit"],),
        withheld=withheld,
    )
    return Claim(report, truth)
