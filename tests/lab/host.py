"""What the lab needs of the host: tools, a mirror, and commands that end when the lab does."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .errors import LabError

# The command that is looked for, and the Debian package that has it.
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "patchelf": "patchelf",
    "mke2fs": "e2fsprogs",
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def prepare() -> None:
    """Make sure that an image can be built here; install what is missing, if root."""
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if not KEYRING.exists():
        missing.append("debian-archive-keyring")
    if os.geteuid() != 0:
        hint = f"install {' '.join(missing)} and build as root" if missing else "build as root, run as anybody"
        raise LabError("Building the lab needs root.", hint=hint)
    if missing:
        run(["apt-get", "update"])
        run(["apt-get", "install", "--yes", "--no-install-recommends", *missing])


def mirror() -> list[str]:
    """Return the host's Debian mirror; none if it is not a Debian, and mmdebstrap then takes its default."""
    if shutil.which("apt-get") is None:
        return []
    query = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"]
    lines = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    mirrors = [uri for origin, label, uri in map(str.split, lines) if (origin, label) == ("Debian", "Debian")]
    return mirrors[:1]


def one_processor(number: int) -> list[str]:
    """Return the words before a command that keep it on one processor.

    A guest's kernel and its processes take turns: on two processors each turn waits for the other one to wake up,
    which takes twice as long.
    """
    return ["taskset", "--cpu-list", str(number)]


def folder_in_memory(size: int) -> str:
    """Return a folder for a file of that size, in memory if there is room: the disk would be busy with it."""
    memory = "/dev/shm"  # noqa: S108  where user-mode Linux would look too
    has_room = os.path.isdir(memory) and shutil.disk_usage(memory).free >= size
    return memory if has_room else tempfile.gettempdir()


def run(command: Sequence[str | Path], *, cwd: Path | None = None) -> None:
    """Run a command to its end; its output is only worth reading if it fails."""
    argv = [str(word) for word in command]
    process = subprocess.Popen(
        argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        process.terminate()  # not kill: mmdebstrap has mounts to undo
        process.wait()
        raise
    if process.returncode != 0:
        raise LabError(f"{argv[0]} failed with status {process.returncode}.", log=tail(output))


def tail(text: str, lines: int = 20) -> str:
    """Return the last lines of a log."""
    return "\n".join(text.splitlines()[-lines:])
