"""What this kernel offers beyond plain limits: controllers, swap accounting, zswap, pressure, its log. Reads only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.kernel.cgroup import hierarchy
from scoperun.kernel.files import contents
from scoperun.kernel.kmsg import Kmsg
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence


OLD_NAMES = {"io": "blkio"}
"""The names of controllers in cgroup v1, where they differ; cgroup_disable= takes both."""


@dataclass(frozen=True, slots=True)
class Facilities:
    """The facilities of a kernel. root: the folder with the system's files, empty for /."""

    root: str = ""

    def mount_point(self) -> str:
        """Return where cgroup v2 is mounted; raise ScoperunError if it is not."""
        return hierarchy(self._text("/proc/self/mounts") or "")[0]

    def controllers(self, cgroup: str) -> Sequence[str] | None:
        """Return the controllers that the cgroup of this name can hand to those below it; None if it has no such file.

        For the empty name they are all that the kernel has on the unified hierarchy.
        """
        text = self._text(f"{self.mount_point()}{cgroup}/cgroup.controllers")
        return None if text is None else text.split()

    def is_legacy(self, controller: str) -> bool:
        """Tell whether a controller is on a hierarchy of cgroup v1, and therefore not on the unified one."""
        mounts = [line.split() for line in (self._text("/proc/self/mounts") or "").splitlines()]
        name = OLD_NAMES.get(controller, controller)
        return any(kind == "cgroup" and name in options.split(",") for _, _, kind, options, *_ in mounts)

    def disabled(self) -> set[str]:
        """Return the controllers that the kernel's command line switches off; empty if it cannot be read."""
        words = (self._text("/proc/cmdline") or "").split()
        given = [word.partition("=")[2] for word in words if word.startswith("cgroup_disable=")]
        return {controller for each in given for controller in each.split(",")}

    def has_file(self, cgroup: str, file: str) -> bool:
        """Tell whether the cgroup of this name has a file."""
        return os.path.exists(f"{self.root}{self.mount_point()}{cgroup}/{file}")

    def zswap_is_on(self) -> bool | None:
        """Return whether zswap is switched on, None if the kernel does not have it."""
        text = self._text("/sys/module/zswap/parameters/enabled")
        return None if text is None else text.strip() == "Y"

    def has_all_user_ids(self) -> bool | None:
        """Tell whether users have the same numbers here as outside: the machine's own user namespace has all of them.

        Return None if that is not known.
        """
        text = self._text("/proc/self/uid_map")
        return None if text is None else text.split() == ["0", "0", "4294967295"]

    def has_pressure(self) -> bool:
        """Tell whether the kernel measures pressure (PSI). With psi=0 it is as if it had been built without."""
        return self._text("/proc/pressure/memory") is not None

    def is_told(self, word: str) -> bool:
        """Tell whether a word is on the kernel's command line."""
        return word in (self._text("/proc/cmdline") or "").split()

    def readable_log(self) -> str:
        """Return where this user can read the kernel's log; raise KernelLogUnreadable, with the reason, if nowhere."""
        kmsg = Kmsg.open(self.root)
        if kmsg is not None:
            kmsg.close()
            return "/dev/kmsg"
        from scoperun.kernel.journal import see_readable  # noqa: PLC0415  not needed where /dev/kmsg can be read

        see_readable(self.root)
        return "the system's journal"

    def _text(self, file: str) -> str | None:
        try:
            return os.fsdecode(contents(f"{self.root}{file}"))
        except OSError:
            return None
