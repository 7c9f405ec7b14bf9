"""Whether a file system can hold a database in WAL mode: its processes share memory, which must be one machine's."""

from __future__ import annotations

_LOCAL = frozenset(
    {
        "bcachefs", "btrfs", "ecryptfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nilfs2", "overlay", "reiserfs",
        "tmpfs", "xfs", "zfs",
    }
)  # fmt: skip
"""Types of file systems on disks and in memory of this machine. All others count as on a network: FUSE can be."""


def is_local(fd: int) -> bool:
    """Tell whether an open file is known to be on a file system of this machine. Raises OSError without /proc."""
    with open(f"/proc/self/fdinfo/{fd}", encoding="utf-8") as file:
        mount = next((line.split()[1] for line in file if line.startswith("mnt_id:")), "")
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return type_of(mount, file.read()) in _LOCAL


def type_of(mount: str, mountinfo: str) -> str | None:
    """Return the type of the file system with a mount ID, None if it is not listed; see proc_pid_mountinfo(5).

    The mount's ID, because the number of the device is another one in subvolumes of btrfs.
    """
    for line in mountinfo.split("\n"):
        before, separator, after = line.partition(" - ")
        if separator and before.split()[0] == mount:
            return after.split()[0]
    return None
