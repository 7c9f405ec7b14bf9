"""The files of --timeline and --trace: whole lines, and no error of a file that was begun reaches the run."""

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from scoperun.cli.options import LIVE_INTERVAL, TIMELINE_INTERVAL, parse
from scoperun.cli.timeline_file import TimelineFile
from scoperun.cli.trace_file import TraceFile
from scoperun.console.files import Destination
from scoperun.errors import InvalidValue
from scoperun.evidence.events import Sampled
from scoperun.supervision.supervision import Supervision
from tests.unit.stories import MIB, START

Opener = Callable[[Path], AbstractContextManager[object]]


def sample(after: float) -> Sampled:
    return Sampled(at=START.monotonic + after, interval=0.2, memory=MIB)


@contextmanager
def opened(path: Path) -> Iterator[TimelineFile]:
    with Destination(str(path)) as file, TimelineFile(file, str(path)) as timeline:
        yield timeline


@contextmanager
def opened_trace(path: Path) -> Iterator[TraceFile]:
    with Destination(str(path)) as file, TraceFile(file, ("true",), {}) as trace:
        yield trace


@contextmanager
def with_room(size: int) -> Iterator[None]:
    """Let no file grow beyond a size during the context: write(2) then writes a part of a line."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def contents(folder: Path) -> dict[str, str]:
    return {each.name: each.read_text() for each in folder.iterdir()}


def beginning() -> Supervision:
    return cast("Supervision", SimpleNamespace(start=START, command=("true",)))


async def test_what_happens_before_the_start_is_known_is_written_after_the_first_line(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    with opened(file) as timeline:
        timeline.take(sample(0.1))
        assert not file.exists()
        async with timeline.following(beginning()):
            timeline.take(sample(0.2))
    first, *others = map(json.loads, file.read_text().splitlines())
    assert first["unit"] == "job.scope"
    assert [each["time"] for each in others] == [0.1, 0.2]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_of_before_stays_if_no_run_begins(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text("before\n")
    with opened(file):
        pass
    assert contents(tmp_path) == {"t.jsonl": "before\n"}


@pytest.mark.parametrize("room", [700, 1100])
async def test_a_disk_without_room_ends_the_timeline_with_a_whole_line(tmp_path: Path, room: int) -> None:
    file = tmp_path / "t.jsonl"
    with opened(file) as timeline:
        with with_room(room):
            async with timeline.following(beginning()):
                for number in range(10):
                    timeline.take(sample(number))
        assert timeline.failure is not None
        timeline.take(sample(11))
    text = file.read_text()
    assert len(text) < room
    assert text.endswith("\n")
    for line in text.splitlines():
        json.loads(line)


async def test_a_disk_without_room_for_the_first_line_keeps_the_file_of_before(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text("before\n")
    with opened(file) as timeline:
        with with_room(20):
            async with timeline.following(beginning()):
                timeline.take(sample(1))
        assert timeline.failure is not None
    assert contents(tmp_path) == {"t.jsonl": "before\n"}


@pytest.mark.parametrize("file", [opened, opened_trace])
def test_a_disk_that_is_full_already_is_found_before_a_run_begins(tmp_path: Path, file: Opener) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("before\n")
    with with_room(20), pytest.raises(OSError, match="File too large"), file(path):
        pass
    assert contents(tmp_path) == {"t.jsonl": "before\n"}


async def test_an_error_in_making_a_line_ends_the_timeline_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "t.csv") as timeline:
        async with timeline.following(beginning()):
            timeline.take(Sampled(at=cast("Any", "soon"), interval=0.2))
    assert timeline.failure is not None
    assert timeline.failure.startswith("TypeError")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), None),
        (("--timeline", "t"), TIMELINE_INTERVAL),
        (("--live",), LIVE_INTERVAL),
        (("--live", "--timeline", "t"), TIMELINE_INTERVAL),
        (("--live", "--timeline-interval", "3"), 3.0),
        (("--timeline=t", "--timeline-interval=10ms"), 0.01),
    ],
)
def test_samples_are_taken_only_for_what_needs_them(words: tuple[str, ...], expected: float | None) -> None:
    asked = parse(["--no-config", *words, "true"])
    assert asked is not None
    assert asked.request.timeline_interval == expected


def test_an_interval_in_a_config_file_asks_for_no_samples(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[defaults]\ntimeline-interval = 2\n")
    for words, expected in (([], None), (["--timeline", "t"], 2.0)):
        asked = parse(["--config", str(config), *words, "true"])
        assert asked is not None
        assert asked.request.timeline_interval == expected


def test_an_interval_without_anything_to_sample_is_refused() -> None:
    with pytest.raises(InvalidValue, match="--timeline-interval has no effect"):
        parse(["--no-config", "--timeline-interval", "1s", "true"])


@pytest.mark.parametrize("text", ["0", "9ms", "infinity", "2d", "soon"])
def test_a_time_that_cannot_be_between_samples_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="timeline-interval"):
        parse(["--no-config", "--timeline", "t", "--timeline-interval", text, "true"])
