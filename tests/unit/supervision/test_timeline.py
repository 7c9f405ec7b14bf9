"""Samples of a scope: a folder of files stands for its cgroup."""

import asyncio
from pathlib import Path

import pytest

from scoperun.evidence.events import Event, Sampled
from scoperun.kernel.cgroup import Cgroup
from scoperun.spec.sizes import INFINITY
from scoperun.supervision.feed import Feed
from scoperun.supervision.timeline import Timeline

MIB = 1 << 20
FILES = {
    "memory.current": f"{5 * MIB}",
    "memory.max": "max",
    "memory.swap.current": "4096",
    "memory.stat": f"anon {3 * MIB}\nfile {MIB}\nkernel 8192",
    "memory.events": "low 0\nhigh 0\nmax 2\noom 1\noom_kill 1\noom_group_kill 0",
    "pids.current": "3",
    "pids.events": "max 7",
    "cpu.stat": "usage_usec 1500000\nuser_usec 1000000",
    "cgroup.events": "populated 1\nfrozen 0",
}


class Run:
    """A scope with a timeline, and the events that it gave."""

    def __init__(self, folder: Path, **options: int) -> None:
        self.folder = folder / "job.scope"
        self.folder.mkdir()
        for name, text in FILES.items():
            (self.folder / name).write_text(f"{text}\n")
        self.events: list[Event] = []
        self.feed = Feed(self.events.append)
        self.timeline = Timeline(Cgroup("/job.scope", str(self.folder)), self.feed, 0.01, **options)

    def samples(self) -> list[Sampled]:
        return [event for event in self.events if isinstance(event, Sampled)]

    def remove(self) -> None:
        for file in self.folder.iterdir():
            file.unlink()
        self.folder.rmdir()


def test_a_sample_is_what_the_files_say_without_the_keeper(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.timeline.look()
    [sample] = run.samples()
    assert (sample.memory, sample.memory_max, sample.swap) == (5 * MIB, INFINITY, 4096)
    assert (sample.cpu, sample.tasks, sample.tasks_refused) == (1.5, 2, 7)
    assert sample.stat == {"anon": 3 * MIB, "file": MIB, "kernel": 8192}
    assert sample.events is not None
    assert sample.events["max"] == 2
    run.timeline.close()


@pytest.mark.parametrize(
    ("missing", "field"),
    [
        ("memory.current", "memory"),
        ("memory.max", "memory_max"),
        ("memory.swap.current", "swap"),
        ("memory.stat", "stat"),
        ("memory.events", "events"),
        ("pids.current", "tasks"),
        ("pids.events", "tasks_refused"),
        ("cpu.stat", "cpu"),
    ],
)
def test_what_cannot_be_read_is_not_known(tmp_path: Path, missing: str, field: str) -> None:
    run = Run(tmp_path)
    (run.folder / missing).unlink()
    run.timeline.look()
    [sample] = run.samples()
    names = ("memory", "memory_max", "swap", "stat", "events", "tasks", "tasks_refused", "cpu")
    assert [name for name in names if getattr(sample, name) is None] == [field]
    run.timeline.close()


def test_there_is_no_sample_of_a_scope_that_is_gone_or_after_the_end(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.remove()
    assert not run.timeline.look()
    run.timeline.close()
    assert not run.timeline.look()
    assert run.events == []


async def test_the_interval_doubles_after_so_many_samples_and_the_report_counts_all(tmp_path: Path) -> None:
    run = Run(tmp_path, samples=3)
    task = asyncio.create_task(run.timeline.run())
    await run.feed.until(lambda invocation: invocation.samples == 7)
    task.cancel()
    run.timeline.close()
    assert [sample.interval for sample in run.samples()][:7] == [0.01, 0.01, 0.02, 0.02, 0.02, 0.04, 0.04]
    times = [sample.at for sample in run.samples()]
    assert times == sorted(times)
    known = run.feed.invocation
    assert (known.samples, known.sample_interval, known.largest_anon) == (7, 0.04, 3 * MIB)


async def test_it_ends_with_the_scope(tmp_path: Path) -> None:
    run = Run(tmp_path)
    task = asyncio.create_task(run.timeline.run())
    await run.feed.until(lambda invocation: invocation.samples == 2)
    run.timeline.close()
    await asyncio.wait_for(task, 60)
