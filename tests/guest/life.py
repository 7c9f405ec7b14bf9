"""A command that waits for a line of input while the test disturbs systemd, the bus or scoperun."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .story import GENEROUS, Story, cgroup_of, systemctl, transient_units
from .waiting import cgroup_gone, line_from

WAITS = "echo $$; read word; "


class Life:
    """A command that waits for a line of input, in the scope `name`.scope."""

    def __init__(self, story: Story, name: str, options: tuple[str, ...], then: str) -> None:
        self._story = story
        self.scope = f"{name}.scope"
        self.scoperun = story.start("--unit", name, *options, "--", "sh", "-c", WAITS + then)
        self.pid = int(line_from(self.scoperun))
        self.cgroup = cgroup_of(self.pid)

    def go_on(self) -> None:
        """Send the line."""
        assert self.scoperun.stdin is not None
        self.scoperun.stdin.write(b"on\n")
        self.scoperun.stdin.flush()

    def end(self) -> tuple[int, dict[str, Any]]:
        """Send the line; return the exit status and the report once scoperun has ended and the cgroup is removed."""
        self.scoperun.communicate(b"on\n", timeout=GENEROUS)
        cgroup_gone(self.cgroup)
        return self.scoperun.returncode, self.report()

    def report(self) -> dict[str, Any]:
        """Return the report that scoperun wrote."""
        return self._story.report()


@contextmanager
def running(story: Story, *options: str, name: str = "life", then: str = "exit 3") -> Iterator[Life]:
    """Run a command that waits for a line of input; kill all its processes at the end, also if the test fails."""
    life = Life(story, name, options, then)
    try:
        yield life
    finally:
        life.scoperun.kill()
        if life.scope in transient_units():
            with suppress(subprocess.CalledProcessError):  # it has just ended by itself
                systemctl("kill", "-s", "KILL", life.scope)
        life.scoperun.communicate()  # its pipes are the command's too


def main_pid(unit: str) -> int:
    """Return the PID of a service's main process."""
    return int(systemctl("show", unit, "-P", "MainPID"))
