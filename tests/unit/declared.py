"""Facts from the table of options, with which tests compare the documents and the completions."""

from scoperun.console.options import OPTIONS
from scoperun.spec.settings import SETTINGS

ENVIRONMENT = (
    *(option.variable for option in OPTIONS if option.variable is not None), "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS", "SYSTEMD_BUS_TIMEOUT", "INVOCATION_ID",
)  # fmt: skip

_SETTING_OF = {setting.dbus_name: name for name, setting in SETTINGS.items() if setting.dbus_name is not None}

PROPERTIES = {option.name: _SETTING_OF.get(option.sets, option.sets) for option in OPTIONS if option.sets is not None}
"""The unit file setting that an option sets, by the option's long name without dashes."""


def takes_value() -> dict[str, bool]:
    """Return every option, long and short, and whether a value follows it; typer adds --help itself."""
    contraries = {option.contrary: False for option in OPTIONS if option.contrary is not None}
    named = {name: option.takes_value for option in OPTIONS for name in option.names}
    return {"-h": False, "--help": False} | contraries | named
