"""A place without some of the machine's files: a mount namespace in which /dev/null lies over them.

There they cannot be executed, are empty to read, and /dev/kmsg is not the kernel's log. See mount_namespaces(7); where
this user is not root, a user namespace around it gives the right to mount.
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


def hidden(*files: str) -> Sequence[str]:
    """Return the words that run the command after them where these files are hidden."""
    mounts = [f"mount --bind /dev/null {shlex.quote(os.path.realpath(file))}" for file in files]
    if os.geteuid() == 0:
        return ["unshare", "--mount", "sh", "-c", " && ".join([*mounts, 'exec "$@"']), "sh"]
    namespaces = ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount"]
    run = 'exec setpriv --ambient-caps=-all --inh-caps=-all "$@"'  # without the right to mount
    return [*namespaces, "sh", "-c", " && ".join([*mounts, run]), "sh"]


def scoperun_without(*files: str, folder: Path) -> str:
    """Make a scoperun in `folder` from which these files are hidden; return the PATH that has it first."""
    scoperun = folder / "scoperun"
    words = [*hidden(*files), str(shutil.which("scoperun"))]
    scoperun.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    scoperun.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def hide(*files: str) -> None:
    """Hide these files from this process and its children, for good; for a process of a user that is not root."""
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    _see(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS))
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")  # or the kernel takes no map of groups
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")
    for file in files:
        _see(libc.mount(b"/dev/null", os.fsencode(os.path.realpath(file)), None, MS_BIND, None))


def _see(failed: int) -> None:
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
