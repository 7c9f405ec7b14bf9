"""`scopectl wait` says of a unit only what is known: a missing count is not 0."""

from typing import Any

import pytest

from scoperun.ctl.ending import Ending, ending
from scoperun.spec.sizes import INFINITY

STOPS = {"Result": "success", "OOMPolicy": "stop", "Delegate": False}
PEAK = {"MemoryPeak": 4096}
CONTINUES = {"Result": "success", "OOMPolicy": "continue", "Delegate": False}


def end(properties: dict[str, Any], seen: int | None = None) -> Ending:
    return ending("a.scope", "1f", properties, seen=seen)


@pytest.mark.parametrize(
    ("properties", "seen", "killed", "kills"),
    [
        (STOPS, 0, False, None),
        (STOPS | PEAK, None, False, None),
        (STOPS | {"Result": "oom-kill"}, None, True, None),
        (STOPS | {"Result": "oom-kill"}, 2, True, 2),
        (CONTINUES | PEAK, None, None, None),
        (CONTINUES, 0, None, None),
        (CONTINUES, 1, True, 1),
        (CONTINUES | PEAK | {"OOMKills": 0, "ManagedOOMKills": 0}, None, False, 0),
        (CONTINUES | {"OOMKills": 0, "ManagedOOMKills": 0}, 0, False, 0),
        (CONTINUES | {"OOMKills": 3, "ManagedOOMKills": 0}, 1, True, 3),
        (CONTINUES | {"OOMKills": INFINITY, "ManagedOOMKills": INFINITY}, 0, None, None),
        (CONTINUES | {"OOMKills": 0, "ManagedOOMKills": 1}, 0, True, 0),
        (STOPS | {"Delegate": True}, 0, None, None),
        ({"Result": "success"}, 0, None, None),
        ({}, None, None, None),
        ({}, 1, True, 1),
        ({"Result": None}, None, None, None),
    ],
)
def test_whether_there_were_oom_kills(
    properties: dict[str, Any], seen: int | None, killed: bool | None, kills: int | None
) -> None:
    found = end(properties, seen)
    assert (found.oom_killed, found.oom_kills) == (killed, kills)


@pytest.mark.parametrize("properties", [STOPS, CONTINUES | {"OOMKills": 0}, STOPS | {"MemoryPeak": INFINITY}])
def test_without_the_memory_controller_nothing_is_known(properties: dict[str, Any]) -> None:
    """Then systemd reports 0 kills, because it counts none."""
    assert end(properties).oom_killed is None


def test_only_what_is_known_to_have_ended_well_is_a_success() -> None:
    assert end(STOPS, 0).is_success
    assert not end(CONTINUES).is_success
    assert not end(STOPS | {"Result": "timeout"}, 0).is_success
    assert not end({}).is_success


@pytest.mark.parametrize(
    ("properties", "seen", "sentence", "words"),
    [
        (STOPS, 0, "a.scope: success", ("a.scope", "success", "no")),
        (CONTINUES, 2, "a.scope: success, with 2 OOM kills", ("a.scope", "success", "yes")),
        (STOPS | {"Result": "oom-kill"}, 1, "a.scope: oom-kill, with 1 OOM kill", ("a.scope", "oom-kill", "yes")),
        (
            {},
            None,
            "a.scope: result unknown, whether with OOM kills is unknown",
            ("a.scope", "unknown", "unknown"),
        ),
    ],
)
def test_it_is_said_in_words(
    properties: dict[str, Any], seen: int | None, sentence: str, words: tuple[str, str, str]
) -> None:
    assert (end(properties, seen).sentence, end(properties, seen).words) == (sentence, words)
