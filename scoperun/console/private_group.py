"""Whether only its owner can use what a folder's group may do: many systems give each user a group of their own.

There the umask is often 002, and the user's folders are writable by that group.
"""

from __future__ import annotations

import errno
import os

_NO_LIST = {errno.ENODATA, errno.EOPNOTSUPP}


def is_alone(path: str, status: os.stat_result) -> bool:
    """Tell whether the group of a folder has only the folder's owner in it, as far as the user database lists users.

    That is a group which is the owner's primary one, has no other member, and is the primary one of no other user. A
    folder with an access control list is not looked into: there the bits of the group are those of all the list.
    status: the folder's, at this path.
    """
    import grp  # noqa: PLC0415  few folders are writable by a group
    import pwd  # noqa: PLC0415

    try:
        owner = pwd.getpwuid(status.st_uid)
        members = grp.getgrgid(status.st_gid).gr_mem
    except KeyError:
        return False
    return (
        owner.pw_gid == status.st_gid
        and set(members) <= {owner.pw_name}
        and not any(user.pw_gid == status.st_gid and user.pw_uid != status.st_uid for user in pwd.getpwall())
        and not _has_list(path)
    )


def _has_list(path: str) -> bool:
    try:
        os.getxattr(path, "system.posix_acl_access", follow_symlinks=False)
    except OSError as error:
        return error.errno not in _NO_LIST
    return True
