"""Where in a text for /bin/sh a quoted word can be put. No I/O.

A place counts only if it is outside of all quotes for each shell that can be /bin/sh. Where that would need a whole
parser of shells, e.g. after a backquote, no later place counts.
"""

from __future__ import annotations

import re

RESERVED = frozenset(
    "case coproc do done elif else esac fi for function if in select then time until while".split()  # noqa: SIM905
)
"""The words that a shell reads as syntax where a command begins."""

_BLANKS = frozenset(" \t\n;&|()<>")

_OPENED = {"$(": ")", "(": ")", "${": "}", '"': '"'}
"""What opens a part of a command, and what closes that."""
_IN_DOUBLE_QUOTES = frozenset({"$(", "${"})

_SUM = re.compile(r"""\$\(\([^()'"`\\{}#]*\)\)""")
"""Arithmetic in which nothing opens or closes. In other arithmetic quotes are as in double quotes."""


def open_places(text: str) -> set[int]:
    r"""Return the places in a text at which a shell is in no quotes, no ${} and no comment, and not after a \."""
    scan = _Scan(text)
    places, at = set[int](), 0
    while at < len(text):
        before, was_open = at, scan.is_open
        at = scan.after(at)
        if scan.is_given_up:
            break
        if was_open:
            places.add(before)
    return places


class _Scan:
    """What is open at a place of a text: what would close it, the innermost last."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._closers: list[str] = []
        self._counts = dict.fromkeys(_OPENED.values(), 0)
        self.is_given_up = False

    @property
    def is_open(self) -> bool:
        """Whether only parentheses are open, in which words are as outside of them."""
        return self._counts[")"] == len(self._closers)

    def after(self, at: int) -> int:
        """Take in what is at a place, and return the place after it."""
        text, innermost = self._text, self._closers[-1] if self._closers else ""
        if text[at] == "\\":
            return at + 2
        if text[at] == innermost:
            self._counts[self._closers.pop()] -= 1
            return at + 1
        if found := _SUM.match(text, at):
            return found.end()
        if self._is_too_much(at, innermost):
            self.is_given_up = True
            return at
        if text[at] == "'" and innermost != '"':
            return text.find("'", at + 1) + 1 or len(text)
        for length in (2, 1):
            word = text[at : at + length]
            if word in _OPENED and (innermost != '"' or word in _IN_DOUBLE_QUOTES):
                self._closers.append(_OPENED[word])
                self._counts[_OPENED[word]] += 1
                return at + length
        return at + 1

    def _is_too_much(self, at: int, innermost: str) -> bool:
        """Return whether shells differ in what follows, or a place after it cannot be told without parsing it."""
        text, is_in_double_quotes = self._text, self._counts['"'] > 0
        match text[at]:
            case "`":
                return True
            case "$":
                return text.startswith(("$((", "$["), at) or (text.startswith("$'", at) and innermost != '"')
            case "(":
                return text.startswith("((", at) and innermost != '"'
            case "<":
                return text.startswith("<<", at) and innermost != '"'
            case "#":
                return innermost in {"", ")"} and (at == 0 or text[at - 1] in _BLANKS)
            case "'":
                return innermost == "}" and is_in_double_quotes
            case "c":  # a pattern of case has a parenthesis that closes nothing
                return text.startswith("case", at) and innermost == ")" and is_in_double_quotes
        return False
