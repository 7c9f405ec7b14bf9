"""Modules that the program skips at its start are not missed by other modules."""

import gc
import importlib
import subprocess
import sys

import pytest

from scoperun.startup import COLLECT_AFTER, NOT_NEEDED, POSTPONED

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
    # From standard input: with -c, Python 3.13 imports linecache itself.
    ended = subprocess.run([sys.executable, "-"], input=program, check=True, capture_output=True, text=True)
    return ended.stdout.strip()


@pytest.mark.parametrize("module", [*NOT_NEEDED, *POSTPONED])
def test_a_skipped_module_would_otherwise_be_imported(module: str) -> None:
    """Remove a row that no longer saves anything."""
    importer, *_ = (NOT_NEEDED | POSTPONED)[module]
    assert printed(ASKED_FOR.format(module=module, importer=importer)) == "True"


@pytest.mark.parametrize("module", NOT_NEEDED)
def test_the_importing_modules_work_without_it(module: str) -> None:
    importer, _ = NOT_NEEDED[module]
    assert printed(SPARED.format(module=module, importer=importer)) == f"None {COLLECT_AFTER}"


@pytest.mark.parametrize("module", POSTPONED)
def test_a_postponed_module_is_imported_at_its_first_use(module: str) -> None:
    """The modules of a run do not import it; afterwards it has all its names."""
    _, _, used = POSTPONED[module]
    other = next(name for name in vars(importlib.import_module(module)) if name[0] != "_" and name not in used)
    program = (
        "import sys; from scoperun.startup import spare; spare(); "
        "import asyncio, scoperun.cli.command, scoperun.cli.options, scoperun.supervision.launch; "
        "import scoperun.supervision.order, scoperun.supervision.standing, scoperun.supervision.supervision; "
        f"stands_for = sys.modules[{module!r}]; import {module} as again; print(again is stands_for, end=' '); "
        f"stands_for.{other}; import {module} as real; "
        f"print(hasattr(real, '__file__'), stands_for.{other} is real.{other})"
    )
    assert printed(program) == "True True True"


@pytest.mark.parametrize("module", ["logging", "concurrent.futures", "subprocess", "typing"])
def test_a_modules_substitute_has_the_same_values(module: str) -> None:
    real = importlib.import_module(module)
    _, _, used = POSTPONED[module]
    values = {name: value for name, value in used.items() if name[0] != "_" and not callable(value)}
    assert values
    assert {name: getattr(real, name) for name in values} == values


def test_one_statement_takes_all_names_from_the_same_module() -> None:
    program = (
        "from scoperun.startup import spare; spare(); from typing import Any, Protocol, TypeVar\n"
        "T = TypeVar('T')\nclass Box(Protocol[T]): ...\nprint(Box.__parameters__)"
    )
    assert printed(program) == "(~T,)"


def test_a_stack_is_known_in_debug_mode() -> None:
    program = (
        "{}import asyncio\nasync def main():\n"
        " print([each.name for each in asyncio.get_running_loop().create_future()._source_traceback])\n"
        "asyncio.run(main(), debug=True)"
    )
    stack = printed(program.format("from scoperun.startup import spare; spare(); "))
    assert "main" in stack
    assert stack == printed(program.format(""))


@pytest.mark.parametrize(
    "asked",
    [
        "from scoperun.cli.options import parse; parse(['--help'])",
        "from scoperun.ctl.command import main; sys.argv[1:] = ['list', '--help']; main()",
    ],
)
def test_typer_finds_the_real_module_for_type_hints(asked: str) -> None:
    program = (
        "import sys; from scoperun.startup import spare; spare()\n"
        "class Watch:\n"
        "    @staticmethod\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name == 'typer':\n"
        "            print('typing is a', type(sys.modules['typing']).__name__)\n"
        f"sys.meta_path.insert(0, Watch)\n{asked}"
    )
    assert "typing is a module\n" in printed(program)


def test_an_error_that_asyncio_logs_is_logged() -> None:
    program = (
        "from scoperun.startup import spare; spare(); import asyncio\n"
        "async def main():\n asyncio.get_running_loop().call_exception_handler({'message': 'odd'})\nasyncio.run(main())"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ended.stderr.strip() == "odd"


def test_only_a_run_that_is_recorded_imports_sqlite() -> None:
    program = (
        "import sys, scoperun.cli.command, scoperun.cli.options, scoperun.cli.outputs, scoperun.cli.afterwards; "
        "import scoperun.cli.delivery, scoperun.supervision.launch; print('sqlite3' in sys.modules, end=' '); "
        "import scoperun.cli.recording; print('sqlite3' in sys.modules)"
    )
    assert printed(program) == "False False"


def test_scopectl_needs_no_sqlite_but_for_the_history_and_batches() -> None:
    program = (
        "import sys; sys.modules['sqlite3'] = None\n"
        "from scoperun.ctl.subcommands import SUBCOMMANDS\n"
        "from importlib import import_module\n"
        "others = [each.module for each in SUBCOMMANDS if each.name != 'batch']\n"
        "print([import_module(f'scoperun.{each}').command.__name__ for each in others][:1])"
    )
    assert printed(program) == "['command']"


def test_a_program_that_stays_collects_garbage_again() -> None:
    program = "import gc; from scoperun.startup import spare, stay; spare(); stay(); print(gc.get_threshold()[0])"
    assert int(printed(program)) < COLLECT_AFTER / 10


def test_the_library_skips_no_module() -> None:
    """A program that imports scoperun keeps its own modules, and its garbage collector."""
    program = "import asyncio, gc, sys, scoperun; scoperun.run; print(sys.modules['ssl'], gc.get_threshold()[0])"
    assert printed(program).startswith("<module 'ssl' ")
    assert printed(program).endswith(f" {gc.get_threshold()[0]}")


def test_only_the_needed_modules_of_dbus_next_are_imported() -> None:
    """Its __init__ imports introspection, and with it an XML parser, which nothing else here imports."""
    program = (
        "import sys; {spared}import scoperun.systemd.dbus as ours; print(bool(ours.Message), 'xml' in sys.modules)"
    )
    assert printed(program.format(spared="")) == "True True"
    assert printed(program.format(spared="from scoperun.startup import spare; spare(); ")) == "True False"
