"""The command's own process: fork, hold, release, wait.

The child blocks on a pipe until its scope is started, so that the command is in the scope from its first instruction.
If scoperun dies meanwhile, the pipe closes, and the child exits without having run anything.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, NoReturn

from scoperun.errors import CommandNotExecutable, ScoperunError
from scoperun.evidence.events import WorkloadExited
from scoperun.kernel.last_run import ended_by
from scoperun.kernel.process_table import cpu_time, name_of, wait_status
from scoperun.kernel.wait import LAST_MOMENT, bury, has_ended, readable
from scoperun.process.execution import execute, told_to_itself
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)
_NO_ERRNO = 0

_PROMPT = 0.05
"""An end that was noticed within this many seconds is taken to be now: the kernel's own clock can tick coarsely."""


class AboutTheCommand(ScoperunError):
    """A command could not be started, or its end is not known, for a reason that is none for other commands."""


@dataclass(slots=True, kw_only=True)
class Child:
    """A child that waits until `release`; `close` leaves neither a process nor a descriptor.

    command: the words that it will execute. pid, pidfd: of its process. released: `release` was called.
    was_given_up: `kill` was called.
    """

    command: tuple[str, ...]
    pid: int
    pidfd: int
    _hold: int
    _exec_error: int
    released: bool = False
    was_given_up: bool = False
    _cpu_before: float | None = None
    _late: bool = False
    _exit: WorkloadExited | None = None

    async def release(self, invocation_id: str) -> None:
        """Let the child exec the command, with $INVOCATION_ID set.

        Raises CommandNotFound, CommandNotExecutable or another ScoperunError if the command cannot be executed.
        """
        self.released = True
        self._cpu_before = cpu_time(self.pid)
        with suppress(BrokenPipeError):  # the child is dead already; `wait` will say how it ended
            os.write(self._hold, invocation_id.encode())
        await readable(self._exec_error)
        # The other end closes on exec. Nothing to read means that the command runs, or that the child was killed first.
        if failure := os.read(self._exec_error, 4096):
            raise _exec_failure(self.command, failure)

    async def wait(self) -> WorkloadExited:
        """Wait for the end of the command and return how it ended.

        Raises ScoperunError if another part of this program took the status, or only a debugger has it.
        """
        await readable(self.pidfd)
        return self._reap()

    @property
    def ended(self) -> bool:
        """Whether the command's own process has ended, even if it has not been waited for."""
        return self._exit is not None or has_ended(self.pidfd)

    def stopped_by(self) -> int | None:
        """Return the signal that has stopped the command's own process, None if it is not stopped now."""
        if self._exit is not None:
            return None
        try:
            stop = os.waitid(os.P_PIDFD, self.pidfd, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # another part of this program has reaped it
            return None
        return stop and stop.si_status

    def was_not_watched(self) -> None:
        """Note that this process was stopped itself, so that the command might have ended long ago."""
        self._late |= self._exit is None

    def send(self, number: int) -> bool:
        """Send signal `number` to the command's own process if it still runs; tell whether that was permitted."""
        if self._exit is None:
            try:
                signal.pidfd_send_signal(self.pidfd, number)
            except ProcessLookupError:
                pass
            except PermissionError:  # it runs as another user now, e.g. as sudo(8) does
                return False
        return True

    def kill(self) -> None:
        """Kill the command's own process if we may; `close` waits for its end."""
        self.was_given_up = True
        self.send(signal.SIGKILL)

    def close(self) -> None:
        """Kill the child if we may, reap it, and close the descriptors."""
        bury(self.pidfd, within=LAST_MOMENT if self.send(signal.SIGKILL) else 0)
        for fd in (self.pidfd, self._hold, self._exec_error):
            os.close(fd)

    def _reap(self) -> WorkloadExited:
        """Reap the process, which has ended, and return how. Only once: afterwards its PID can be reused."""
        if self._exit is None:
            now, ended = time.monotonic(), ended_by(self.pid)
            name, cgroup = name_of(self.pid), _last_cgroup(self.pid)
            status, used = self._status_and_cpu()
            self._exit = WorkloadExited(
                status,
                at=now if ended is None or now - ended < _PROMPT else ended,
                name=name,
                cgroup=cgroup,
                cpu=None if used is None or self._cpu_before is None else used - self._cpu_before,
                late=self._late and ended is None,
            )
        return self._exit

    def _status_and_cpu(self) -> tuple[int, float | None]:
        """Return how the process ended, and its processor time in seconds; does not wait.

        The kernel tells a debugger before the parent. Until the debugger has waited, which might be never, only /proc
        has the status.
        """
        try:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
        except ChildProcessError:
            raise AboutTheCommand("another part of this program took the command's exit status") from None
        if pid:
            return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
        seen = wait_status(self.pid)
        if seen is None:
            raise AboutTheCommand("the command has ended, and only its debugger knows how")
        return seen, None


def _last_cgroup(pid: int) -> str | None:
    """Return the name of the cgroup that a process died in: /proc still shows a zombie where it was."""
    from scoperun.kernel.cgroup import cgroup_name_of  # noqa: PLC0415  already imported when the scope was started

    with suppress(ScoperunError):
        return cgroup_name_of(pid)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What happens in the child before the exec.

    environment: all variables of the command except $INVOCATION_ID.
    steps: called in this order. If one raises OSError, the error's file name is reported as what was tried.
    """

    environment: Mapping[str, str]
    steps: tuple[Callable[[], None], ...] = ()


def spawn(command: Sequence[str], preparation: Preparation) -> Child:
    """Fork a child that will run `command` when released; raise ScoperunError if that fails."""
    try:
        return _spawn(command, preparation)
    except OSError as error:
        raise ScoperunError(f"cannot start the command: {error.strerror}") from None


def _spawn(command: Sequence[str], preparation: Preparation) -> Child:
    with ExitStack() as on_error, ExitStack() as childs:
        child_hold, hold = os.pipe()
        childs.callback(os.close, child_hold)
        on_error.callback(os.close, hold)
        exec_error, child_exec_error = os.pipe()
        childs.callback(os.close, child_exec_error)
        on_error.callback(os.close, exec_error)
        pid = os.fork()
        if pid == 0:
            os.close(hold)
            _hold_then_exec(command, preparation, child_hold, child_exec_error)
        on_error.callback(_end, pid)
        pidfd = os.pidfd_open(pid)
        child = Child(command=tuple(command), pid=pid, pidfd=pidfd, _hold=hold, _exec_error=exec_error)
        on_error.pop_all()
    return child


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _hold_then_exec(command: Sequence[str], preparation: Preparation, hold: int, exec_error: int) -> NoReturn:
    """In the child: wait for the invocation ID, then become the command. Nothing may return or raise from here."""
    tried = "?"
    try:
        invocation_id = os.read(hold, 64)
        if invocation_id:
            for number in _PYTHON_IGNORES:
                signal.signal(number, signal.SIG_DFL)
            for step in preparation.steps:
                step()
            environment = told_to_itself(preparation.environment) | {"INVOCATION_ID": invocation_id.decode()}
            tried = ""
            execute(command, environment)
    except OSError as error:
        os.write(exec_error, f"{error.errno} {tried and error.filename}".encode(errors="surrogateescape"))
    except Exception as error:  # e.g. a NUL byte in a variable: our exit status would be taken for the command's
        os.write(exec_error, f"{_NO_ERRNO} {error}".encode(errors="backslashreplace"))
    finally:
        os._exit(ScoperunError.exit_status)


def _exec_failure(command: Sequence[str], failure: bytes) -> ScoperunError:
    """Return the error for what the child wrote, distinguished as env(1) and timeout(1) do."""
    number, _, tried = os.fsdecode(failure).partition(" ")
    if int(number) == _NO_ERRNO:
        return AboutTheCommand(f"cannot start the command: {tried}")
    reason = os.strerror(int(number))
    if tried:
        return AboutTheCommand(f"cannot start the command: {tried}: {reason}")
    if int(number) == errno.EACCES and "/" in command[0] and os.path.isdir(command[0]):
        reason = os.strerror(errno.EISDIR)
    message = f"cannot run {command[0]!r}: {reason}"
    if int(number) == errno.ENOENT:
        from scoperun.process.not_found import not_found  # noqa: PLC0415  most commands are found

        return not_found(command)
    return CommandNotExecutable(message)
