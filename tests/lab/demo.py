"""A demonstration of an OOM kill: with this machine's user manager if it enforces limits, else in a guest."""

import os
import subprocess
import sys
import tempfile

from tests.guest.here import what_is_missing

from . import project
from .recipe import SUITES

SUITE = "trixie"

SESSION = """
cc -o "$1/bigleak2" examples/bigleak2.c && cd "$1" || exit
echo '$ scoperun --mem 20M -- ./bigleak2'
scoperun --mem 20M -- ./bigleak2
status=$?
echo '$ echo $?'
echo $status
test $status = 137
"""


def main() -> int:
    """Show the session; return 0 if it ended as expected."""
    missing = what_is_missing()
    if missing is None:
        print("demo: on this machine's user manager", flush=True)
        return show_here()
    print(f"demo: {missing}; so in a guest of the lab: Debian {SUITE}, systemd {SUITES[SUITE].systemd}", flush=True)
    return show_in_guest()


def show_here() -> int:
    """Run the session here, with the scoperun that is installed beside this interpreter."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
    with tempfile.TemporaryDirectory() as folder:
        command = ["sh", "-c", SESSION, "demo", folder]
        return subprocess.run(command, cwd=project.ROOT, env=os.environ | {"PATH": path}, check=False).returncode


def show_in_guest() -> int:
    """Build the guest's image if it is missing, and run the session in a guest."""
    lab = [sys.executable, "-m", "tests.lab"]
    subprocess.run([*lab, "build", SUITE], cwd=project.ROOT, check=True)
    command = [*lab, "run", SUITE, "--", "sh", "-c", SESSION, "demo", "/tmp"]  # noqa: S108  the guest's
    return subprocess.run(command, cwd=project.ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
