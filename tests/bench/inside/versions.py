"""The versions of the measured programs and packages."""

import subprocess
from importlib.metadata import version
from typing import Any

PROGRAMS = {
    "systemd": "systemctl --version",
    "Python": "python3 --version",
    "dbus-daemon": "dbus-daemon --version",
    "hyperfine": "hyperfine --version",
    "pystemd": "dpkg-query --show --showformat=${Version} python3-pystemd",
}
PACKAGES = ("scoperun", "dbus-next", "typer", "benchexec")


def measure(_rounds: int) -> dict[str, Any]:
    """Return the versions, by name."""
    return {package: version(package) for package in PACKAGES} | {
        name: said(command) for name, command in PROGRAMS.items()
    }


def said(command: str) -> str:
    """Return the version in the first line that a command prints."""
    line = subprocess.run(command.split(), check=True, capture_output=True, text=True).stdout.splitlines()[0]
    return next(word for word in line.split() if word[0].isdigit())
