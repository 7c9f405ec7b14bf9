"""The host's tools and mirror, and commands that end when the lab does."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import LabError

# The mirror can be a snapshot, in which sid is past its Valid-Until.
STALE_IS_FINE = '--aptopt=Acquire::Check-Valid-Until "false"'

# The command of each tool that builds images, and the Debian package that has it.
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "patchelf": "patchelf",
    "mke2fs": "e2fsprogs",
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def prepare(tools: Mapping[str, str] = TOOLS) -> None:
    """Check that we may install here, and install missing packages. Raises LabError if not root."""
    missing = [package for tool, package in tools.items() if shutil.which(tool) is None]
    if not KEYRING.exists():
        missing.append("debian-archive-keyring")
    if os.geteuid() != 0:
        hint = f"install {' '.join(missing)} and build as root" if missing else "build as root, run as anybody"
        raise LabError("Building the lab needs root.", hint=hint)
    if missing:
        run(["apt-get", "update"])
        run(["apt-get", "install", "--yes", "--no-install-recommends", *missing])


def mirror() -> list[str]:
    """Return a list with the host's Debian mirror; empty on other distributions, where mmdebstrap uses its default."""
    if shutil.which("apt-get") is None:
        return []
    query = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"]
    lines = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    mirrors = [uri for origin, label, uri in map(str.split, lines) if (origin, label) == ("Debian", "Debian")]
    return mirrors[:1]


def one_processor(number: int | None = None) -> list[str]:
    """Return the words before a command that pin it to processor `number`; None: to any one that we may use.

    A guest's kernel and its processes take turns. On two processors each turn waits until the other one wakes up, and
    everything takes twice as long.
    """
    usable = sorted(os.sched_getaffinity(0))
    return ["taskset", "--cpu-list", str(usable[os.getpid() % len(usable)] if number is None else number)]


def folder_in_memory(size: int) -> str:
    """Return a folder for a file of `size` bytes: in memory if there is room, because it would keep the disk busy."""
    memory = "/dev/shm"  # noqa: S108  the default of user-mode Linux
    has_room = os.path.isdir(memory) and shutil.disk_usage(memory).free >= size
    return memory if has_room else tempfile.gettempdir()


def run(command: Sequence[str | Path], *, cwd: Path | None = None, environment: Mapping[str, str] = {}) -> str:
    """Run a command to its end, with more variables in its environment; return its output.

    Raises LabError, with the end of its output, if it fails.
    """
    argv = [str(word) for word in command]
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        process.terminate()  # not kill: mmdebstrap has mounts to undo
        process.wait()
        raise
    if process.returncode != 0:
        raise LabError(f"{argv[0]} failed with status {process.returncode}.", log=tail(output))
    return output


def tail(text: str, lines: int = 20) -> str:
    """Return the last lines of a log."""
    return "\n".join(text.splitlines()[-lines:])
