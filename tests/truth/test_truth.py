"""The report is true for every way to run out of memory, and for every way to look like it."""

from dataclasses import asdict

import pytest

from . import play
from .kinds import KINDS, Kind


def parameter(kind: Kind) -> object:
    """Return a kind as a test's parameter, with the guest that it needs."""
    guest = pytest.mark.guest(**asdict(kind.guest))
    return pytest.param(kind, id=kind.name.encode("unicode_escape").decode(), marks=guest)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("kind", [parameter(kind) for kind in KINDS])
def test_what_is_reported_is_true(kind: Kind, props: play.Props) -> None:
    failures = play.play(kind, props)
    assert not failures, "\n".join(failures)
