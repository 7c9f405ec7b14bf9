"""The scope of a guard, and what binds another scope to it. No I/O."""

from __future__ import annotations

import re
import signal

from scoperun.printable import utf8
from scoperun.spec.properties import Property
from scoperun.spec.scope import ScopeRequest

ANY_GUARD = "guard-of-scoperun-PID-ID.scope"
"""What stands for a guard whose name is not known yet."""

_NAME = re.compile(r"guard-of-scoperun-([0-9]+)-[0-9a-f]+\.scope", re.ASCII)


def guard_request(pid: int, name: str | None, salt: str) -> ScopeRequest:
    """Return the request for the guard of process `pid`, whose name is `name`.

    It has no Documentation=, by which scopectl recognises what scoperun runs, and its name does not begin as theirs.
    """
    visible = "".join(each if each.isprintable() and each != "\\" else "?" for each in utf8(name or "?"))
    text = f"Guard of process {pid} ({visible}): what is bound to it ends with that process"
    return ScopeRequest(
        unit=f"guard-of-scoperun-{pid}-{salt}.scope",
        properties=(
            Property(name="Description", signature="s", value=text),
            # Together these keep it known to us until its end, and leave nothing after it.
            Property(name="AddRef", signature="b", value=True),
            Property(name="CollectMode", signature="s", value="inactive-or-failed"),
            # It blocks SIGTERM, so that a shutdown would wait for it. systemd ends it after what is bound to it.
            Property(name="KillSignal", signature="i", value=int(signal.SIGKILL)),
        ),
    )


def owner_of(unit: str) -> int | None:
    """Return the PID of the process whose guard's scope has this name; None if it is not the name of one."""
    found = _NAME.fullmatch(unit)
    return None if found is None else int(found[1])


def bound_to(guard: str) -> tuple[Property, Property]:
    """Return what has systemd stop a scope when the scope `guard` ends; to be added to what was asked for before."""
    after, binds_to = (Property(name=name, signature="as", value=[guard]) for name in ("After", "BindsTo"))
    return binds_to, after
