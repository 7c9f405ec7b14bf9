"""What jobs print is printed whole, with its tag and in the order that was asked for."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from scoperun.batch.events import Finished
from scoperun.batch.output import Output, Way
from scoperun.batch.results import Results
from scoperun.errors import ScoperunError
from scoperun.evidence.verdict import Verdict
from tests.unit.batch.jobs import MiB, attempt, begun, ended, folder, job, state


def nothing() -> None:
    """Let signals through."""


def run_job(output: Output, seq: int, number: int = 1, *, out: bytes = b"", err: bytes = b"") -> None:
    """Do what a job does that prints this."""
    streams = output.streams(job(seq), number)
    for fd, text in zip(streams._fds, (out, err), strict=True):  # noqa: SLF001  what its process would have
        os.write(fd, text)
    streams.close()


def end(output: Output, seq: int, number: int = 1, *, state: str = "done", tag: str = "", **more: Any) -> None:
    output.take(
        Finished(
            job=job(seq, tag or "true"), attempt=attempt(seq, number, **more), report=None, state=state, memory=MiB
        )
    )


def test_it_is_printed_when_the_job_has_ended_and_its_files_are_removed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with folder(tmp_path) as place, place.output() as files:
        output = Output(files, undo=nothing, way=Way())
        run_job(output, 1, out=b"one\n", err=b"error\n")
        run_job(output, 2, out=b"two\n")
        end(output, 2)
        end(output, 1)
        output.close()
        asyncio.run(output.print_all())
        assert os.listdir(files) == []
    assert capfd.readouterr() == ("two\none\n", "error\n")


@pytest.mark.parametrize(("ends", "text"), [([3, 1, 2], "1\n2\n3\n"), ([2, 3], "2\n3\n"), ([3, 1], "1\n3\n")])
def test_the_order_of_jobs_is_kept_if_asked_for(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], ends: Sequence[int], text: str
) -> None:
    with folder(tmp_path) as place, place.output() as files:
        output = Output(files, undo=nothing, way=Way(order=[1, 2, 3]))
        for seq in ends:
            run_job(output, seq, out=b"%d\n" % seq)
            end(output, seq)
        output.close()
        asyncio.run(output.print_all())
    assert capfd.readouterr().out == text


@pytest.mark.parametrize(
    ("out", "text"),
    [
        (b"a\nb\n", "x\ta\nx\tb\n"),
        (b"a\nb", "x\ta\nx\tb\n"),
        (b"", ""),
        (b"\n\n", "x\t\nx\t\n"),
        (b"0" * 100_000 + b"\nend", f"x\t{'0' * 100_000}\nx\tend\n"),
        (b"0" * (1 << 16) + b"\n1", f"x\t{'0' * (1 << 16)}\nx\t1\n"),
        (b"0" * ((1 << 16) - 1) + b"\n1\n", f"x\t{'0' * ((1 << 16) - 1)}\nx\t1\n"),
    ],
)
def test_each_line_has_its_tag(tmp_path: Path, capfd: pytest.CaptureFixture[str], out: bytes, text: str) -> None:
    with folder(tmp_path) as place, place.output() as files:
        output = Output(files, undo=nothing, way=Way(is_tagged=True))
        run_job(output, 1, out=out)
        end(output, 1, tag="x")
        output.close()
        asyncio.run(output.print_all())
    assert capfd.readouterr().out == text


def test_only_the_last_attempt_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with folder(tmp_path) as place, place.output() as files:
        output = Output(files, undo=nothing, way=Way())
        run_job(output, 1, 1, out=b"first\n")
        end(output, 1, 1, state="waiting")
        run_job(output, 1, 2, out=b"second\n")
        end(output, 1, 2)
        output.close()
        asyncio.run(output.print_all())
        assert os.listdir(files) == []
    assert capfd.readouterr().out == "second\n"


def test_what_an_earlier_runner_has_not_printed_is_printed_first_and_no_other_file_matters(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with state(tmp_path, job(1), job(2)) as kept, folder(tmp_path) as place, place.output() as files:
        before = Output(files, undo=nothing, way=Way())
        for seq in (1, 2):
            kept.begin(begun(seq))
            run_job(before, seq, out=b"%d\n" % seq)
        kept.end(ended(2))
        kept.interrupt(kept.open_attempts(), now=1003.0)
        os.close(os.open("notes", os.O_CREAT, dir_fd=files))
        output = Output(files, undo=nothing, way=Way())
        output.recover(kept)
        output.close()
        asyncio.run(output.print_all())
        assert os.listdir(files) == ["notes"]
    assert capfd.readouterr().out == "2\n"


def test_results_stay_in_their_folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with folder(tmp_path) as place, place.output() as files:
        output = Output(files, undo=nothing, way=Way(), results=Results(f"{tmp_path}/results"))
        run_job(output, 1, out=b"first, longer\n")
        run_job(output, 1, 2, out=b"out\n", err=b"err\n")
        end(output, 1, 2)
        output.close()
        asyncio.run(output.print_all())
    assert capfd.readouterr() == ("out\n", "err\n")
    found = {file.name: file.read_text() for file in (tmp_path / "results" / "1").iterdir()}
    assert found == {"stdout": "out\n", "stderr": "err\n"}


def test_much_output_for_a_file_does_not_keep_the_loop_waiting(tmp_path: Path) -> None:
    """A file can always be written to, so that nothing else has the loop wait."""
    turns = 0

    async def printed() -> None:
        task = asyncio.create_task(output.print_all())
        while not task.done():
            nonlocal turns
            turns += 1
            await asyncio.sleep(0)
        await task

    ours, file = os.dup(1), os.open(tmp_path / "printed", os.O_WRONLY | os.O_CREAT)
    os.dup2(file, 1)
    os.close(file)
    try:
        with folder(tmp_path) as place, place.output() as files:
            output = Output(files, undo=nothing, way=Way())
            run_job(output, 1, out=b"x" * (1 << 20))
            end(output, 1)
            output.close()
            asyncio.run(printed())
    finally:
        os.dup2(ours, 1)
        os.close(ours)
    assert (tmp_path / "printed").read_bytes() == b"x" * (1 << 20)
    assert turns > 10


def test_a_slow_reader_does_not_keep_the_loop_waiting(tmp_path: Path) -> None:
    """More is printed than a pipe holds, and the reader reads only after other work was done in the loop."""
    reading, writing = os.pipe()
    ours = os.dup(1)
    os.dup2(writing, 1)
    os.close(writing)
    text = b"x" * 300_000

    async def printed_and_read() -> bytes:
        task = asyncio.create_task(output.print_all())
        for _ in range(100):
            await asyncio.sleep(0)
        assert not task.done()
        loop = asyncio.get_running_loop()
        found = bytearray()
        loop.add_reader(reading, lambda: found.extend(os.read(reading, 1 << 16)))
        await task
        loop.remove_reader(reading)
        return bytes(found)

    try:
        with folder(tmp_path) as place, place.output() as files:
            output = Output(files, undo=nothing, way=Way())
            run_job(output, 1, out=text)
            end(output, 1)
            output.close()
            found = asyncio.run(printed_and_read())
    finally:
        os.dup2(ours, 1)
        os.close(ours)
    rest = b""
    while piece := os.read(reading, 1 << 16):
        rest += piece
    os.close(reading)
    assert found + rest == text


@pytest.mark.parametrize("is_fifo", [True, False])
def test_a_file_of_results_that_a_job_has_replaced_is_not_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], is_fifo: bool
) -> None:
    """A FIFO would keep us waiting, and root would print to another user what only root can read."""
    results = Results(f"{tmp_path}/results")
    with folder(tmp_path) as place, place.output() as files:
        output = Output(files, undo=nothing, way=Way(), results=results)
        run_job(output, 1, out=b"one\n")
        printed = tmp_path / "results" / "1" / "stdout"
        printed.unlink()
        if is_fifo:
            os.mkfifo(printed)
        else:
            printed.symlink_to("/etc/passwd")
        end(output, 1)
        output.close()
        asyncio.run(output.print_all())
    assert capfd.readouterr().out == ""
    assert (results.failure, output.unreadable) == (None, {1: "it is not the file that the job was given"})


@pytest.mark.parametrize("verdict", [Verdict.SUCCESS, None])
def test_only_of_a_job_that_has_run_the_output_can_be_missed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], verdict: Verdict | None
) -> None:
    """The other files of the job, and other jobs, are printed all the same."""
    with folder(tmp_path) as place, place.output() as files:
        output = Output(files, undo=nothing, way=Way())
        for seq in (1, 2):
            run_job(output, seq, out=b"out\n", err=b"err\n")
        os.unlink("1-1.out", dir_fd=files)
        for seq in (1, 2):
            end(output, seq, verdict=verdict)
        output.close()
        asyncio.run(output.print_all())
        assert os.listdir(files) == []
    assert capfd.readouterr() == ("out\n", "err\nerr\n")
    assert output.unreadable == ({} if verdict is None else {1: "No such file or directory"})


def test_a_runner_that_was_killed_while_it_removed_what_it_had_printed_has_lost_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with state(tmp_path, job(1)) as kept, folder(tmp_path) as place, place.output() as files:
        kept.begin(begun(1))
        run_job(Output(files, undo=nothing, way=Way()), 1, out=b"out\n")
        kept.end(ended(1))
        os.unlink("1-1.out", dir_fd=files)
        output = Output(files, undo=nothing, way=Way())
        output.recover(kept)
        output.close()
        asyncio.run(output.print_all())
        assert os.listdir(files) == []
    assert (capfd.readouterr().out, output.unreadable) == ("", {})


def test_results_are_kept_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ScoperunError, match=r"--results: cannot use '.*/file': Not a directory"):
        Results(f"{tmp_path}/file")


def test_a_tag_is_one_column_of_a_line_and_moves_no_cursor(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with folder(tmp_path) as place, place.output() as files:
        output = Output(files, undo=nothing, way=Way(is_tagged=True))
        run_job(output, 1, out=b"one\n")
        end(output, 1, tag="a\x1b[2J\n\tb\udcff")
        output.close()
        asyncio.run(output.print_all())
    assert capfd.readouterr().out == "a\\x1b[2J\\n\\tb\\xff\tone\n"
