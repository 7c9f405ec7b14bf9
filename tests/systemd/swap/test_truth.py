"""The truth about a command that has swap beside its memory."""

from pathlib import Path

import pytest

from tests.systemd.story import Story
from tests.systemd.truth import play
from tests.systemd.truth.kinds import Kind

HAS_SWAP = len(Path("/proc/swaps").read_text(encoding="utf-8").splitlines()) > 1

pytestmark = pytest.mark.skipif(not HAS_SWAP, reason="there is no swap; run: python -m tests.lab test")


@pytest.mark.parametrize("kind", play.kinds(guest="swap"))
async def test_what_is_reported_is_true(
    kind: Kind, props: play.Props, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = await play.play(kind, props, monkeypatch)
    assert not failures, "\n".join(failures)


def test_the_scores_are_told(capfd: pytest.CaptureFixture[str]) -> None:
    with capfd.disabled():
        play.print_scores()
