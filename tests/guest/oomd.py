"""The real systemd-oomd, and units that it monitors; for root in a guest with one of Debian's own kernels."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .story import systemctl

MONITORED = ("ManagedOOMMemoryPressure=kill", "ManagedOOMMemoryPressureLimit=1%")
"""Properties of a unit with which systemd-oomd kills in it as soon as something there waits for memory."""

_SETTINGS = Path("/etc/systemd/oomd.conf.d/test.conf")


@contextmanager
def quick_oomd() -> Iterator[None]:
    """Run a systemd-oomd that waits for one second of pressure, and for 5 % of the swap in use, during the context.

    It is started anew, because it waits for 15 seconds after it has killed; systemd allows that some times in a row,
    unless it is told to forget them.
    """
    _SETTINGS.parent.mkdir(exist_ok=True)
    _SETTINGS.write_text("[OOM]\nDefaultMemoryPressureDurationSec=1s\nSwapUsedLimit=5%\n", encoding="ascii")
    subprocess.run(["systemctl", "reset-failed", "systemd-oomd"], check=False)  # fails if it is not loaded
    subprocess.run(["systemctl", "restart", "systemd-oomd"], check=True)
    try:
        yield
    finally:
        _SETTINGS.unlink()
        subprocess.run(["systemctl", "--quiet", "stop", "systemd-oomd"], check=True)


@contextmanager
def monitored_slice(name: str) -> Iterator[str]:
    """Yield a slice that systemd-oomd monitors."""
    systemctl("set-property", "--runtime", name, *MONITORED)
    try:
        yield name
    finally:
        systemctl("revert", name)
