"""How the command starts where that is not how we run: nice level, groups, group, user, directory, environment.

The order is the one that is safe: what takes privilege comes before it is given up, groups before the group before
the user, and every step is checked, the last one by trying to take it back. The directory comes after the user, who
may not be allowed into it. systemd-run(1) does the same for scopes.
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
    """An ExecContext with its names looked up; for use in the child.

    uid, gid, groups: numbers, None to keep ours. environment: the variables that are set beside the inherited ones;
    not_inherited: those that are not handed on.
    """

    uid: int | None
    gid: int | None
    groups: tuple[int, ...] | None
    nice: int | None
    working_directory: str | None
    environment: dict[str, str]
    not_inherited: frozenset[str] = frozenset()

    def assume(self) -> None:
        """Become that identity; raise OSError, with what was tried as its file name."""
        if self.nice is not None:
            _attempt(f"nice level {self.nice}", os.setpriority, os.PRIO_PROCESS, 0, self.nice)
        if self.groups is not None:
            _attempt("supplementary groups", os.setgroups, self.groups)
        if self.gid is not None:
            _attempt(f"group {self.gid}", os.setresgid, self.gid, self.gid, self.gid)
        if self.uid is not None:
            _attempt(f"user {self.uid}", os.setresuid, self.uid, self.uid, self.uid)
        self._check()
        if self.working_directory is not None:
            os.chdir(self.working_directory)

    def _check(self) -> None:
        """See that nothing of what was given up can be had again."""
        if self.uid is not None and os.getresuid() != (self.uid,) * 3:
            raise PermissionError(errno.EPERM, "", f"user {self.uid}")
        if self.gid is not None and os.getresgid() != (self.gid,) * 3:
            raise PermissionError(errno.EPERM, "", f"group {self.gid}")
        if self.uid and _root_can_be_regained():
            raise PermissionError(errno.EPERM, "", f"user {self.uid}, from which the way back to root is open")


def identity(context: ExecContext) -> Identity:
    """Look up the names of `context`; raise InvalidValue for those that are not there."""
    user = None if context.user is None else _user(context.user)
    gid = user.pw_gid if user else None
    if context.group is not None:
        gid = _gid(context.group)
    groups = None
    if user is not None and gid is not None:
        groups = tuple(os.getgrouplist(user.pw_name, gid))
    if os.geteuid() != 0 and context.changes_identity:
        raise InvalidValue("`context.user` and `context.group` take root", hint="sudo scoperun --system --uid USER ...")
    is_another = user is not None and user.pw_uid != os.geteuid()
    variables = dict(variable.split("=", 1) for variable in context.environment if "=" in variable)
    return Identity(
        uid=user.pw_uid if user else None,
        gid=gid,
        groups=groups,
        nice=context.nice,
        working_directory=context.working_directory,
        environment=(_login_variables(user) if user else {}) | variables,
        not_inherited=_OF_OUR_SESSION - set(context.environment) if is_another else frozenset(),
    )


_OF_OUR_SESSION = frozenset({"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"})
"""What leads to our own systemd and our own bus, where another user has nothing to look for."""


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
