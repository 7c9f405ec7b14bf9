"""The configuration of a guest: its kernel's command line and its agent's job. No I/O."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .inside.job import Job
from .recipe import USERS, Platform, home

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# The variables of our environment that the command in the guest gets.
PASSED_ON = ("CI", "TERM")


def size(text: str) -> int:
    """Return the bytes of a size in systemd's notation: 512M, 2G. Raises ValueError."""
    match = re.fullmatch(r"(\d+)([KMGT]?)", text)
    if match is None:
        raise ValueError(f"not a size: {text!r}")
    return int(match[1]) << 10 * " KMGT".index(match[2] or " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The configuration of one guest; sizes in bytes, times in seconds."""

    platform: Platform
    user: str = "tester"
    ram: int = 1 << 30
    swap: int = 0
    memory_controller: bool = True
    time_limit: float = 600.0

    @property
    def checkout(self) -> str:
        """The folder of the guest that has the user's copy of the checkout."""
        return f"{home(self.user)}/checkout"

    @property
    def kernel_arguments(self) -> list[str]:
        """The words of the kernel's command line that do not depend on how it is booted."""
        arguments = [
            *("rw", "quiet"),
            f"systemd.wants=user@{USERS[self.user]}.service",
            "sysctl.kernel.dmesg_restrict=1",  # as in Debian's other kernels
        ]
        if self.swap:
            arguments.append("zswap.enabled=1")
        if not self.memory_controller:
            arguments.append("cgroup_disable=memory")
        return arguments

    def job(
        self, command: Sequence[str], environment: Mapping[str, str], *, window: tuple[int, int] | None = None
    ) -> Job:
        """Return a job that runs `command` in the environment of a login of the user."""
        uid = USERS[self.user]
        login = {
            "HOME": home(self.user),
            "USER": self.user,
            "LOGNAME": self.user,
            "SHELL": "/bin/bash",
            "LANG": "C.UTF-8",
            "PATH": PATH,
            "XDG_RUNTIME_DIR": f"/run/user/{uid}",
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path=/run/user/{uid}/bus",
        }
        return Job(
            command=list(command),
            user=self.user,
            uid=uid,
            directory=self.checkout,
            environment=login | {name: environment[name] for name in PASSED_ON if name in environment},
            swap=self.swap > 0,
            window=window,
        )
