"""What the command line declares, for the documents and the completions to agree with."""

import typer

from scoperun.cli import options
from scoperun.console.sources import OPTION_OF

ENVIRONMENT = (
    "SCOPERUN_REPORT", "SCOPERUN_PROFILE", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS",
    "SYSTEMD_BUS_TIMEOUT", "INVOCATION_ID",
)  # fmt: skip

_UNIT_FILE_NAMES = {
    "CPUQuotaPerSecUSec": "CPUQuota",
    "RuntimeMaxUSec": "RuntimeMaxSec",
    "TimeoutStopUSec": "TimeoutStopSec",
}

PROPERTIES = {option: _UNIT_FILE_NAMES.get(name, name) for name, option in OPTION_OF.items()}
"""The setting of unit files that an option sets, by the option's long name without dashes."""


def takes_value() -> dict[str, bool]:
    """Return every option, long and short, and whether a value follows it."""
    command = typer.main.get_command(options._app)  # noqa: SLF001  the declaration itself
    declared = [each for each in command.params if isinstance(each, typer.core.TyperOption)]
    flags = {name: False for each in declared if each.is_flag for name in (*each.opts, *each.secondary_opts)}
    with_value = {name: True for each in declared if not each.is_flag for name in each.opts}
    return {"-h": False, "--help": False} | flags | with_value
