"""A trace: the events of a run as lines of JSON, from which replay.py makes its report again.

Each line is an object: `time`, in seconds on the monotonic clock, `class`, and the fields of that record. The first
line is Begun. Then come the events in the order in which they are taken in, and among them Start, which is written just
before the command runs. The last line is Concluded. If it is missing, scoperun was killed or could not write any more.
"""

from __future__ import annotations

import datetime
import enum
import json
import math
import signal
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

from scoperun.evidence import events, kernel_report
from scoperun.evidence.pressure import Pressure
from scoperun.evidence.start import Start
from scoperun.record import dataclass, field
from scoperun.report.names import LimitName
from scoperun.spec.limits import Ceiling, LimitsInForce
from scoperun.spec.soft_memory import SoftMemory
from scoperun.spec.soft_pressure import SoftPressure


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The first line.

    scoperun: its version. command: the command's words. names: what the text report calls limits, as for report_text.
    """

    scoperun: str
    command: tuple[str, ...]
    names: Mapping[str, LimitName] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluded:
    """The last line: the report was made from the lines before. systemd: its version, None if it did not answer."""

    systemd: str | None


_LINES = {each.__name__: each for each in (Begun, Start, Concluded, *get_args(events.Event))}
"""The classes that a line can have."""

_RECORDS: dict[str, type[Any]] = _LINES | {
    each.__name__: each
    for each in (
        events.Process,
        events.Task,
        events.EndedTask,
        events.OomdMark,
        kernel_report.KernelReport,
        kernel_report.KernelTask,
        kernel_report.KernelVictim,
        Ceiling,
        LimitName,
        LimitsInForce,
        Pressure,
        SoftMemory,
        SoftPressure,
    )
}
"""Those and the classes of their fields. Reading a trace makes instances of these dataclasses only."""


def line(record: object, *, at: float) -> str:
    """Return a record as a line of a trace. at: seconds on the monotonic clock."""
    return json.dumps({"time": at} | _encoded(record), allow_nan=False)


def record(text: str) -> Any:
    """Return the record that a line stands for; raise ValueError, which says why, if there is none."""
    try:
        whole = json.loads(text)
    except ValueError:
        raise ValueError("not JSON") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(whole, dict) or not isinstance(whole.pop("time", None), int | float):
        raise ValueError("not an object with a time")
    if not isinstance(whole.get("class"), str) or whole["class"] not in _LINES:
        raise ValueError(f"a line of the unknown class {whole.get('class')!r}")
    return _decoded(whole)


def _encoded(value: Any) -> Any:
    """Return a value as JSON has it. An object with a `class` is of that class; one without is a mapping."""
    if type(value) is _RECORDS.get(type(value).__name__):
        return {"class": type(value).__name__} | {
            each.name: _encoded(getattr(value, each.name)) for each in fields(value)
        }
    match value:
        case enum.Enum():
            return {"class": type(value).__name__, "value": value.value}
        case datetime.datetime():
            return {"class": "datetime", "value": value.isoformat()}
        case float() if not math.isfinite(value):
            return {"class": "float", "value": str(value)}
        case None | bool() | int() | float() | str():
            return value
        case tuple():
            return [_encoded(each) for each in value]
        case list():
            return {"class": "list", "items": [_encoded(each) for each in value]}
        case Mapping() if all(isinstance(key, str) for key in value) and "class" not in value:
            return {key: _encoded(each) for key, each in value.items()}
        case Mapping():
            return {"class": "mapping", "items": [[key, _encoded(each)] for key, each in value.items()]}
    raise TypeError(f"a trace cannot hold a {type(value).__name__}")


def _decoded(value: Any) -> Any:
    match value:
        case list():
            return tuple(map(_decoded, value))
        case {"class": name}:
            rest = {key: each for key, each in value.items() if key != "class"}
            cls = _RECORDS.get(name) if isinstance(name, str) else None
            return _plain(name, rest) if cls is None else _made(cls, rest)
        case dict():
            return {key: _decoded(each) for key, each in value.items()}
    return value


def _made(cls: type[Any], values: dict[str, Any]) -> Any:
    known = {each.name for each in fields(cls)}
    if unknown := sorted(values.keys() - known):
        raise ValueError(f"{cls.__name__} has an unknown key {unknown[0]!r}")
    try:
        return cls(**{name: _decoded(each) for name, each in values.items()})
    except TypeError:  # a field is missing
        raise ValueError(f"no {cls.__name__} can be made of its keys") from None


def _plain(name: object, rest: dict[str, Any]) -> Any:
    """Return a value whose class is not one of ours; raise ValueError if it is unknown."""
    match name, rest:
        case "list", {"items": list(items), **more} if not more:
            return list(map(_decoded, items))
        case "mapping", {"items": list(items), **more} if not more and all(map(_is_pair, items)):
            return {key: _decoded(each) for key, each in items}
        case "float", {"value": "inf" | "-inf" | "nan" as number, **more} if not more:
            return float(number)
        case "datetime", {"value": str(text), **more} if not more:
            return datetime.datetime.fromisoformat(text)
        case "Signals", {"value": int(number), **more} if not more:
            return signal.Signals(number)
    raise ValueError(f"the unknown class {name!r}, or one with unknown keys")


def _is_pair(item: object) -> bool:
    return isinstance(item, list) and len(item) == 2 and isinstance(item[0], str | int)
