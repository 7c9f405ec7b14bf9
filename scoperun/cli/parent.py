"""--die-with-parent: the process with which the run ends, held before anything starts."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from scoperun.errors import ScoperunError
from scoperun.process.parent import own_parent, process
from scoperun.process.streams import occupy_closed_streams
from scoperun.program import PARENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.process.parent import Parent


@contextmanager
def held_parent(wanted: bool | int) -> Iterator[Parent]:
    """Hold the process whose PID is `wanted`, or for True our parent. Raises ScoperunError."""
    occupy_closed_streams()  # otherwise its pidfd gets the number of one
    try:
        held = own_parent(PARENT) if wanted is True else process(wanted)
    except ScoperunError as error:
        error.message = f"--die-with-parent{'' if wanted is True else f'={wanted}'}: {error.message}"
        raise
    with held:
        yield held
