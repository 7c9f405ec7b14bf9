"""TOML text as a tree, and the line on which each key starts. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import tomli

from scoperun.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str, ...]
"""The tables around a key, the outermost first, and the key."""


def tree(text: str, file: str) -> dict[str, Any]:
    """Parse TOML text. Raises InvalidValue, with the file and the line, if it is not valid TOML."""
    try:
        return tomli.loads(text)
    except (ValueError, RecursionError) as error:  # huge numbers and deep lists raise these too
        # tomli 2.0 gives the line only in its message.
        place = re.search(r" \(at (?:line ([0-9]+), column [0-9]+|end of document)\)$", str(error))
        line = int(place[1]) if place and place[1] else text.rstrip("\n").count("\n") + 1
        message = _with_dots(str(error)[: place.start()] if place else str(error))
        is_twice = any(word in message for word in ("twice", "overwrite", "redefine", "mutate"))
        hint = "each section and key once" if is_twice else 'TOML, e.g. mem = "4G": text needs quotes'
        raise InvalidValue(f"{file}:{line}: {message}", hint=hint) from None


def _with_dots(message: str) -> str:
    """Return tomli's message with keys as TOML has them: Cannot declare ('profiles', 'x') twice."""
    return re.sub(r"\((['\"]).*\1,?\)", lambda found: ".".join(re.findall(r"['\"]([^'\"]*)['\"]", found[0])), message)


def key_lines(text: str) -> dict[Path, int]:
    """Return the line on which each key of valid TOML starts; tomli does not provide it."""
    lines: dict[Path, int] = {}
    header = ""
    for first, statement in _statements(text):
        for path in _paths(tomli.loads(header + statement)):
            lines.setdefault(path, first)
        if statement.lstrip().startswith("["):
            header = statement
    return lines


_TOKEN = re.compile(
    r"""
    "{3} (?: \\. | [^\\] )*? "{3,5} | '{3} .*? '{3,5}  # a multi-line text can end in quotes of its own
    | " (?: \\. | [^"\\] )* " | ' [^']* ' | \#[^\n]*
    | [\[{] | [\]}] | \n
    """,
    re.DOTALL | re.VERBOSE,
)
"""Places in valid TOML where a statement can end, and texts and comments, in which it cannot."""


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each statement of valid TOML with its first line; it ends at the first newline outside brackets."""
    begin, line, depth = 0, 1, 0
    for token in _TOKEN.finditer(text + "\n"):
        match token[0]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
            case "\n" if depth == 0:
                statement = text[begin : token.end()]
                yield line, statement
                begin, line = token.end(), line + statement.count("\n")


def _paths(table: dict[str, Any]) -> Iterator[Path]:
    for name, value in table.items():
        yield (name,)
        if isinstance(value, dict):
            yield from ((name, *rest) for rest in _paths(value))
