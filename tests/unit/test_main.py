"""What the program imports only when it is looked into: it is there for whoever does."""

import subprocess
import sys

import pytest

from scoperun.__main__ import _RARELY_NEEDED

LOOKS = {
    "asyncio.sslproto": ("asyncio.sslproto.SSLProtocolState.UNWRAPPED.value", "UNWRAPPED"),
    "ipaddress": ("ipaddress.ip_address('::1').is_loopback", "True"),
    "locale": ("locale.normalize('de_DE')", "de_DE.ISO8859-1"),
    "platform": ("platform.system()", "Linux"),
    "textwrap": ("textwrap.dedent('  word')", "word"),
    "tokenize": ("tokenize.tok_name[tokenize.COMMENT]", "COMMENT"),
    "xml.etree.ElementPath": ("xml.etree.ElementTree.fromstring('<a><b>c</b></a>').find('b').text", "c"),
}
IMPORTED_BY = {"asyncio.sslproto": "asyncio", "xml.etree.ElementPath": "xml.etree.ElementTree"}
PROGRAM = """
import sys
from scoperun.__main__ import spare
spare()
import {by}
print(type(sys.modules[{module!r}]).__name__, {look})
"""


def test_all_of_them_are_tried() -> None:
    assert LOOKS.keys() == _RARELY_NEEDED


@pytest.mark.parametrize("module", LOOKS)
def test_what_is_rarely_needed_is_there_when_it_is(module: str) -> None:
    look, answer = LOOKS[module]
    program = PROGRAM.format(module=module, look=look, by=IMPORTED_BY.get(module, module))
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ended.stdout.split() == ["_LazyModule", answer]
