"""The checks of what runs beside a run: systemd-oomd, and the user's manager without a session. Reads only."""

from __future__ import annotations

import os
import pwd
import shlex

from scoperun.kernel.oomd import oomd_runs
from scoperun.supervision.check import Check, State


def oomd_check() -> Check:
    """Tell whether systemd-oomd runs."""
    if oomd_runs():
        return Check(name="systemd-oomd", state=State.OK, found="runs")
    command = "systemctl enable --now systemd-oomd"
    return Check(
        name="systemd-oomd",
        state=State.LIMITED,
        found="does not run: ManagedOOMMemoryPressure= and ManagedOOMSwap= would be refused",
        remedy=f"as root, if you want it: {command}",
        commands=(command,),
        is_choice=True,
    )


def linger_check(root: str = "") -> Check:
    """Tell whether this user's manager runs without a session. root: the folder with the system's files."""
    name = own_name()
    if os.path.exists(f"{root}/var/lib/systemd/linger/{name}"):
        return Check(name="linger", state=State.OK, found="on: your manager also runs without a session")
    return Check(
        name="linger",
        state=State.LIMITED,
        found="off: what runs is ended with your last session",
        remedy="if it should go on: loginctl enable-linger",
        commands=wake_commands(),
        is_choice=True,
    )


def wake_commands() -> tuple[str, ...]:
    """Return the command that starts this user's manager, and keeps it running."""
    return (f"loginctl enable-linger {shlex.quote(own_name())}",)


def own_name() -> str:
    """Return the name of this user, its number if it has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
