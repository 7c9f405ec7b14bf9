"""`scopectl batch` as a program on the fake systemd: what stops it, what it says then, and what is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

import pytest

from .program import Ended, end
from .steps import PATIENCE, stall, until

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from pathlib import Path

    from .fake_systemd import FakeSystemd
    from .wire import Wire

LITTLE = ("--mem", "1M", "--mem-total", "99M", "--no-require-limits", "--progress", "none")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have batches keep their state in a folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


async def started(*words: str, through: str = 'exec "$@"') -> Process:
    """Start scopectl batch; `through` is a line of sh that runs it, as "$@"."""
    argv = ("/bin/sh", "-c", through, "sh", sys.executable, "-m", "scoperun.ctl", "batch", *words)
    return await asyncio.create_subprocess_exec(*argv, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True)


async def batch(*words: str, through: str = 'exec "$@"') -> Ended:
    """Run scopectl batch to its end."""
    return await end(await started(*words, through=through))


def folder(err: str) -> str:
    """Return the folder with which the batch is to go on."""
    (line,) = [line for line in err.splitlines() if "to go on" in line]
    return line.rpartition(" --state ")[2]


async def test_too_few_descriptors_are_found_before_anything_starts(systemd: FakeSystemd, home: Path) -> None:
    done = await batch(
        "-j", "50", *LITTLE, "--", "touch", f"{home}/{{}}", ":::", "ran", through='ulimit -n 400; exec "$@"'
    )
    assert (done.status, done.out, done.left) == (125, "", [])
    assert done.complaint == (
        "scopectl: 50 jobs at once need 1264 descriptors, and this process can have 400 "
        "(at most 14 at once, or a higher hard limit: ulimit -Hn)"
    )
    assert os.listdir(home) == []
    assert "StartTransientUnit" not in systemd.steps


async def test_the_limit_of_descriptors_is_raised_for_the_batch_and_not_for_its_jobs(systemd: FakeSystemd) -> None:
    done = await batch(
        "-j", "9", *LITTLE, "--", "sh", "-c", "ulimit -Sn", "{}", ":::", *"abc", through='ulimit -Sn 99; exec "$@"'
    )
    assert (done.status, done.out) == (0, "99\n" * 3), done
    assert systemd.units == {}


async def test_a_disk_that_is_full_ends_the_batch_and_is_named(systemd: FakeSystemd, home: Path) -> None:
    """No file of it can have more than 128 KiB, which what is kept of some jobs takes."""
    words = ("-j", "2", *LITTLE, "--", "true", "{}", ":::", *map(str, range(40)))
    done = await batch(*words, through='ulimit -f 256; exec "$@"')
    assert (done.status, done.out, done.left) == (125, "", [])
    assert done.complaint.startswith("scopectl: cannot use ")
    assert done.complaint.partition("batch.db: ")[2] in {"disk I/O error", "database or disk is full"}
    await systemd.gone()
    again = await batch("--resume", "--json")
    assert again.status == 0
    assert [line for line in again.out.splitlines() if '"jobs"' in line]
    assert systemd.units == {}


async def interrupted_unread(process: Process, bus: Wire, systemd: FakeSystemd) -> str:
    """Interrupt a batch that only waits for a reader of what its jobs print, and return what it says then."""
    await systemd.called("StopUnit")  # of the slice
    await bus.idle()
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(PATIENCE):
        assert process.stderr is not None
        err = (await process.stderr.read()).decode()
    assert "scopectl: not all that jobs print was printed: nothing reads it\n" in err
    return err


async def test_a_wait_for_a_reader_of_the_output_can_be_ended(bus: Wire, systemd: FakeSystemd) -> None:
    """The job prints more than the pipe and we take. Off the bus, the batch does nothing else."""
    process = await started(*LITTLE, "--", "head", "-c", "900000", "{}", ":::", "/dev/zero")
    err = await interrupted_unread(process, bus, systemd)
    done = await end(process)
    assert (done.status, len(done.out) < 900000, systemd.units) == (130, True, {})
    again = await batch("--resume", "--state", folder(err))
    assert (again.status, len(again.out)) == (0, 900000)


async def test_a_beginning_that_systemd_does_not_answer_can_be_interrupted(systemd: FakeSystemd) -> None:
    systemd.at["StartTransientUnit"] = lambda call: stall(call) if ".slice" in call.body[0] else systemd.honest(call)
    process = await started(*LITTLE, "--", "true", "{}", ":::", "a")
    await until(lambda: systemd.steps.count("StartTransientUnit") == 2)
    process.send_signal(signal.SIGINT)
    done = await end(process)
    assert (done.status, done.left) == (130, []), done
    assert "scopectl: to go on: scopectl batch --resume" in done.err
    await systemd.gone()


async def test_a_wait_for_jobs_of_an_earlier_runner_can_be_interrupted(systemd: FakeSystemd) -> None:
    """Then nothing is removed: the job is neither done nor waiting."""
    killed = await started(*LITTLE, "--", "sleep", "{}", ":::", "60")
    await systemd.called("Get Version")
    killed.send_signal(signal.SIGKILL)
    await killed.wait()
    await systemd.gone()
    systemd.at["ListUnitsByPatterns"] = stall
    process = await started("--resume")
    await systemd.called("ListUnitsByPatterns")
    process.send_signal(signal.SIGINT)
    done = await end(process)
    assert done.status == 130, done
    assert "scopectl: to go on: scopectl batch --resume" in done.err
    del systemd.at["ListUnitsByPatterns"]
    again = await started("--resume")
    await until(lambda: systemd.steps.count("Get Version") == 2)
    for _ in range(2):
        again.send_signal(signal.SIGTERM)
    assert (await end(again)).status == 130


@pytest.mark.parametrize("json", [(), ("--json",)])
@pytest.mark.parametrize("out", ["| head -n 1", ">/dev/full"])
async def test_output_that_cannot_be_written_ends_the_batch_and_loses_no_job(
    out: str, json: tuple[str, ...], systemd: FakeSystemd
) -> None:
    words = ("-j", "1", *LITTLE, *json, "--", "echo", "{}", ":::", *map(str, range(12)))
    first = await batch(*words, through=f'("$@"; echo "status $?" >&2) {out}')
    *_, status = first.err.splitlines()
    assert status == ("status 141" if json and "head" in out else "status 125"), first
    await systemd.gone()
    again = await batch("--resume", "--state", folder(first.err), "--json")
    assert (again.status, systemd.units) == (0, {})
