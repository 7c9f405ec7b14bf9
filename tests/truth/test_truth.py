"""The report is true for every way to run out of memory, and for every way to look like it."""

from dataclasses import asdict, replace

import pytest

from tests.lab.needs import EACH
from tests.lab.recipe import UML

from . import play
from .kinds import KINDS, Kind


def parameter(kind: Kind) -> object:
    """Return a kind as a test's parameter, with the guest that it needs.

    In a test run kinds are played on one stock kernel only, except those that fill the machine: where that kernel is
    emulated, this takes minutes.
    """
    needs = kind.guest
    if needs.kernel == UML and play.IS_ALL:
        needs = replace(needs, kernel=EACH)
    elif needs.kernel == UML and needs.ram is None:
        needs = replace(needs, also="trixie-stock")
    guest = pytest.mark.guest(**asdict(needs))
    return pytest.param(kind, id=kind.name.encode("unicode_escape").decode(), marks=guest)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("kind", [parameter(kind) for kind in KINDS])
def test_what_is_reported_is_true(kind: Kind, props: play.Props) -> None:
    failures = play.play(kind, props)
    assert not failures, "\n".join(failures)
