"""Which tests can run on this machine: a guest of the lab, or a person's machine with a user manager."""

import os
import pwd
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from scoperun.kernel.swap import has_swap
from tests.lab.collection import needs_of
from tests.lab.machine import size
from tests.lab.needs import Needs
from tests.lab.recipe import STOCK

IN_A_GUEST = Path("/lab/inside").is_dir()
IS_UML = "User Mode Linux" in Path("/proc/cpuinfo").read_text(encoding="utf-8")

NO_MEMORY = "the user manager has no memory controller"
HARMFUL = "it would harm this machine"

lab_only = pytest.mark.skipif(not IN_A_GUEST, reason=f"{HARMFUL}; run: python -m tests.lab test")
"""For a test that would harm a person's machine, e.g. kills its bus or writes to its kernel log."""


def leave_out(items: Iterable[pytest.Item]) -> None:
    """Skip the tests that cannot run here, and say why."""
    missing = what_is_missing()
    for item in items:
        reasons = [why_not(needs, missing) for needs in needs_of(item)]
        if all(reasons):
            item.add_marker(pytest.mark.skip(reason=f"{reasons[0]}; run: python -m tests.lab test"))


def what_is_missing() -> str | None:
    """Return why limits cannot be enforced here, None if they can."""
    if "XDG_RUNTIME_DIR" not in os.environ:
        return "no user manager: XDG_RUNTIME_DIR is not set"
    state = subprocess.run(
        ["systemctl", "--user", "show", "-P", "ControlGroup"], capture_output=True, text=True, check=False
    )
    if state.returncode != 0:
        return f"no user manager: {state.stderr.strip()}"
    controllers = Path(f"/sys/fs/cgroup{state.stdout.strip()}/cgroup.controllers")
    if not controllers.exists() or "memory" not in controllers.read_text().split():
        return NO_MEMORY
    return None


def why_not(needs: Needs, missing: str | None) -> str | None:
    """Return why a test cannot run here, None if it can.

    missing: why limits cannot be enforced here, None if they can.
    """
    if not IN_A_GUEST and (needs.user != Needs().user or needs.ram is not None):
        return HARMFUL
    if needs.kernel == STOCK and IS_UML:
        return "needs one of Debian's own kernels"
    if needs.user != Needs().user and pwd.getpwuid(os.geteuid()).pw_name != needs.user:
        return f"needs user {needs.user}"
    if needs.ram is not None and size(needs.ram) < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        return f"this machine has more than {needs.ram} of memory"
    if needs.swap is not None and not has_swap():
        return "there is no swap"
    if not needs.memory_controller:
        return None if missing == NO_MEMORY else missing or "the user manager has the memory controller"
    return missing
