"""The host's side of a guest's command: it moves bytes between our standard streams and the guest's line."""

import os
import select
import socket
import time
from collections.abc import Set as AbstractSet

from .inside.job import Job
from .inside.wire import Frames, Kind, frame

CHUNK = 1 << 16
STDIN, STDOUT, STDERR = range(3)


class Session:
    """The exchange with a guest about one command, from its first frame to its last."""

    def __init__(self, line: socket.socket, pidfd: int, job: Job) -> None:
        self._line = line
        self._pidfd = pidfd
        self._job = job
        self._frames = Frames()
        self._unsent = b""  # bytes that the line has not taken yet; until then no input is read
        self._reads_stdin = False  # only after the guest is ready
        self._status: int | None = None
        self.has_begun = False
        """Whether the guest got as far as to ask for the command."""

    def run(self, deadline: float) -> int | None:
        """Return the command's exit status; None if the guest ended or the deadline passed before it was reported.

        deadline: in seconds of time.monotonic().
        """
        self._line.setblocking(False)
        while self._status is None:
            ready = self._wait(deadline)
            if not ready or not self._serve(ready):
                break
        return self._status

    def _wait(self, deadline: float) -> AbstractSet[int]:
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        poll.register(self._line, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        if self._reads_stdin and not self._unsent:
            poll.register(STDIN, select.POLLIN)
        return {fd for fd, _ in poll.poll(max(0.0, deadline - time.monotonic()) * 1000)}

    def _serve(self, ready: AbstractSet[int]) -> bool:
        """Move the available bytes; return whether the guest can still send some."""
        if self._line.fileno() in ready:
            self._send()
            return self._receive()
        if STDIN in ready:
            self._read_stdin()
        return self._pidfd not in ready

    def _receive(self) -> bool:
        try:
            data = self._line.recv(CHUNK)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        for kind, body in self._frames.feed(data):
            self._handle(kind, body)
        return bool(data)

    def _handle(self, kind: Kind, body: bytes) -> None:
        match kind:
            case Kind.READY:
                self.has_begun = True
                self._send(frame(Kind.JOB, self._job.to_json()))
                self._reads_stdin = True
            case Kind.STDOUT:
                write(STDOUT, body)
            case Kind.STDERR:
                write(STDERR, body)
            case Kind.EXIT:
                self._status = int(body)

    def _read_stdin(self) -> None:
        data = os.read(STDIN, CHUNK)
        self._reads_stdin = bool(data)
        self._send(frame(Kind.STDIN, data))

    def _send(self, data: bytes = b"") -> None:
        """Send as many bytes as the line takes now, and keep the rest."""
        self._unsent += data
        try:
            self._unsent = self._unsent[self._line.send(self._unsent) :]
        except (BlockingIOError, BrokenPipeError):
            return


def write(fd: int, data: bytes) -> None:
    """Write all of `data`."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
