"""Other modules work without what the program leaves out while it starts."""

import gc
import subprocess
import sys

import pytest

from scoperun.startup import COLLECT_AFTER, NOT_NEEDED

ASKED_FOR = """
import sys
class Watch:
    asked = set()
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        cls.asked.add(name)
sys.meta_path.insert(0, Watch)
import {importer}
print({module!r} in Watch.asked)
"""

SPARED = """
import gc, sys
from scoperun.startup import spare
spare()
import {importer}
print(sys.modules[{module!r}], gc.get_threshold()[0])
"""


def printed(program: str) -> str:
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return ended.stdout.strip()


@pytest.mark.parametrize("module", NOT_NEEDED)
def test_a_module_that_is_spared_would_be_imported(module: str) -> None:
    """Remove a row that no longer saves anything."""
    importer, _ = NOT_NEEDED[module]
    assert printed(ASKED_FOR.format(module=module, importer=importer)) == "True"


@pytest.mark.parametrize("module", NOT_NEEDED)
def test_what_would_import_it_does_without(module: str) -> None:
    importer, _ = NOT_NEEDED[module]
    assert printed(SPARED.format(module=module, importer=importer)) == f"None {COLLECT_AFTER}"


def test_a_library_spares_nothing() -> None:
    """A program that imports scoperun keeps its own modules, and its garbage collector."""
    program = "import asyncio, gc, sys, scoperun; scoperun.run; print(sys.modules['ssl'], gc.get_threshold()[0])"
    assert printed(program).startswith("<module 'ssl' ")
    assert printed(program).endswith(f" {gc.get_threshold()[0]}")


def test_of_dbus_next_the_program_imports_what_it_needs() -> None:
    """Its __init__ imports introspection, and with it an XML parser, which nothing else here imports."""
    program = (
        "import sys; {spared}import scoperun.systemd.dbus as ours; print(bool(ours.Message), 'xml' in sys.modules)"
    )
    assert printed(program.format(spared="")) == "True True"
    assert printed(program.format(spared="from scoperun.startup import spare; spare(); ")) == "True False"
