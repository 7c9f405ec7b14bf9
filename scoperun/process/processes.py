"""The two processes of a scope: the command, which is held until the scope is started, and the keeper."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from scoperun.environment import given_environment
from scoperun.errors import ScoperunError
from scoperun.process import child, keeper
from scoperun.record import dataclass
from scoperun.spec.request import ExecContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scoperun.spec.request import RunRequest


@dataclass(frozen=True, slots=True)
class Processes:
    """The held command and the keeper of its scope."""

    workload: child.Child
    keeper: keeper.Keeper


@contextmanager
def spawn(request: RunRequest, *, before_exec: Callable[[], None] | None = None) -> Iterator[Processes]:
    """Fork both. On exit, kill what still runs, reap it, and close all descriptors.

    before_exec: called in the child before it takes on the request's identity.
    Raises InvalidValue if the request's user or group cannot be used, another ScoperunError if a fork fails.
    """
    held = child.spawn(request.command, _preparation(request, before_exec))
    try:
        kept = keeper.spawn()
        try:
            yield Processes(held, kept)
        finally:
            kept.close()
    finally:
        held.close()


def _preparation(request: RunRequest, before_exec: Callable[[], None] | None) -> child.Preparation:
    steps = [] if before_exec is None else [before_exec]
    environment = _environment()
    if request.context != ExecContext():
        from scoperun.process.identity import identity  # noqa: PLC0415  most commands do not need it

        wanted = identity(request.context)
        steps.append(wanted.assume)
        inherited = {name: value for name, value in environment.items() if name not in wanted.not_inherited}
        environment = inherited | wanted.environment
    return child.Preparation(environment=environment, steps=tuple(steps))


def _environment() -> dict[str, str]:
    try:
        return given_environment()
    except OSError as error:
        raise ScoperunError(f"cannot read {error.filename}: {error.strerror}") from None
