"""Runs that wait in files of their own until the history is opened next.

A file that is not such a run gets another name, so that it is looked at once and can be looked into.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

from scoperun.record import dataclass

if TYPE_CHECKING:
    from scoperun.report.report import Report

_BEGIN, _END = "waiting-", ".json"
_UNREADABLE = "unreadable-"
_LATEST = 253402300799
"""The last second of the year 9999, in seconds since the epoch."""

_TEXTS = ("key", "name", "verdict", "manager", "unit", "report")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """A run that is to be in the history.

    key: no other run has it. name: what it is recorded as. ended: when, in seconds since the epoch.
    verdict, manager, unit: as in its report. report: its JSON.
    keep: how many of the last runs of that name are kept then. keep_for: for how many seconds. None for no limit.
    """

    key: str
    name: str
    ended: float
    verdict: str
    manager: str
    unit: str
    report: str
    keep: int | None = None
    keep_for: float | None = None

    @classmethod
    def now(cls, name: str, report: Report, *, keep: int | None = None, keep_for: float | None = None) -> Self:
        """Return a run that ends now."""
        return cls(
            key=os.urandom(16).hex(),
            name=name,
            ended=time.time(),
            verdict=str(report.verdict),
            manager=report.manager,
            unit=report.unit,
            report=report.to_json(),
            keep=keep,
            keep_for=keep_for,
        )


def put(folder: int, run: Aside) -> None:
    """Write a run into a file of its own, for our user alone, which appears whole. Raises OSError.

    folder: a descriptor of the history's folder, which can be O_PATH.
    """
    temporary, name = f".{run.key}.tmp", f"{_BEGIN}{run.key}{_END}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump(asdict(run), file)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def found(folder: int) -> dict[str, Aside]:
    """Return the runs that wait, by the names of their files, the first one first. Raises OSError."""
    names = [name for name in os.listdir(f"/proc/self/fd/{folder}") if name.startswith(_BEGIN) and name.endswith(_END)]
    runs = {name: run for name in names if (run := _read(folder, name)) is not None}
    return dict(sorted(runs.items(), key=lambda item: item[1].ended))


def _read(folder: int, name: str) -> Aside | None:
    """Return the run in a file; None if it is gone, because it was taken in, or cannot be read."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        with os.fdopen(fd, encoding="utf-8") as file:
            return _run(json.load(file))
    except (ValueError, RecursionError):
        with suppress(OSError):
            os.rename(name, f"{_UNREADABLE}{name.removeprefix(_BEGIN)}", src_dir_fd=folder, dst_dir_fd=folder)
        return None
    except OSError:
        return None


def _run(found: Any) -> Aside:
    """Return the run that parsed JSON is; raises ValueError if a value is missing, or is not one that SQLite takes.

    What a newer scoperun has written beside these is ignored.
    """
    if not isinstance(found, dict):
        raise ValueError("it is not an object")
    for key in _TEXTS:
        if not isinstance(found.get(key), str):
            raise ValueError(f"{key} is not text")
        found[key].encode()  # a lone surrogate is a UnicodeEncodeError, which is a ValueError
    keep, keep_for = found.get("keep"), found.get("keep_for")
    if not _is_number(found.get("ended"), most=_LATEST):
        raise ValueError("ended is not a time")
    if keep is not None and not (isinstance(keep, int) and _is_number(keep) and keep > 0):
        raise ValueError("keep is not a number of runs")
    if keep_for is not None and not _is_number(keep_for):
        raise ValueError("keep_for is not a number of seconds")
    texts = {key: found[key] for key in _TEXTS}
    return Aside(**texts, ended=found["ended"], keep=keep, keep_for=keep_for)


def _is_number(value: object, *, most: float = 2**63 - 1) -> bool:
    """Tell whether this is a number from 0 to `most`; NaN is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= most
