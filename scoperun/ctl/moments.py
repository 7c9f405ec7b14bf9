"""Moments as people write them on a command line: dates, and times ago. They are in the machine's time zone."""

from __future__ import annotations

import datetime
import math
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue
from scoperun.spec.sizes import parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

_DAYS_AGO: Mapping[str, int] = {"today": 0, "yesterday": 1}


def moment(text: str, *, now: float) -> float:
    """Return the moment that `text` means, in seconds since the epoch.

    It is a date, a date and a time, today or yesterday, all in the machine's time zone, or a time ago, e.g. 7d.
    now: the present. Raises InvalidValue.
    """
    if text in _DAYS_AGO:
        day = datetime.datetime.fromtimestamp(now, datetime.UTC).astimezone().date()
        midnight = datetime.datetime.combine(day - datetime.timedelta(_DAYS_AGO[text]), datetime.time())
        return _timestamp(midnight)
    try:
        return _timestamp(datetime.datetime.fromisoformat(text))
    except (ValueError, OverflowError, OSError):
        pass
    try:
        ago = math.inf if text.isdigit() else parse_time(text)  # 2025 does not mean seconds
    except InvalidValue:
        ago = math.inf
    if ago == math.inf:
        hint = "a date, e.g. 2026-11-28 or '2026-11-28 16:30', today, yesterday, or a time ago, e.g. 7d"
        raise InvalidValue(f"{text!r} is not a date", hint=hint)
    return now - ago


def _timestamp(at: datetime.datetime) -> float:
    """Return a date and time in seconds since the epoch.

    If this zone's clock skips it, it is what it would be without the skip: at 02:00 the clock is set to 03:00, and
    02:30 means 03:30.
    """
    here = at.astimezone()
    is_skipped = at.tzinfo is None and here.replace(tzinfo=None) != at
    return (at.replace(fold=1).astimezone() if is_skipped else here).timestamp()


def clock(at: float) -> str:
    """Return a moment as people read it, in the machine's time zone, without the zone's name."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
