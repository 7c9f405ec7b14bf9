"""Jobs from a file with a JSON object per line.

Keys: id, command (text for /bin/sh, or a list of words), cwd, env (an object of texts), and the options that a job can
have for itself. What is not one of these, or of another type, is refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from scoperun.batch.columns import COLUMNS
from scoperun.batch.draft import Draft
from scoperun.batch.job import SHELL
from scoperun.batch.lines import in_place
from scoperun.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scoperun.batch.lines import Line

_KEYS = ("id", "command", "cwd", "env")


def json_jobs(lines: Iterable[Line]) -> Iterator[Draft]:
    """Yield the jobs of these lines. Raises InvalidValue, with the line."""
    for line in lines:
        try:
            yield _draft(line.place, _object(line.text))
        except InvalidValue as error:
            raise in_place(line.place, error) from None


def _object(text: str) -> dict[str, Any]:
    try:
        found = _DECODER.decode(text)
    except RecursionError:
        raise InvalidValue("JSON that is nested too deep") from None
    except ValueError as error:  # also of a number with too many digits
        raise InvalidValue(
            f"not JSON: {error}", hint='an object per line, e.g. {"command": "make", "mem": "2G"}'
        ) from None
    if not isinstance(found, dict):
        raise InvalidValue(f"{_kind(found)} where an object should be", hint='e.g. {"command": "make", "mem": "2G"}')
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidValue(f"{twice}: it is there twice")
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise InvalidValue(f"{word} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse_constant)


def _draft(place: str, values: dict[str, Any]) -> Draft:
    for key in values:
        if key not in _KEYS and key not in COLUMNS:
            raise _unknown(key)
    if "command" not in values:
        raise InvalidValue("no command", hint='"command": text for /bin/sh, or a list of words')
    command = values["command"]
    return Draft(
        place=place,
        command=_command(command),
        tag=command if isinstance(command, str) else " ".join(command),
        name=_text("id", values["id"]) if "id" in values else None,
        settings=tuple((name, _setting(name, value)) for name, value in values.items() if name in COLUMNS),
        cwd=_text("cwd", values["cwd"]) if "cwd" in values else None,
        environment=_environment(values.get("env", {})),
    )


def _command(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) and value.strip():
        return (*SHELL, value)
    if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
        return tuple(value)
    if value == [] or isinstance(value, str):
        raise InvalidValue("command: it is empty")
    raise _wrong("command", value, "text, or a list of words")


def _setting(name: str, value: Any) -> str:
    """Return an option's value as the command line has it."""
    if isinstance(value, str):
        return value
    if COLUMNS[name].is_number and isinstance(value, int | float) and not isinstance(value, bool):
        return str(int(value) if value == value // 1 else value)
    raise _wrong(name, value, "a number or text" if COLUMNS[name].is_number else "text")


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    raise _wrong(name, value, "text")


def _environment(value: Any) -> tuple[str, ...]:
    if not isinstance(value, dict):
        raise _wrong("env", value, "an object of texts")
    for name, text in value.items():
        if not isinstance(text, str):
            raise _wrong(f"env: {name}", text, "text")
        if not name or "=" in name:
            raise InvalidValue(f"env: {name!r} is not a valid name of a variable")
    return tuple(f"{name}={text}" for name, text in value.items())


def _wrong(name: str, value: Any, wanted: str) -> InvalidValue:
    return InvalidValue(f"{name}: {_kind(value)} where {wanted} should be")


def _unknown(key: str) -> InvalidValue:
    import difflib  # noqa: PLC0415  5 ms, only after a mistake

    known = (*_KEYS, *COLUMNS)
    near = difflib.get_close_matches(key.replace("_", "-"), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(known)}"
    return InvalidValue(f"unknown key {key!r}", hint=hint)


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
    return "an object"
