"""What writing and removing a cap have in common."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from scoperun.errors import ScoperunError
from scoperun.record import dataclass
from scoperun.spec.properties import parse_setting
from scoperun.systemd import installed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.ctl.cap_done import Done
    from scoperun.ctl.cap_files import CapFile, CapFolder
    from scoperun.ctl.cap_names import Names
    from scoperun.ctl.cap_request import Asked
    from scoperun.ctl.session import Seen, Session
    from scoperun.spec.properties import Property


@dataclass(frozen=True, slots=True)
class Work:
    """What a change is made with. meant: the units that have one of the names."""

    opened: Session
    folder: CapFolder
    names: Sequence[Names]
    meant: Sequence[Seen]
    asked: Asked
    done: Done


async def reload(work: Work, done: str) -> None:
    """Have systemd read its files again. done: what has become of the files. Raises ScoperunError."""
    try:
        await installed.reload(work.opened.manager)
    except ScoperunError as error:
        target = work.asked.target
        again = f"scopectl cap {shlex.quote(target.of)}{' --remove' if done == 'removed' else ' with the same limits'}"
        raise ScoperunError(
            f"the files are {done}, but not applied yet: {error.message}", hint=f"again: {again}"
        ) from None


def leave_alone(done: Done, path: str) -> None:
    """Say that a file stays as a person has changed it."""
    done.files.append((path, "left alone"))
    done.complaints.append(f"{path}: left alone, because it is not as scopectl has written it; remove it yourself")


def with_old(cap: Sequence[Property], files: Sequence[CapFile]) -> list[Property]:
    """Return the properties of a cap and those that its files had, each name once."""
    found = {each.name: each for each in cap}
    for line in (line for file in files if file.cap is not None for line in file.cap.settings):
        name, _, value = line.partition("=")
        old = parse_setting(name, value or "infinity")
        found.setdefault(old.name, old)
    return list(found.values())
