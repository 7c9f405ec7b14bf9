"""The truth about every way to die for want of memory, and about every way to look like it: it is known beforehand."""

import pytest

from .story import Story
from .truth import play
from .truth.document import print_matrix
from .truth.kinds import Kind


@pytest.mark.parametrize("kind", play.kinds(guest=""))
async def test_what_is_reported_is_true(
    kind: Kind, props: play.Props, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = await play.play(kind, props, monkeypatch)
    assert not failures, "\n".join(failures)


def test_no_verdict_is_wrong(capfd: pytest.CaptureFixture[str]) -> None:
    with capfd.disabled():
        play.print_scores()
        print_matrix(play.SCORES)
    assert not [each for each in play.SCORES if each.is_failure]
