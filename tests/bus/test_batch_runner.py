"""The runner and its database: what cannot be kept, and mistakes of ours, end the batch and lose no job."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from scoperun.batch.earlier import clear_earlier
from scoperun.batch.events import Finished, Noted
from scoperun.batch.ground import Ground
from scoperun.batch.halt import halt
from scoperun.batch.job import Job
from scoperun.batch.output import Output, Way
from scoperun.batch.plan import Plan, Stage
from scoperun.batch.retry import Cause, Policy
from scoperun.batch.rows import Header
from scoperun.batch.runner import Runner
from scoperun.batch.state import State
from scoperun.batch.streams import CannotKeep, Streams
from scoperun.errors import InvalidValue, ScopeFailed
from scoperun.kernel.wait import readable
from scoperun.record import replace
from scoperun.spec.request import RunRequest
from scoperun.supervision.running import begun
from tests.bus.program import children
from tests.bus.steps import PATIENCE, something_changed, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from dbus_next.message import Message

    from scoperun.batch.events import Event
    from scoperun.supervision.supervision import Supervision

    from .fake_systemd import FakeSystemd, Unit
    from .wire import Wire

MIB = 1 << 20
TOO_LONG = "/" + "x" * 9000
"""What cannot be executed is named by an error that is longer than a page of the database."""


def state(connection: sqlite3.Connection, *commands: tuple[str, ...]) -> State:
    """Return the state of a batch with these jobs."""
    made = State(connection)
    jobs = (Job(seq=seq, command=command, memory=MIB) for seq, command in enumerate(commands, 1))
    made.make(Header(id="x", created=1.0, cwd="/"), jobs)
    return made


class Batch:
    """A runner of a batch, and what it has told."""

    def __init__(
        self, kept: State, *, slots: int = 9, streams: Callable[[Job, int], Streams] | None = None, **more: Any
    ) -> None:
        """more: further fields of the plan."""
        self.events: list[Event] = []
        self.plan = Plan(
            batch="x",
            total=99 * MIB,
            request=self._request,
            streams=streams or self._streams,
            take=self._take,
            **{"policy": Policy(retries=0), **more},
        )
        self.runner = Runner(kept, self.plan, slots=slots)

    async def run(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.runner.run()

    @property
    def ends(self) -> dict[int, str]:
        return {each.job.seq: each.state for each in self.events if isinstance(each, Finished)}

    @property
    def noted(self) -> list[str]:
        return [each.text for each in self.events if isinstance(each, Noted)]

    def _request(self, job: Job, memory: int, unit: str, slice: str) -> RunRequest:  # noqa: A002  as its field
        return RunRequest(command=job.command, unit=unit, slice=slice, die_with_scoperun=True, require_limits=False)

    def _take(self, event: Event) -> None:
        self.events.append(event)
        something_changed()

    def _streams(self, _job: Job, _number: int) -> Streams:
        return Streams(os.open(os.devnull, os.O_WRONLY), os.open(os.devnull, os.O_WRONLY))


async def left(systemd: FakeSystemd) -> tuple[list[str], list[int]]:
    await systemd.gone()
    return [*systemd.units], children()


async def test_an_end_that_cannot_be_kept_ends_the_batch_and_these_jobs_run_again(
    systemd: FakeSystemd, connection: sqlite3.Connection
) -> None:
    kept = state(connection, ("sleep", "60"), (TOO_LONG,), ("true",))
    first = Batch(kept, slots=2)

    def full(job: Job, number: int) -> Streams:
        connection.execute("PRAGMA max_page_count = 1")  # which is what it has now
        return first._streams(job, number)  # noqa: SLF001

    batch = Batch(kept, slots=2, streams=full)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        await batch.run()
    assert await left(systemd) == ([], [])
    assert batch.ends == {}, "the slot was freed"
    assert [each.seq for each in kept.open_attempts()] == [1, 2]
    assert kept.counts() == {"running": 2, "waiting": 1}

    connection.execute("PRAGMA max_page_count = 1000000")
    connection.execute("UPDATE job SET job = replace(job, 'sleep', 'true')")
    await clear_earlier(kept, "x", system=False)
    assert (kept.open_attempts(), kept.counts()) == ([], {"waiting": 3})
    again = Batch(kept)
    await again.run()
    assert again.ends == {1: "done", 2: "not-executed", 3: "done"}
    assert [kept.begun(seq) for seq in (1, 2, 3)] == [2, 2, 1]
    assert await left(systemd) == ([], [])


async def test_output_that_cannot_be_kept_ends_the_batch_when_the_running_jobs_have(
    systemd: FakeSystemd, connection: sqlite3.Connection, tmp_path: Path
) -> None:
    """The folder is removed: then no file can be made in it, as on a full disk."""
    kept = state(connection, ("true",), ("true",), ("true",))
    folder = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    os.rmdir(tmp_path)
    output = Output(folder, undo=lambda: None, way=Way())
    batch = Batch(kept, slots=1, streams=output.streams)
    await batch.run()
    os.close(folder)
    assert isinstance(batch.runner.failure, CannotKeep)
    assert str(batch.runner.failure) == "cannot keep what job 1 prints: No such file or directory"
    assert kept.counts() == {"waiting": 3}
    assert kept.open_attempts() == []
    assert await left(systemd) == ([], [])


async def test_a_mistake_of_ours_ends_the_batch_and_what_has_ended_beside_it_is_kept(
    systemd: FakeSystemd, connection: sqlite3.Connection
) -> None:
    kept = state(connection, ("sleep", "60"), ("true",), ("false",), ("true",))

    @asynccontextmanager
    async def begin(request: RunRequest, streams: Streams, check: Callable[[], None]) -> AsyncIterator[Supervision]:
        async with begun(request, before_exec=streams.take, check=check) as supervision:
            if request.command == ("false",):
                await supervision.report()
                raise LookupError("a mistake")
            yield supervision

    batch = Batch(kept, slots=3)
    batch.runner = Runner(kept, replaced(batch.plan, begin), slots=3)
    with pytest.raises(LookupError, match="a mistake"):
        await batch.run()
    assert [each.seq for each in kept.open_attempts()] == [3]
    assert await left(systemd) == ([], [])


async def test_a_request_that_is_not_valid_is_about_its_job_alone(
    systemd: FakeSystemd, connection: sqlite3.Connection
) -> None:
    """That should have been seen before; the others run all the same."""
    kept = state(connection, ("sleep", "0.1"), ("true",), ("true",))
    batch = Batch(kept, slots=2)

    def request(job: Job, *rest: Any) -> RunRequest:
        if job.seq == 2:
            raise InvalidValue("`soft_memory=8M` is not below `memory_max=1M`")
        return batch._request(job, *rest)  # noqa: SLF001

    batch.runner = Runner(kept, replace(batch.plan, request=request), slots=2)
    await batch.run()
    assert batch.ends == {1: "done", 2: "not-executed", 3: "done"}
    (end,) = [each.attempt for each in batch.events if isinstance(each, Finished) and each.job.seq == 2]
    assert (end.error, end.exit_status) == ("`soft_memory=8M` is not below `memory_max=1M`", 125)
    assert await left(systemd) == ([], [])


def replaced(plan: Plan, begin: object) -> Plan:
    return replace(plan, begin=begin)


async def test_a_command_does_not_run_in_the_slice_that_came_in_place_of_ours(
    systemd: FakeSystemd, connection: sqlite3.Connection, tmp_path: Path
) -> None:
    """It waits again, and runs once the slice is ours."""
    kept = state(connection, ("sh", "-c", f"echo ran >>{tmp_path}/log"))
    failures = [ScopeFailed("the slice was stopped")]

    def begin(
        request: RunRequest, streams: Streams, check: Callable[[], None]
    ) -> AbstractAsyncContextManager[Supervision]:
        assert getattr(check, "__func__", None) is Ground.see_intact

        def checked() -> None:
            check()
            if failures:
                assert request.unit in systemd.units, "the check came before the scope"
                raise failures.pop()

        return begun(request, before_exec=streams.take, check=checked)

    batch = Batch(kept)
    batch.runner = Runner(kept, replaced(batch.plan, begin), slots=1)
    await batch.run()
    assert (tmp_path / "log").read_text() == "ran\n"
    assert (kept.counts(), kept.begun(1)) == ({"done": 1}, 2)
    assert await left(systemd) == ([], [])


async def test_jobs_are_killed_all_at_once_if_the_runner_is_cancelled(
    systemd: FakeSystemd, connection: sqlite3.Connection
) -> None:
    """Their ends are announced only when all have ended."""
    kept = state(connection, *[("sleep", "60")] * 4)
    batch = Batch(kept)
    running = asyncio.create_task(batch.run())
    ended: list[str] = []

    def end(unit: Unit) -> None:
        if unit.name.startswith("scoperun-batch-"):
            ended.append(unit.name)
            if len(ended) == 4:
                for each in [*systemd.units.values()]:
                    if each.name in ended:
                        systemd.announce_end(each)
        else:
            systemd.announce_end(unit)

    systemd.when_ended = end
    await until(lambda: len([each for each in systemd.units if each.startswith("scoperun-batch-")]) == 4)
    running.cancel()
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait([running])
    assert running.cancelled()
    assert kept.counts() == {"waiting": 4}
    assert await left(systemd) == ([], [])


@pytest.mark.parametrize("stage", [Stage.STOPPING, Stage.KILLING])
@pytest.mark.parametrize("call", ["StartTransientUnit", "Get Version", "UnrefUnit"])
async def test_a_job_that_is_ended_at_any_moment_ends_once(
    stage: Stage, call: str, systemd: FakeSystemd, connection: sqlite3.Connection
) -> None:
    """While its scope is started, when its command runs, and while the end of one that ended by itself is settled."""
    command = ("true",) if call == "UnrefUnit" else ("sleep", "60")
    kept = state(connection, command)
    batch = Batch(kept)

    def end(message: Message) -> Message | None:
        if call != "StartTransientUnit" or message.body[0].startswith("scoperun-batch-"):
            for each in (Stage.DRAINING, stage, stage):
                batch.runner.end(each)
        return systemd.honest(message)

    systemd.at[call] = end
    await batch.run()
    assert len([each for each in batch.events if isinstance(each, Finished)]) == 1
    assert kept.counts() in ([{"done": 1}, {"waiting": 1}] if command == ("true",) else [{"waiting": 1}])
    assert kept.open_attempts() == []
    assert await left(systemd) == ([], [])


async def test_a_wait_for_systemd_is_told_once_and_can_be_ended(
    systemd: FakeSystemd, killing_bus: Callable[[], None], bus: Wire, connection: sqlite3.Connection
) -> None:
    """The second job waits; each look is a new connection."""
    kept = state(connection, ("sleep", "60"), ("true",))
    batch = Batch(kept, slots=1)
    running = asyncio.create_task(batch.run())
    await systemd.called("Get Version")
    killing_bus()
    await systemd.lost()
    for unit in systemd.units.values():
        if unit.name.startswith("scoperun-batch-"):
            systemd.kill(unit, signal.SIGKILL)
    await until(lambda: batch.noted)
    await bus.refused(2)
    batch.runner.end(Stage.DRAINING)
    await running
    assert [text.partition(":")[0] for text in batch.noted] == ["waiting for systemd"]
    assert kept.counts() == {"failed": 1, "waiting": 1}


async def test_only_failures_halt_a_batch(systemd: FakeSystemd, connection: sqlite3.Connection) -> None:
    kept = state(connection, ("true",), ("true",), ("false",), ("true",))
    batch = Batch(kept, slots=1, halt=halt("soon,fail=1"))
    await batch.run()
    assert batch.ends == {1: "done", 2: "done", 3: "failed"}
    assert kept.counts() == {"done": 2, "failed": 1, "waiting": 1}


async def test_starts_are_delayed_and_do_happen(systemd: FakeSystemd, connection: sqlite3.Connection) -> None:
    """Without the delay all of them would have started beside the first one."""
    kept = state(connection, ("true",), ("true",), ("true",))
    forever = Batch(kept, delay=1e6)
    running = asyncio.create_task(forever.run())
    await until(lambda: forever.ends)
    assert kept.counts() == {"done": 1, "waiting": 2}
    forever.runner.end(Stage.DRAINING)
    await running
    await Batch(kept, delay=0.001).run()
    assert kept.counts() == {"done": 3}


async def test_a_job_is_not_tried_again_more_often_than_the_policy_says(
    systemd: FakeSystemd, connection: sqlite3.Connection
) -> None:
    kept = state(connection, ("false",))
    batch = Batch(kept, policy=Policy(retries=2, also=frozenset({Cause.EXIT})))
    await batch.run()
    assert (kept.begun(1), kept.counts()) == (3, {"failed": 1})


async def test_a_job_that_succeeds_when_it_is_stopped_is_done(
    systemd: FakeSystemd, connection: sqlite3.Connection, tmp_path: Path
) -> None:
    """One that does not is interrupted, and waits."""
    ready = "; echo > {}; while :; do read -r _ <{}/never; done"
    os.mkfifo(tmp_path / "never")
    os.mkfifo(tmp_path / "up")
    up = os.open(tmp_path / "up", os.O_RDWR)
    wait = ready.format(tmp_path / "up", tmp_path)
    kept = state(connection, ("sh", "-c", f"trap 'exit 0' TERM{wait}"), ("sh", "-c", f"trap 'exit 3' TERM{wait}"))
    batch = Batch(kept)
    running = asyncio.create_task(batch.run())
    for _ in range(2):
        await readable(up)
        os.read(up, 1)
    batch.runner.end(Stage.STOPPING)
    await running
    os.close(up)
    assert (batch.ends, kept.counts()) == ({1: "done", 2: "waiting"}, {"done": 1, "waiting": 1})
