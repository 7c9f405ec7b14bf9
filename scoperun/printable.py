"""Text that is safe to print: it does not move the cursor, reverse the text beside it or end a line. No I/O.

The functions escape what Python's repr() escapes, in the same way: control characters, characters that break lines or
set the direction of text, and bytes that are not UTF-8.
"""

from __future__ import annotations


def one_line(text: str) -> str:
    r"""Return `text` as part of a line: each unprintable character, also a newline, becomes an escape, e.g. \x1b."""
    return text if text.isprintable() else "".join(map(_visible, text))


def lines(text: str) -> str:
    """Return `text` with its newlines, and each other unprintable character as a visible escape."""
    return "\n".join(map(one_line, text.split("\n")))


def utf8(text: str) -> str:
    """Return `text` with bytes that are not UTF-8 as hexadecimal escapes: D-Bus and JSON carry text only."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # a byte that os.fsdecode() could not decode
        return f"\\x{ord(character) - 0xDC00:02x}"
    return repr(character)[1:-1]
