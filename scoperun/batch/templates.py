r"""A command with placeholders, which values fill. No I/O.

A value stays one word, or a part of one, whatever is in it. In a word of an argv it is plain text, because no shell
reads that. In a text for /bin/sh it is quoted; a placeholder in quotes of the text's own, where a quoted value would
end these, is refused.

{} and {name} are placeholders, {name} only where names are known. All other braces stay as they are: {a,b}, {1..3},
${name}, { print }, in a text also \{name}.
"""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import TYPE_CHECKING

from scoperun.batch.shell_text import RESERVED, open_places
from scoperun.errors import InvalidValue
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

_NAME = "[A-Za-z_][A-Za-z0-9_.-]*"
"""What looks like the name of a column, so that one which is not known is a mistake."""

_AT_START = re.compile(r"(?<!\\)\s\Z")
"""After this, a value begins a word."""

_OF_AWK = frozenset({"exit", "getline", "next", "nextfile", "print"})
"""Words that are the whole of an action of awk, e.g. in awk '/x/ {print}'."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the values that there are for each job.

    loose: those of values that set nothing, of which {} means the only one; it has the name "" in a line.
    others: those of further values. are_known: {name} means one of them; otherwise {} is the only placeholder.
    """

    loose: tuple[str, ...]
    others: tuple[str, ...] = ()
    are_known: bool = True

    def meant(self, word: str) -> str | None:
        """Return the name of the value that is meant by a word in braces, None if the braces mean themselves.

        Raises InvalidValue for a name that is not known, and for {} if it could mean several.
        """
        if not word:
            return self._sole()
        if not self.are_known:
            return None
        if word in self.loose or word in self.others:
            return word
        if word in _OF_AWK:
            return None
        raise InvalidValue(f"{{{word}}} is not a column", hint=f"{self._known()}; {{ {word} }} stays as it is")

    def _sole(self) -> str:
        if len(self.loose) == 1:
            return self.loose[0]
        if not self.loose:
            raise InvalidValue("{} stands for nothing: each column sets something", hint=self._known())
        raise InvalidValue("{} could be any of several columns", hint=f"write {_braced(self.loose)}")

    def _known(self) -> str:
        return f"the columns are {', '.join((*self.loose, *self.others))}"


LINE = Names(("",), are_known=False)
"""The one value of a line."""


class Argv:
    """The words of a command with placeholders."""

    def __init__(self, words: Sequence[str], names: Names) -> None:
        """Find the placeholders; without any, a last word is one. Raises InvalidValue."""
        self._words = [_pieces(word, names) for word in words]
        if all(name is None for pieces in self._words for _, name in pieces) and names.loose:
            if len(names.loose) > 1:
                raise InvalidValue(
                    f"nothing in {' '.join(words)!r} says where the columns go", hint=f"write {_braced(names.loose)}"
                )
            self._words.append([("", names.loose[0])])

    def filled(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Return the words with these values, by name."""
        return tuple([_joined(pieces, values, lambda value, **_: value) for pieces in self._words])


def filled_text(text: str, names: Names, values: Mapping[str, str]) -> str:
    """Return a text for /bin/sh with these values, by name. Raises InvalidValue."""
    if not _pattern(names).search(text):
        return text
    return _joined(_pieces(text, names, open_places=open_places(text)), values, quoted)


def quoted(value: str, *, begins: bool = True) -> str:
    """Return a value quoted for a shell, so that it is a plain word of a command, or a part of one.

    begins: it is at the beginning of a word.

    shlex.quote() leaves words as they are that mean something in some places: 2 in `echo 2>file`, a=b or done where a
    command begins, abc after $HOME or ~.
    """
    is_special = value.isdigit() or "=" in value or value in RESERVED or not begins
    return f"'{value}'" if is_special and shlex.quote(value) == value else shlex.quote(value)


def _pieces(text: str, names: Names, *, open_places: Collection[int] | None = None) -> list[tuple[str, str | None]]:
    """Return the text in pieces, each with the name of the value that follows it; none follows the last.

    open_places: where quotes could be opened, None for everywhere.
    """
    pieces, end = list[tuple[str, str | None]](), 0
    for found in _pattern(names).finditer(text):
        if open_places is not None and _is_escaped(text, found.start(), open_places):
            continue
        name = names.meant(found[1] or "")
        if name is None:
            continue
        if open_places is not None and found.start() not in open_places:
            raise InvalidValue(
                f"{found[0]} has to be outside of quotes, backquotes, ${{}} and comments",
                hint="its value is quoted when it is put in",
            )
        pieces.append((text[end : found.start()], name))
        end = found.end()
    return [*pieces, (text[end:], None)]


def _is_escaped(text: str, place: int, open_places: Collection[int]) -> bool:
    r"""Return whether a \ before it has it mean itself."""
    return text[place - 1 : place] == "\\" and place - 1 in open_places and place not in open_places


@cache
def _pattern(names: Names) -> re.Pattern[str]:
    """Return what finds the placeholders that there could be. Any text can be the name of a column."""
    known = [re.escape(each) for each in (*names.loose, *names.others) if each]
    return re.compile(rf"(?<!\$)\{{({'|'.join([*known, _NAME])})?\}}")


def _joined(pieces: Iterable[tuple[str, str | None]], values: Mapping[str, str], written: Callable[..., str]) -> str:
    parts = [
        text if name is None else text + written(values[name], begins=bool(_AT_START.search(text)) or not (at or text))
        for at, (text, name) in enumerate(pieces)
    ]
    return "".join(parts)


def _braced(names: Iterable[str]) -> str:
    return " or ".join(f"{{{name}}}" for name in names)
