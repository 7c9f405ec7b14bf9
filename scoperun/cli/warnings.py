"""What the user is warned of before the command starts, or when it does."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from scoperun.cli.options import late_options
from scoperun.cli.stderr import in_options, say
from scoperun.kernel.swap import has_swap, has_zswap
from scoperun.printable import one_line
from scoperun.record import replace
from scoperun.spec.traps import low_ceiling, traps

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from scoperun.console.sources import Sources
    from scoperun.spec.request import RunRequest
    from scoperun.supervision.supervision import Supervision

_OPTIONS_FIRST = "scoperun's options come before the command (with -- before the command there is no such note)"


def warn(argv: Sequence[str], request: RunRequest, sources: Sources, *, is_run: bool) -> None:
    """Print what the user probably did not mean. is_run: the command will be started."""
    if late := late_options(argv, request.command):
        say(f"scoperun: note: the command gets {' '.join(late)}, which is written after it; {_OPTIONS_FIRST}")
    warn_of_traps(request)
    if "SCOPERUN_REPORT" in sources.ignored:
        say("scoperun: warning: SCOPERUN_REPORT is ignored with --uid or --gid; use --report FILE")
    if is_run and request.context.user is not None:
        _warn_of_terminal(request)


def warn_of_traps(request: RunRequest) -> None:
    """Warn of limits that do not do what they seem to do."""
    asked = replace(request, soft_memory=None)  # its MemoryHigh= is lifted before it throttles
    for trap in traps(asked.scope_properties(), has_swap=has_swap(), has_zswap=has_zswap()):
        say(f"scoperun: warning: {in_options(trap)}")


def _warn_of_terminal(request: RunRequest) -> None:
    """Warn if a command that runs as another user could type commands into root's shell."""
    from scoperun.process.identity import identity  # noqa: PLC0415  only root's runs as another user need these
    from scoperun.process.shared_terminal import can_be_typed_at  # noqa: PLC0415

    if identity(request.context).uid and can_be_typed_at():
        say(
            f"scoperun: warning: user {request.context.user} could type commands at this terminal for root's shell "
            "(TIOCSTI): systemd-run --pty gives the command one of its own; the sysctl dev.tty.legacy_tiocsti=0 "
            "forbids it from Linux 6.2 on"
        )


@asynccontextmanager
async def warning_of_limits(supervision: Supervision) -> AsyncIterator[None]:
    """Warn while the command runs, of a limit that cannot be reached, and of those that are not in force.

    It cannot be reached if something above the scope allows less memory than the scope's own limit.
    """
    start = supervision.start
    ceiling = low_ceiling(start.limits.memory_max, start.ceiling)
    unwatched = start.unwatched_pressure
    pressure = None if unwatched is None else f"`soft_pressure` has no effect: {unwatched}"
    warnings = [*filter(None, (ceiling, pressure)), *start.unenforced]
    if not warnings:
        yield
        return
    from scoperun.cli.notice import notice  # noqa: PLC0415  most runs have no such limit

    async with notice(*(f"scoperun: warning: {one_line(in_options(each))}" for each in warnings)):
        yield
