"""How the command starts if it differs from how we run: OOM score, nice level, groups, user, directory, environment.

The order is the safe one. Steps that need privileges come before these are given up: groups, then the group, then the
user. Every step is checked, the last one by an attempt to take it back. The directory comes after the user, so that the
user's own permissions decide. systemd-run(1) does the same for scopes.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from scoperun.spec.request import ExecContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An ExecContext with its names looked up, for use in the child.

    uid, gid, groups: numbers, None to keep ours. nice: the nice level, None to keep ours.
    oom_score_adj: -1000 to 1000, None to keep ours.
    working_directory: a path, None to keep ours.
    environment: variables that are set in addition to the inherited ones.
    not_inherited: names of variables that are not inherited.
    """

    uid: int | None
    gid: int | None
    groups: tuple[int, ...] | None
    nice: int | None
    oom_score_adj: int | None
    working_directory: str | None
    environment: dict[str, str]
    not_inherited: frozenset[str] = frozenset()

    def assume(self) -> None:
        """Take on this identity; raise OSError, with what was tried as its file name."""
        if self.oom_score_adj is not None:  # after the change of user /proc/self might belong to root
            from scoperun.process.oom_score import set_oom_score_adj  # noqa: PLC0415  `identity` has imported it

            _attempt(f"OOM score adjustment {self.oom_score_adj}", set_oom_score_adj, self.oom_score_adj)
        if self.nice is not None:
            _attempt(f"`context.nice={self.nice}`", os.setpriority, os.PRIO_PROCESS, 0, self.nice)
        if self.groups is not None:
            _attempt("supplementary groups", os.setgroups, self.groups)
        if self.gid is not None:
            _attempt(f"group {self.gid}", os.setresgid, self.gid, self.gid, self.gid)
        if self.uid is not None:
            _attempt(f"user {self.uid}", os.setresuid, self.uid, self.uid, self.uid)
        self._check()
        if self.working_directory is not None:
            folder = self.working_directory
            _attempt(f"`context.working_directory={folder}`", os.chdir, folder)

    def _check(self) -> None:
        """Raise PermissionError if the identity is not in effect, or if root can be regained."""
        if self.uid is not None and os.getresuid() != (self.uid,) * 3:
            raise PermissionError(errno.EPERM, "", f"user {self.uid}")
        if self.gid is not None and os.getresgid() != (self.gid,) * 3:
            raise PermissionError(errno.EPERM, "", f"group {self.gid}")
        if self.uid and _root_can_be_regained():
            raise PermissionError(errno.EPERM, "", f"user {self.uid}, which could still become root again")


def identity(context: ExecContext) -> Identity:
    """Look up the names in `context`, and try what only the kernel can tell of.

    Raises InvalidValue if a name does not exist, if root is needed and missing, or if the kernel refuses a value.
    """
    user = None if context.user is None else _user(context.user)
    gid = user.pw_gid if user else None
    if context.group is not None:
        gid = _gid(context.group)
    groups = None
    if user is not None and gid is not None:
        groups = tuple(os.getgrouplist(user.pw_name, gid))
    if os.geteuid() != 0 and context.changes_identity:
        raise InvalidValue(
            "`context.user` and `context.group` require root", hint="sudo scoperun --system --uid USER ..."
        )
    if context.oom_score_adj is not None:
        from scoperun.process.oom_score import see_settable  # noqa: PLC0415  most commands do not need it

        see_settable(context.oom_score_adj)
    is_another = user is not None and user.pw_uid != os.geteuid()
    variables = dict(variable.split("=", 1) for variable in context.environment if "=" in variable)
    return Identity(
        uid=user.pw_uid if user else None,
        gid=gid,
        groups=groups,
        nice=context.nice,
        oom_score_adj=context.oom_score_adj,
        working_directory=context.working_directory,
        environment=(_login_variables(user) if user else {}) | variables,
        not_inherited=_OF_OUR_SESSION - set(context.environment) if is_another else frozenset(),
    )


_OF_OUR_SESSION = frozenset({"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"})
"""Variables that lead to our own systemd and our own bus, which are of no use to another user."""


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(int(name)) if _is_number(name) else pwd.getpwnam(name)
    except (KeyError, OverflowError, ValueError):
        raise InvalidValue(f"`context.user`: there is no user {name!r}", hint="check: getent passwd") from None


def _gid(name: str) -> int:
    try:
        return grp.getgrgid(int(name)).gr_gid if _is_number(name) else grp.getgrnam(name).gr_gid
    except (KeyError, OverflowError, ValueError):
        raise InvalidValue(f"`context.group`: there is no group {name!r}", hint="check: getent group") from None


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _login_variables(user: pwd.struct_passwd) -> dict[str, str]:
    return {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name, "SHELL": user.pw_shell or "/bin/sh"}


def _attempt(what: str, call: Callable[..., object], *arguments: object) -> None:
    try:
        call(*arguments)
    except OSError as error:
        raise OSError(error.errno, error.strerror, what) from None


def _root_can_be_regained() -> bool:
    try:
        os.setuid(0)
    except OSError:
        return False
    return True
