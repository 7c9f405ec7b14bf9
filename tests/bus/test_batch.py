"""Batch and its runner: jobs run, end, are stopped and started again, whatever systemd and the guard do."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import stat
from typing import TYPE_CHECKING, Any

import pytest

import scoperun as library
from tests.bus.program import children
from tests.bus.steps import PATIENCE, refusal, stall, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from dbus_next.message import Message

    from .fake_systemd import FakeSystemd, Unit
    from .steps import Action
    from .wire import Wire

MIB = library.MiB


def submit(batch: library.Batch, script: str, **options: object) -> int:
    """Have a batch run a line of sh. The fake puts nothing into a cgroup, so no limit is in force."""
    return batch.submit(["sh", "-c", script], memory=MIB, require_limits=False, **options)  # type: ignore[arg-type]


async def ends(batch: library.Batch) -> dict[int, tuple[str, int | None]]:
    """Return how each job ended, in the order of their ends: the word, and the exit status."""
    async with asyncio.timeout(PATIENCE):
        return {
            each.seq: (each.ending, None if each.report is None else each.report.exit_code)
            async for each in batch.results()
        }


def scopes(systemd: FakeSystemd) -> list[Unit]:
    return [unit for name, unit in systemd.units.items() if name.startswith("scoperun-batch-")]


def guard(systemd: FakeSystemd) -> Unit:
    (unit,) = [unit for name, unit in systemd.units.items() if name.startswith("guard-")]
    return unit


async def running(systemd: FakeSystemd, count: int) -> list[Unit]:
    """Return the scopes once so many of them are there."""
    await until(lambda: len(scopes(systemd)) == count)
    return scopes(systemd)


async def files(folder: Path, count: int) -> None:
    """Return once so many files are there."""
    async with asyncio.timeout(PATIENCE):
        while len(os.listdir(folder)) < count:  # noqa: ASYNC110  the jobs make them
            await asyncio.sleep(0)


async def waits(batch: library.Batch) -> None:
    """Return once an attempt has been made and the job waits again."""
    async with asyncio.timeout(PATIENCE):
        while batch._state.counts() != {"waiting": 1} or not batch._state.begun(1):  # noqa: ASYNC110, SLF001
            await asyncio.sleep(0)


async def left(systemd: FakeSystemd) -> tuple[list[str], list[int]]:
    """Return the units and the processes that are left once systemd knows that the batch is off the bus."""
    await systemd.gone()
    return [*systemd.units], children()


async def test_jobs_run_in_one_slice_and_their_ends_come_as_they_do(systemd: FakeSystemd) -> None:
    async with library.Batch(slots=2, memory_total=9 * MIB) as batch:
        numbers = [submit(batch, script) for script in ("exit 3", "true", "kill -KILL $$", "exit 4")]
        assert await ends(batch) == {
            1: ("failed", 3),
            2: ("done", 0),
            3: ("failed", None),
            4: ("failed", 4),
        }
    assert numbers == [1, 2, 3, 4]
    assert await left(systemd) == ([], [])


@pytest.mark.parametrize("memory", [0, -1, 2.5, True, None, "1M", library.INFINITY])
async def test_memory_that_is_not_valid_is_refused_and_counts_as_nothing(systemd: FakeSystemd, memory: Any) -> None:
    async with library.Batch(slots=2, memory_total=library.INFINITY - 1) as batch:
        with pytest.raises(library.InvalidValue, match=r"^`memory="):
            batch.submit(["true"], memory=memory)
        assert submit(batch, "exit 3") == 1
        assert await ends(batch) == {1: ("failed", 3)}
    assert await left(systemd) == ([], [])


async def test_what_could_never_run_is_refused_and_counts_as_nothing(systemd: FakeSystemd) -> None:
    async with library.Batch(memory_total=library.INFINITY - 1) as batch:
        with pytest.raises(library.InvalidValue, match="is not below"):
            batch.submit(["true"], memory=MIB, soft_memory=library.SoftMemory(MIB))
        odd: Any
        for odd in 1, b"out", []:
            with pytest.raises(library.InvalidValue, match=r"^`stderr=.* is not a path$"):
                batch.submit(["true"], memory=MIB, stderr=odd)
        with pytest.raises(library.ScoperunError, match="is too large to be kept"):
            batch.submit(["true"], memory=1 << 63)
        assert submit(batch, "true", limits=library.Limits(tasks_max=9)) == 1
        assert await ends(batch) == {1: ("done", 0)}
    assert await left(systemd) == ([], [])


@pytest.mark.parametrize("name", ["memory_total", "retry_max"])
@pytest.mark.parametrize("size", [0, -1, 2.5, True, "1M"])
def test_sizes_of_a_batch_that_are_not_valid_are_refused(name: str, size: Any) -> None:
    with pytest.raises(library.InvalidValue, match=rf"^`{name}={size!r}` is not a number of bytes"):
        library.Batch(**{name: size})


async def test_leaving_kills_what_runs_and_leaves_nothing(systemd: FakeSystemd) -> None:
    async with asyncio.timeout(PATIENCE):
        async with library.Batch(slots=2, memory_total=9 * MIB) as batch:
            for _ in range(3):
                submit(batch, "trap '' TERM; exec sleep 60")
            await running(systemd, 2)
    assert await left(systemd) == ([], [])


@pytest.mark.parametrize("turns", range(12))
async def test_leaving_at_any_moment_of_a_start_leaves_nothing(turns: int, systemd: FakeSystemd) -> None:
    async with asyncio.timeout(PATIENCE):
        async with library.Batch(slots=2, memory_total=9 * MIB) as batch:
            submit(batch, "sleep 60")
            for _ in range(turns):
                await asyncio.sleep(0)
    assert await left(systemd) == ([], [])


async def test_jobs_can_be_submitted_while_others_run(systemd: FakeSystemd) -> None:
    async with library.Batch(slots=2, memory_total=9 * MIB) as batch:
        submit(batch, "exit 1")
        seen = []
        async with asyncio.timeout(PATIENCE):
            async for result in batch.results():
                seen.append(result.report and result.report.exit_code)
                if len(seen) < 4:
                    submit(batch, f"exit {len(seen) + 1}")
    assert seen == [1, 2, 3, 4]


def refusing(systemd: FakeSystemd, which: Callable[[int], bool], act: Action) -> None:
    """Do something else with some of the jobs' starts, by the number of the start."""
    starts = 0

    def start(call: Message) -> Message | None:
        nonlocal starts
        if str(call.body[0]).startswith("scoperun-batch-"):
            starts += 1
            if which(starts):
                return act(call)
        return systemd.honest(call)

    systemd.at["StartTransientUnit"] = start


TOO_MANY = refusal("org.freedesktop.DBus.Error.LimitsExceeded", "too many units")


async def test_a_scope_that_is_refused_three_times_in_a_row_ends_the_batch(systemd: FakeSystemd) -> None:
    refusing(systemd, lambda number: number > 1, TOO_MANY)
    async with library.Batch(slots=1, memory_total=9 * MIB) as batch:
        for _ in range(9):
            submit(batch, "true")
        for _ in range(2):  # it says so whenever it is asked
            with pytest.raises(library.ManagerError, match="too many units"):
                await ends(batch)
        waiting = batch._state.counts()  # noqa: SLF001  nothing else tells
    assert waiting == {"done": 1, "waiting": 8}
    assert systemd.steps.count("StartTransientUnit") == 2 + 1 + 3
    assert await left(systemd) == ([], [])


async def test_a_refusal_now_and_then_does_not_count_as_an_end(systemd: FakeSystemd) -> None:
    refusing(systemd, lambda number: number % 3 != 0, TOO_MANY)
    async with library.Batch(slots=1, memory_total=9 * MIB) as batch:
        for _ in range(3):
            submit(batch, "true")
        assert set((await ends(batch)).values()) == {("done", 0)}
    assert await left(systemd) == ([], [])


async def test_jobs_that_a_lost_guard_took_along_run_again(systemd: FakeSystemd, tmp_path: Path) -> None:
    """The second time they find the file, and end."""
    async with library.Batch(slots=3, memory_total=9 * MIB) as batch:
        for name in "abc":
            submit(batch, f"test -e {tmp_path}/{name} || {{ >{tmp_path}/{name}; exec sleep 60; }}")
        await running(systemd, 3)
        await files(tmp_path, 3)
        first = guard(systemd)
        os.kill(first.pids[0], signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            seen = [result async for result in batch.results()]
        assert guard(systemd).name != first.name
    assert [(each.ending, each.attempts) for each in seen] == [("done", 2)] * 3
    assert await left(systemd) == ([], [])


async def test_starts_that_a_lost_guard_has_spoilt_are_no_refusals(systemd: FakeSystemd) -> None:
    def kill_guard(call: Message) -> Message | None:
        with_guard = [unit for name, unit in systemd.units.items() if name.startswith("guard-")]
        for unit in with_guard:
            systemd.kill(unit, signal.SIGKILL)
        return TOO_MANY(call)

    refusing(systemd, lambda number: number <= 4, kill_guard)
    async with library.Batch(slots=4, memory_total=9 * MIB) as batch:
        for _ in range(4):
            submit(batch, "true")
        assert set((await ends(batch)).values()) == {("done", 0)}
    assert await left(systemd) == ([], [])


async def test_jobs_run_on_without_a_bus_and_others_start_when_it_is_back(
    systemd: FakeSystemd, another_bus: Callable[[], Awaitable[None]], killing_bus: Callable[[], None], tmp_path: Path
) -> None:
    """The named pipe holds the first job until the bus is gone."""
    os.mkfifo(tmp_path / "go")
    gate = os.open(tmp_path / "go", os.O_RDWR)
    async with library.Batch(slots=1, memory_total=9 * MIB) as batch:
        submit(batch, f">{tmp_path}/runs; read _ <{tmp_path}/go; exit 3")
        submit(batch, "exit 4")
        await files(tmp_path, 2)
        killing_bus()
        await systemd.lost()
        os.write(gate, b"on\n")
        results = batch.results()
        async with asyncio.timeout(PATIENCE):
            first = await anext(results)
            os.close(gate)  # not before: the job might not have opened it yet, and the line would be lost
            assert first.report is not None
            assert (first.seq, first.report.exit_code) == (1, 3)
            await another_bus()
            second = await anext(results)
        assert second.report is not None
        assert (second.seq, second.report.exit_code, second.attempts) == (2, 4, 1)
        await results.aclose()  # type: ignore[attr-defined]
    assert await left(systemd) == ([], [])


async def test_jobs_start_beside_those_that_run_when_the_bus_is_back(
    systemd: FakeSystemd, another_bus: Callable[[], Awaitable[None]], tmp_path: Path
) -> None:
    """All have the slice of before; those that a guard takes along later run again, whichever guard it is."""
    async with library.Batch(slots=2, memory_total=9 * MIB) as batch:
        submit(batch, f"test -e {tmp_path}/a || {{ >{tmp_path}/a; exec sleep 60; }}")
        await files(tmp_path, 1)
        await another_bus()
        submit(batch, f"test -e {tmp_path}/b || {{ >{tmp_path}/b; exec sleep 60; }}")
        await files(tmp_path, 2)
        first, second = [unit for name, unit in systemd.units.items() if name.startswith("guard-")]
        assert len(scopes(systemd)) == 2
        systemd.kill(first, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            seen = [result async for result in batch.results()]
        assert [(each.ending, each.attempts) for each in seen] == [("done", 2)] * 2
        assert second.is_over
    assert await left(systemd) == ([], [])


async def test_a_batch_that_waits_for_systemd_can_be_left(
    systemd: FakeSystemd, killing_bus: Callable[[], None]
) -> None:
    async with asyncio.timeout(PATIENCE):
        async with library.Batch(slots=1, memory_total=9 * MIB) as batch:
            killing_bus()
            await systemd.lost()
            submit(batch, "true")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2):  # it looks again after one second
                    await anext(batch.results())
    assert [pid for pid in children() if pid not in guard(systemd).running] == []


async def test_systemd_that_has_left_the_bus_is_not_asked_again_and_again(systemd: FakeSystemd) -> None:
    """A job is tried when systemd is gone, and then only its return starts it."""
    async with library.Batch(slots=1, memory_total=9 * MIB) as batch:
        systemd.leave()
        await systemd.left()
        submit(batch, "true")
        await waits(batch)
        await systemd.join()
        async with asyncio.timeout(PATIENCE):
            result = await anext(batch.results())
        assert (result.ending, result.attempts) == ("done", 2)
    assert await left(systemd) == ([], [])


@pytest.mark.usefixtures("impatient")
async def test_nothing_is_tried_beside_jobs_that_run_until_systemd_is_back(
    bus: Wire, systemd: FakeSystemd, tmp_path: Path
) -> None:
    """As long as it is not on the bus it is asked for its cgroup, and no attempt of a job is made."""
    async with library.Batch(slots=2, memory_total=9 * MIB) as batch:
        submit(batch, f">{tmp_path}/a; exec sleep 60")
        await files(tmp_path, 1)
        systemd.leave()
        await systemd.left()
        submit(batch, "true")
        await until(lambda: bus.steps.count("Get ControlGroup") > 3)
        await systemd.join()
        async with asyncio.timeout(PATIENCE):
            result = await anext(batch.results())
        assert (result.seq, result.ending, result.attempts) == (2, "done", 2)
    assert await left(systemd) == ([], [])


@pytest.mark.usefixtures("impatient")
async def test_a_start_that_systemd_does_not_answer_is_tried_again(systemd: FakeSystemd) -> None:
    refusing(systemd, lambda number: number == 1, stall)
    async with library.Batch(slots=1, memory_total=9 * MIB) as batch:
        submit(batch, "true")
        async with asyncio.timeout(PATIENCE):
            result = await anext(batch.results())
        assert (result.ending, result.attempts) == ("done", 2)
    assert await left(systemd) == ([], [])


async def test_a_batch_whose_beginning_is_cancelled_leaves_nothing(systemd: FakeSystemd) -> None:
    """It is cancelled while systemd starts the slice."""
    begun: list[str] = []

    def start(unit: Unit) -> None:
        begun.append(unit.name)
        if not unit.is_slice:
            systemd.announce_start(unit)

    systemd.when_started = start
    beginning = asyncio.create_task(library.Batch(memory_total=9 * MIB).__aenter__())
    await until(lambda: any(name.endswith(".slice") for name in begun))
    beginning.cancel()
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait([beginning])
    assert beginning.cancelled()
    assert await left(systemd) == ([], [])


async def test_a_slice_of_an_earlier_connection_is_replaced(systemd: FakeSystemd) -> None:
    refused = False

    def start(call: Message) -> Message | None:
        nonlocal refused
        if str(call.body[0]).endswith(".slice") and not refused:
            refused = True
            systemd.honest(call)  # the one that is there already
        return systemd.honest(call)

    systemd.at["StartTransientUnit"] = start
    async with asyncio.timeout(PATIENCE), library.Batch(slots=1, memory_total=9 * MIB) as batch:
        submit(batch, "exit 3")
        assert await ends(batch) == {1: ("failed", 3)}
    assert await left(systemd) == ([], [])


async def test_a_job_whose_file_cannot_be_written_affects_no_other(systemd: FakeSystemd, tmp_path: Path) -> None:
    async with library.Batch(slots=1, memory_total=9 * MIB) as batch:
        submit(batch, "true", stdout=f"{tmp_path}/none/out")
        submit(batch, "echo well", stdout=f"{tmp_path}/out")
        async with asyncio.timeout(PATIENCE):
            seen = [result async for result in batch.results()]
    assert [(each.ending, each.error) for each in seen] == [
        ("not-executed", f"cannot write '{tmp_path}/none/out': No such file or directory"),
        ("done", None),
    ]
    assert (tmp_path / "out").read_text() == "well\n"
    assert await left(systemd) == ([], [])


async def written(systemd: FakeSystemd, script: str, **streams: str | Path) -> library.BatchResult:
    """Run one job with these files for its output, and return how it ended."""
    async with library.Batch(slots=1, memory_total=9 * MIB) as batch:
        submit(batch, script, **streams)
        async with asyncio.timeout(PATIENCE):
            (result,) = [result async for result in batch.results()]
    assert await left(systemd) == ([], [])
    return result


async def test_a_pipe_for_what_a_job_prints_is_refused_and_keeps_nothing_waiting(
    systemd: FakeSystemd, tmp_path: Path
) -> None:
    """Nothing reads it."""
    os.mkfifo(tmp_path / "pipe")
    result = await written(systemd, "true", stderr=f"{tmp_path}/pipe")
    why = "it is a FIFO or a device, which can keep its writer waiting"
    assert (result.ending, result.error) == ("not-executed", f"cannot write '{tmp_path}/pipe': {why}")


@pytest.mark.parametrize("path", ["a\0b", ""])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_a_path_that_no_file_can_have_affects_its_job_alone(
    systemd: FakeSystemd, tmp_path: Path, path: str, stream: str
) -> None:
    result = await written(systemd, "true", **{"stdout": f"{tmp_path}/out", stream: path})
    assert result.ending == "not-executed"
    assert f"{result.error}".startswith(f"cannot write {path!r}: ")


async def test_files_for_what_a_job_prints_are_new_ones_with_the_usual_mode(
    systemd: FakeSystemd, tmp_path: Path
) -> None:
    (tmp_path / "far").write_text("longer than what is printed\n")
    (tmp_path / "out").symlink_to("far")
    before = os.umask(0o027)
    try:
        await written(systemd, "echo out; echo err >&2", stdout=tmp_path / "out", stderr=f"{tmp_path}/err")
    finally:
        os.umask(before)
    assert ((tmp_path / "far").read_text(), (tmp_path / "err").read_text()) == ("out\n", "err\n")
    assert stat.S_IMODE((tmp_path / "err").stat().st_mode) == 0o640


@pytest.mark.parametrize("other", ["out", "./out", "link"])
async def test_both_streams_can_go_to_one_file(systemd: FakeSystemd, tmp_path: Path, other: str) -> None:
    """Also if the job opens them again."""
    (tmp_path / "out").touch()
    (tmp_path / "link").symlink_to("out")
    script = "echo 1; echo 2 >&2; echo 3 >>/dev/stdout; echo 4; echo 5 >>/dev/stderr; echo 6 >&2"
    await written(systemd, script, stdout=f"{tmp_path}/out", stderr=f"{tmp_path}/{other}")
    assert (tmp_path / "out").read_text().split() == [*"123456"]


async def test_what_a_job_prints_can_go_nowhere(systemd: FakeSystemd) -> None:
    assert (await written(systemd, "echo out; echo err >&2", stdout="/dev/null", stderr="/dev/null")).ending == "done"


@pytest.fixture
def no_descriptors() -> Iterator[Callable[[], None]]:
    """Return what leaves this process a single descriptor."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def lower() -> None:
        last = os.dup(2)
        os.close(last)
        resource.setrlimit(resource.RLIMIT_NOFILE, (last + 1, before[1]))

    yield lower
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_without_descriptors_jobs_wait_and_the_batch_ends(
    systemd: FakeSystemd, no_descriptors: Callable[[], None]
) -> None:
    async with library.Batch(slots=1, memory_total=9 * MIB) as batch:
        no_descriptors()
        for _ in range(9):
            submit(batch, "true")
        with pytest.raises(library.ScoperunError, match="Too many open files"):
            await ends(batch)
        assert batch._state.counts() == {"waiting": 9}  # noqa: SLF001  nothing else tells
