"""Lines arrive complete and in order, and a reader that does not read delays nothing else."""

import asyncio
import fcntl
import os
import pty
import socket
import tty
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from scoperun.console.lines import Lines
from scoperun.kernel.wait import readable

LONG = "x" * 200_000
Way = tuple[int, int]


def pipe() -> Way:
    ours, its = os.pipe()
    fcntl.fcntl(its, fcntl.F_SETPIPE_SZ, 4096)
    return ours, its


def sockets() -> Way:
    ours, its = socket.socketpair()
    return ours.detach(), its.detach()


def terminal() -> Way:
    ours, its = pty.openpty()
    tty.setraw(its)
    return ours, its


def terminals_other_end() -> Way:
    """Return a descriptor that cannot be opened a second time."""
    its, ours = pty.openpty()
    tty.setraw(ours)
    return ours, its


@pytest.fixture(params=[pipe, sockets, terminal, terminals_other_end])
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    make: Callable[[], Way] = request.param
    ours, its = make()
    os.set_blocking(ours, False)
    yield ours, its
    os.close(ours)


async def read(fd: int, size: int) -> bytes:
    text = b""
    while len(text) < size:
        await readable(fd)
        text += os.read(fd, size - len(text))
    return text


async def test_lines_arrive_complete_and_in_order(way: Way) -> None:
    ours, its = way
    with closing(Lines(its)) as lines:
        lines.put(LONG)
        lines.put("first")
        async with asyncio.timeout(10):
            assert await read(ours, len(LONG) + 1) == f"{LONG}\n".encode()
            lines.put("second")
            assert await read(ours, 13) == b"first\nsecond\n"
            await lines.written()


async def test_unread_lines_delay_nothing_else(way: Way) -> None:
    ours, its = way
    with closing(Lines(its)) as lines:
        lines.put(LONG)
        await readable(ours)
        await asyncio.sleep(0)  # it had its turn and did not block
        assert os.get_blocking(its)


async def test_the_descriptor_stays_blocking_for_others_that_share_it(way: Way) -> None:
    _, its = way
    shared = os.dup(its)
    with closing(Lines(its)) as lines:
        lines.put("line")
        await lines.written()
        assert os.get_blocking(shared)
    os.close(shared)


async def test_a_closed_reader_is_an_error() -> None:
    ours, its = pipe()
    os.close(ours)
    with closing(Lines(its)) as lines:
        lines.put("first")
        lines.put("second")
        with pytest.raises(BrokenPipeError):
            await lines.written()


async def test_a_file_gets_the_lines_at_once(tmp_path: os.PathLike[str]) -> None:
    file = os.path.join(tmp_path, "lines")
    with closing(Lines(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))) as lines:
        lines.put("first")
        lines.put("second")
        await lines.written()
    with open(file) as written:  # noqa: ASYNC230  it is small
        assert written.read() == "first\nsecond\n"


async def test_a_line_is_one_message() -> None:
    """For sockets that have messages."""
    ours, its = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with ours, closing(Lines(its.detach())) as lines:
        lines.put("x" * 10_000)
        await lines.written()
        assert len(ours.recv(20_000)) == 10_001
