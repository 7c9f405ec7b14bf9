"""Text that is safe to print: nothing in it moves the cursor, reverses what stands beside it, or ends a line. No I/O.

What is escaped is what Python's repr() escapes, and in the same way: control characters, those that break lines or set
the direction of text, and bytes that are not UTF-8.
"""

from __future__ import annotations


def one_line(text: str) -> str:
    r"""Return `text` as a part of a line: what cannot be printed becomes a visible escape, as \x1b, also a newline."""
    return text if text.isprintable() else "".join(map(_visible, text))


def lines(text: str) -> str:
    """Return `text` with its newlines, and all else that cannot be printed as a visible escape."""
    return "\n".join(map(one_line, text.split("\n")))


def utf8(text: str) -> str:
    """Return `text` with bytes that are not UTF-8 written as hexadecimal escapes: D-Bus and JSON carry text only."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # a byte, as os.fsdecode() has it
        return f"\\x{ord(character) - 0xDC00:02x}"
    return repr(character)[1:-1]
