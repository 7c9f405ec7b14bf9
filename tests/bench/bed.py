"""The test bed: a real systemd with a user manager in namespaces, at the machine's own speed. Needs root.

It is for measuring time: on a machine with the memory controller on cgroup v1, limits are accepted but not enforced.
"""

import json
import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.lab import payload
from tests.lab.errors import LabError

from .rootfs import SUITE, root_file_system

HERE = Path(__file__).parent
NAMESPACES = ("--mount", "--cgroup", "--pid", "--uts", "--ipc", "--net", "--fork", "--kill-child=SIGKILL")


def measure(arguments: Sequence[str], *, time_limit: float) -> dict[str, Any]:
    """Run `python3 -m inside ARGUMENTS` in a new bed, and return its results.

    time_limit: in seconds. Raises LabError.
    """
    if os.geteuid() != 0:
        raise LabError("The bench bed needs root.", hint="Run it as root: it mounts, and makes a cgroup.")
    root = root_file_system()
    with tempfile.TemporaryDirectory(prefix="scoperun-bench.") as name:
        folder = Path(name)
        folder.chmod(0o755)
        project, out = folder / "project", folder / "out"
        payload.unpack_wheel(project, SUITE)
        out.mkdir()
        out.chmod(0o777)
        (out / "arguments").write_text(shlex.join(arguments), encoding="utf-8")
        status = boot([str(root), str(project), str(HERE / "inside"), str(out)], time_limit=time_limit)
        results = out / "results.json"
        if not results.exists():
            raise failure(status, folder)
        measured: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))
        return measured


def failure(status: int | None, folder: Path) -> LabError:
    """Return the error for a bed that wrote no results."""
    how = "exceeded its time limit" if status is None else "ended without results"
    log = folder / "out" / "log"
    return LabError(f"The bench bed {how}.", log=log.read_text(errors="replace") if log.exists() else "")


def boot(arguments: Sequence[str], *, time_limit: float) -> int | None:
    """Boot a bed, wait for its end, and return its status; None if it exceeded the time limit and was killed."""
    with subgroup() as cgroup:
        # The shell moves itself, so that every process of the bed starts in the cgroup.
        enter = f'echo $$ > {shlex.quote(str(cgroup / "cgroup.procs"))}; exec "$@"'
        command = ["sh", "-c", enter, "sh", "unshare", *NAMESPACES, "sh", str(HERE / "boot.sh"), *arguments]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            return process.wait(time_limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            process.kill()  # --kill-child then kills the first process of the bed, and so all of them
            process.wait()


@contextmanager
def subgroup() -> Iterator[Path]:
    """Yield a new cgroup; at the end of the context its processes are killed and it is removed."""
    cgroup = hierarchy() / f"scoperun-bench-{os.getpid()}"
    cgroup.mkdir()
    try:
        yield cgroup
    finally:
        kill = cgroup / "cgroup.kill"
        if kill.exists():
            kill.write_text("1", encoding="ascii")
        remove(cgroup)


def hierarchy() -> Path:
    """Return the mount point of cgroup v2. Raises LabError."""
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, mount_point, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(mount_point)
    raise LabError("The bench bed needs a mounted cgroup v2.", hint="See: findmnt -t cgroup2")


def remove(cgroup: Path) -> None:
    """Remove a cgroup and those below it once their processes are gone; give up after 10 s."""
    deadline = time.monotonic() + 10
    while cgroup.exists() and time.monotonic() < deadline:
        for folder, _, _ in os.walk(cgroup, topdown=False):
            with suppress(OSError):  # still busy: the kernel reaps the bed's other processes after the first one
                os.rmdir(folder)
        time.sleep(0.05)
