"""The truth about a machine that has no memory left: it is small enough to be filled."""

import pytest

from tests.systemd.lab_only import lab_only
from tests.systemd.story import Story
from tests.systemd.truth import play
from tests.systemd.truth.kinds import Kind

pytestmark = lab_only  # it fills the machine


@pytest.mark.parametrize("kind", play.kinds(guest="small"))
async def test_what_is_reported_is_true(
    kind: Kind, props: play.Props, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = await play.play(kind, props, monkeypatch)
    assert not failures, "\n".join(failures)


def test_the_scores_are_told(capfd: pytest.CaptureFixture[str]) -> None:
    with capfd.disabled():
        play.print_scores()
