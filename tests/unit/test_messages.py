"""Messages are in current English: phrases that they once had, and that read like a translation, do not come back."""

import ast
import re

import pytest

from tests.unit.strings import strings
from tests.unit.test_shape import SOURCES

OUTDATED = re.compile(
    r"\bfor want of\b|\bas [0-9]|(?<!there )\bis no (?!limit)[a-z]+|\bmay not be\b|\bone a line\b|\bstands? (in|on)\b"
    r"|\bmend\b|\b(whom|nobody|somebody)\b|\bsays nothing of\b|\bis there already\b"
)


@pytest.mark.parametrize("module", SOURCES)
def test_a_message_is_in_current_english(module: str) -> None:
    texts = strings(ast.parse(SOURCES[module].read_text(encoding="utf-8")))
    assert [text for text in texts if OUTDATED.search(text)] == []


@pytest.mark.parametrize(
    "text", ["(as 2 or 0.5)", "'x' is no nice level", "the log may not be read", "killed for want of memory"]
)
def test_an_outdated_phrase_is_noticed(text: str) -> None:
    assert OUTDATED.search(text)
