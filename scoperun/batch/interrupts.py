"""What signals to the runner do: first it starts no more jobs, then it stops those that run, then it kills them."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scoperun.batch.folder import WAKE
from scoperun.batch.plan import Stage
from scoperun.process.signals import ENDING, STOPPING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from scoperun.process.signals import HeldSignals


@contextmanager
def interrupting(
    signals: HeldSignals,
    *,
    stage: Callable[[], Stage],
    end: Callable[[Stage], None],
    woken: Callable[[], None],
    aside: Callable[[], AbstractContextManager[None]],
) -> Iterator[None]:
    """Act on held signals during the context.

    stage: how far the runner is told to end. end: tells it to. woken: called when another terminal wants something.
    aside: a context in which the terminal is another program's.
    """

    def act() -> None:
        for received in signals.read():
            if received.number in signals.ending:
                end(_next(stage(), received.number))
            elif received.number in STOPPING:
                with aside():
                    os.kill(os.getpid(), signal.SIGSTOP)  # Ctrl-Z; the jobs run on, in sessions of their own
            elif received.number == WAKE:
                woken()

    loop = asyncio.get_running_loop()
    loop.add_reader(signals.fd, act)
    try:
        yield
    finally:
        loop.remove_reader(signals.fd)


def _next(stage: Stage, number: int) -> Stage:
    """Return the stage that a signal leads to: only Ctrl-C leaves out nothing."""
    assert number in ENDING  # noqa: S101  the caller has seen to that
    least = Stage.DRAINING if number == signal.SIGINT else Stage.STOPPING
    return max(least, Stage(min(stage + 1, Stage.KILLING)))


@contextmanager
def interruptible_by_signals() -> Iterator[None]:
    """Have signals end us as Ctrl-C does as long as they are not held, so that a batch that is not made leaves nothing.

    A wish that another terminal has does nothing then: the runner reads it afterwards. With handlers of Python's, which
    exec resets, jobs have the dispositions that we were started with.
    """
    handlers = {**dict.fromkeys((signal.SIGTERM, signal.SIGHUP), signal.default_int_handler), WAKE: lambda *_: None}
    before = {number: signal.getsignal(number) for number in handlers}
    ours = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in ours:
        signal.signal(number, handlers[number])
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
