"""The programs that are measured side by side: each runs a command and waits for its end."""

import shlex

SCOPERUN = "scoperun"
SCOPE = "systemd-run --user --scope"
WAIT = "systemd-run --user --wait"
RUNEXEC = "runexec --no-container"
PYSTEMD = "pystemd.run"

RUN_PYSTEMD = "import sys, pystemd.run; pystemd.run(sys.argv[1:], wait=True, user_mode=True)"

BEFORE: dict[str, list[str]] = {
    SCOPERUN: ["scoperun", "-q", "--"],
    SCOPE: ["systemd-run", "--user", "--scope", "-q"],
    WAIT: ["systemd-run", "--user", "--wait", "-q"],
    RUNEXEC: ["python3", "-m", "benchexec.runexecutor", "--no-container", "--output", "/dev/null", "--"],
    PYSTEMD: ["python3", "-c", RUN_PYSTEMD],
}
"""The words before a command, by the program's name."""


def line(name: str, *command: str) -> str:
    """Return a shell line that runs the command with the program `name`."""
    return shlex.join([*BEFORE[name], *command])
