r"""Words on one line that a shell reads back as they were. No I/O.

Unprintable characters are written as bash, zsh and ksh write them: $'\033'.
"""

from __future__ import annotations

import re
import shlex

_SHORT = {"\n": r"\n", "\t": r"\t", "'": r"\'", "\\": r"\\"}


def quoted(word: str, *, keeps_bytes: bool = False) -> str:
    """Return a word quoted for a shell, with an escape for each unprintable character.

    keeps_bytes: bytes that are not UTF-8 stay as they are, except those that terminals without UTF-8 take for control
    characters.
    """
    if (re.sub("[\udca0-\udcff]", "", word) if keeps_bytes else word).isprintable():
        return shlex.quote(word)
    return f"$'{''.join(map(_escaped, word))}'"


def _escaped(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if character.isprintable():
        return character
    return "".join(f"\\{byte:03o}" for byte in character.encode(errors="surrogateescape"))
