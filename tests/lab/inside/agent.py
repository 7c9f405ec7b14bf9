"""Runs the guest's command, and relays its streams and its exit status to the host."""

import fcntl
import os
import pty
import select
import signal
import socket
import struct
import termios
import tty
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .job import Job
from .wire import Frames, Kind, frame

CHUNK = 1 << 16  # a pipe's default capacity


@dataclass(frozen=True)
class Devices:
    """The files of what the host has given to the guest."""

    line: str
    swap: str


UML = Devices(line="/dev/ttyS0", swap="/dev/ubdc")
QEMU = Devices(line="/dev/vport0p1", swap="/dev/vdb")
PORT_NAME = "/sys/class/virtio-ports/vport0p1/name"

KOBJECT_UEVENT = 15  # <linux/netlink.h>


class HostGone(Exception):
    """The host's end of the line was closed."""


class Line:
    """The line to the host: a serial line, which is a terminal, or a virtio port, which is not."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        self._is_terminal = os.isatty(self.fd)
        if self._is_terminal:
            tty.setraw(self.fd)
        self._frames = Frames()

    def send(self, kind: Kind, data: bytes = b"") -> None:
        """Send one frame; block while the host is slow."""
        rest = memoryview(frame(kind, data))
        while rest:
            rest = rest[os.write(self.fd, rest) :]

    def receive(self) -> Iterator[tuple[Kind, bytes]]:
        """Wait for bytes and yield the frames that they complete. Raises HostGone."""
        data = os.read(self.fd, CHUNK)
        if not data:
            raise HostGone
        yield from self._frames.feed(data)

    def drain(self) -> None:
        """Wait until the host has all bytes: systemd powers the guest off as soon as this process ends.

        A virtio port takes bytes only when the host has them.
        """
        if self._is_terminal:
            termios.tcdrain(self.fd)


@dataclass
class Child:
    """The running command, with our ends of its streams."""

    pid: int
    stdin: int
    outputs: dict[int, Kind]


def main() -> None:
    """Run the job that the host sends."""
    devices = UML if os.path.exists("/dev/ubda") else QEMU
    if devices is QEMU:
        add_virtio()
    line = Line(devices.line)
    line.send(Kind.READY)
    job, given = receive_job(line)
    if job.swap:
        run("mkswap", "--quiet", devices.swap)
        run("swapon", devices.swap)
    child = spawn_on_terminal(job, job.window) if job.window else spawn(job)
    status = Relay(line, child, given).run()
    line.send(Kind.EXIT, str(status).encode())
    line.drain()


def add_virtio() -> None:
    """Load the driver, which is a module, and wait until the kernel has the port: there is no udev to do it.

    The port cannot be opened yet when its device appears, but it can when the kernel has learned its name.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, KOBJECT_UEVENT) as announcements:
        announcements.bind((0, 1))
        run("modprobe", "--all", "virtio_pci", "virtio_console")
        while not os.path.exists(PORT_NAME):
            announcements.recv(CHUNK)


def receive_job(line: Line) -> tuple[Job, list[bytes]]:
    """Return the job, which is the host's first frame, and the input that arrived together with it."""
    bodies: list[bytes] = []
    while not bodies:
        bodies += [body for _, body in line.receive()]
    return Job.from_json(bodies[0]), bodies[1:]


def run(*command: str) -> None:
    """Run a helper to its end. The subprocess module would cost a tenth of a second here."""
    if os.spawnvp(os.P_WAIT, command[0], command) != 0:
        raise SystemExit(f"{command[0]} failed")


def spawn(job: Job) -> Child:
    """Start the command with a pipe for each stream."""
    stdin, to_stdin = os.pipe()
    from_stdout, stdout = os.pipe()
    from_stderr, stderr = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for target, source in enumerate((stdin, stdout, stderr)):
            os.dup2(source, target)
        become(job)
    for fd in (stdin, stdout, stderr):
        os.close(fd)
    return Child(pid, to_stdin, {from_stdout: Kind.STDOUT, from_stderr: Kind.STDERR})


def spawn_on_terminal(job: Job, window: tuple[int, int]) -> Child:
    """Start the command in a session of its own on a new terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", *window, 0, 0))
        become(job)
    return Child(pid, terminal, {terminal: Kind.STDOUT})


def become(job: Job) -> None:
    """Turn this forked process into the command; report errors on stderr, with the exit statuses of a shell."""
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec keeps that
        Path("/proc/self/oom_score_adj").write_text("0", encoding="ascii")  # the agent's is -1000
        for fd in range(3):
            os.fchown(fd, job.uid, -1)  # otherwise the user cannot open /dev/stderr
        os.initgroups(job.user, job.uid)
        os.setresgid(job.uid, job.uid, job.uid)
        os.setresuid(job.uid, job.uid, job.uid)
        os.chdir(job.directory)
        os.execvpe(job.command[0], job.command, job.environment)
    except FileNotFoundError as error:
        complain(f"{job.command[0]}: {error.strerror}", status=127)
    except OSError as error:
        complain(f"{job.command[0]}: {error.strerror}", status=126)


def complain(message: str, *, status: int) -> None:
    """End a forked process that could not become the command."""
    os.write(2, f"{message}\n".encode())
    os._exit(status)


class Relay:
    """Moves bytes between the line and the child until the child has ended."""

    def __init__(self, line: Line, child: Child, given: Iterable[bytes]) -> None:
        self._line = line
        self._child = child
        self._outputs = dict(child.outputs)
        self._input = deque(given)  # input that the child has not read yet; b"" is end of file
        self._exited = os.pidfd_open(child.pid)
        for fd in (child.stdin, *child.outputs):
            os.set_blocking(fd, False)

    def run(self) -> int:
        """Return the child's exit status, 128+n for signal n. It does not wait for processes that the child left."""
        while self._exited not in (ready := self._wait()):
            for fd in ready:
                self._serve(fd)
        for fd in list(self._outputs):
            while self._output(fd):
                pass
        code = os.waitstatus_to_exitcode(os.waitpid(self._child.pid, 0)[1])
        return code if code >= 0 else 128 - code

    def _wait(self) -> list[int]:
        poll = select.poll()
        for fd in (self._exited, *self._outputs):
            poll.register(fd, select.POLLIN)
        if self._input:  # the line is not read meanwhile: the host waits, like the writer of a full pipe
            poll.register(self._child.stdin, select.POLLOUT | (select.POLLIN if self._terminal else 0))
        else:
            poll.register(self._line.fd, select.POLLIN)
        return [fd for fd, _ in poll.poll()]

    @property
    def _terminal(self) -> bool:
        return self._child.stdin in self._outputs

    def _serve(self, fd: int) -> None:
        if fd == self._line.fd:
            self._input.extend(body for _, body in self._line.receive())
        if fd in self._outputs:
            self._output(fd)
        if fd == self._child.stdin and self._input:
            self._feed()

    def _output(self, fd: int) -> bool:
        """Relay the available output; return whether there was any."""
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # EIO: no process has the terminal open any more
            data = b""
        if data:
            self._line.send(self._outputs[fd], data)
        else:
            del self._outputs[fd]
        return bool(data)

    def _feed(self) -> None:
        """Write as much input to the child as it takes."""
        data = self._input.popleft()
        try:
            written = os.write(self._child.stdin, data) if data else 0
        except BlockingIOError:
            written = 0
        except OSError:  # the child has closed its standard input: drop the rest
            return
        if not data and not self._terminal:
            os.close(self._child.stdin)
        elif data[written:]:
            self._input.appendleft(data[written:])


if __name__ == "__main__":
    main()
