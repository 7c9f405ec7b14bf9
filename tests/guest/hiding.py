"""Hides files in a mount namespace in which /dev/null, or another file, is mounted over them.

Under /dev/null they cannot be executed and read as empty, and /dev/kmsg is not the kernel's log. See
mount_namespaces(7). A user that is not root gets the right to mount from a user namespace around it.
"""

import ctypes
import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

JOURNALCTL = "/usr/bin/journalctl"
KMSG = "/dev/kmsg"

CLONE_NEWNS, CLONE_NEWUSER, MS_BIND = 0x20000, 0x10000000, 0x1000


def hidden(*files: str, by: str = "/dev/null") -> Sequence[str]:
    """Return the words before a command that run it in a namespace in which each of these files is another one."""
    mounts = [f"mount --bind {shlex.quote(by)} {shlex.quote(os.path.realpath(file))}" for file in files]
    if os.geteuid() == 0:
        return ["unshare", "--mount", "sh", "-c", " && ".join([*mounts, 'exec "$@"']), "sh"]
    namespaces = ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount"]
    run = 'exec setpriv --ambient-caps=-all --inh-caps=-all "$@"'  # without the right to mount
    return [*namespaces, "sh", "-c", " && ".join([*mounts, run]), "sh"]


def scoperun_without(*files: str, folder: Path, by: str = "/dev/null") -> str:
    """Write a script `scoperun` to `folder` that runs scoperun without these files; return a PATH that starts there.

    by: the file that is there in place of each.
    """
    scoperun = folder / "scoperun"
    words = [*hidden(*files, by=by), str(shutil.which("scoperun"))]
    scoperun.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    scoperun.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def hide(*files: str) -> None:
    """Hide these files from this process and its children, permanently; for a user that is not root."""
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    _see(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS))
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")  # otherwise the kernel refuses the map of groups
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")
    for file in files:
        _see(libc.mount(b"/dev/null", os.fsencode(os.path.realpath(file)), None, MS_BIND, None))


def _see(failed: int) -> None:
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
