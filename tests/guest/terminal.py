"""A pseudo-terminal in the place of a person: it types keys, reads the screen, resizes the window and hangs up."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .story import GENEROUS, Story

BASH = ("bash", "--norc", "--noprofile", "-i")
"""A shell with job control, without the user's own settings."""


class Terminal:
    """A pseudo-terminal with a program that leads its session."""

    def __init__(self, *words: str, cwd: Path) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            set_size(0, rows=24, columns=80)
            os.execvp(words[0], words)
        self.screen = b""
        self._is_over = False

    def type(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def wait_for(self, text: str) -> str:
        """Read until `text` is on the screen; return the text before it, and drop everything up to its end."""
        end = time.monotonic() + GENEROUS
        while text.encode() not in self.screen:
            part = self._more()
            assert part, f"{text!r} does not come; the screen shows {self.screen!r}"
            assert time.monotonic() < end, f"{text!r} does not come; the screen shows {self.screen!r}"
            self.screen += part
        before, self.screen = self.screen.split(text.encode(), 1)
        return before.decode()

    def modes(self) -> list[Any]:
        """Return the terminal's modes, as tcgetattr(3) does."""
        return termios.tcgetattr(self.fd)

    def resize(self, *, rows: int, columns: int) -> None:
        """Change the window's size; the kernel sends SIGWINCH to the foreground processes."""
        set_size(self.fd, rows=rows, columns=columns)

    def hang_up(self) -> None:
        """Close the terminal, as sshd does when the connection breaks."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def status(self) -> int:
        """Read to the end and return the program's exit status, -n for signal n."""
        while part := self._more():
            self.screen += part
        return self._wait()

    def end(self) -> None:
        """Hang up, and kill the program if it still runs."""
        self.hang_up()
        if not self._is_over:
            os.kill(self.pid, signal.SIGKILL)
            self._wait()

    def _wait(self) -> int:
        self._is_over = True
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _more(self) -> bytes:
        """Wait for the next bytes and return them; none at the end."""
        if self.fd < 0:
            return b""
        ready, _, _ = select.select([self.fd], [], [], GENEROUS)
        assert ready, f"nothing more comes; the screen shows {self.screen!r}"
        try:
            return os.read(self.fd, 4096)
        except OSError:  # EIO: no process has the terminal open any more
            return b""


def set_size(fd: int, *, rows: int, columns: int) -> None:
    """Set the size of the terminal `fd`."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))


@contextmanager
def terminal(story: Story, *words: str, cwd: Path | None = None) -> Iterator[Terminal]:
    """Run a program on a new terminal; hang up and kill it at the end of the context."""
    term = Terminal(*words, cwd=cwd or story.cwd)
    try:
        yield term
    finally:
        term.end()


@contextmanager
def interactive_shell(story: Story, *wrap: str) -> Iterator[Terminal]:
    """Run a shell with job control, by itself or as the command of `wrap`, and wait until it takes commands."""
    with terminal(story, *wrap, *BASH) as term:
        term.type("PS1='>'; echo rea''dy\n")
        term.wait_for("ready\r\n")
        yield term
