"""tests/packages.sh names what is missing as the machine's distribution does, and asks for nothing that is there."""

import subprocess
from pathlib import Path

import pytest

from tests.documents import CHECKOUT

SCRIPT = CHECKOUT / "tests" / "packages.sh"


def run(folder: Path, *programs: str) -> subprocess.CompletedProcess[str]:
    """Run the script where only these programs exist; each but `id` does nothing, and `id` says that this is a user."""
    for name in ("id", *programs):
        program = folder / name
        program.write_text("#!/bin/sh\necho 1000\n" if name == "id" else "#!/bin/sh\n", encoding="utf-8")
        program.chmod(0o755)
    return subprocess.run(
        ["/bin/sh", str(SCRIPT), "python3"], env={"PATH": str(folder)}, capture_output=True, text=True, check=False
    )


def test_nothing_is_asked_for_if_all_is_there(tmp_path: Path) -> None:
    done = run(tmp_path, "python3", "dbus-daemon", "cc")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("apt-get", "apt-get install python3-venv dbus-daemon gcc"),
        ("dnf", "dnf install python3 dbus-daemon gcc"),
        ("pacman", "pacman -S python dbus gcc"),
    ],
)
def test_missing_packages_are_named_for_the_distribution(tmp_path: Path, manager: str, command: str) -> None:
    done = run(tmp_path, manager)
    assert (done.returncode, done.stderr) == (1, f"make: first, as root: {command}\n")
