"""The modules keep their layers: imports point one way, and each thing is done in one place."""

import ast
import datetime
import functools
import graphlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import scoperun

ROOT = Path(scoperun.__file__).parent
SOURCES = {
    ".".join(("scoperun", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): file
    for file in sorted(ROOT.rglob("*.py"))
}

ROWS: dict[str, set[str]] = {
    "spec": set(),
    "evidence": {"spec"},
    "report": {"spec", "evidence"},
    "systemd": {"spec", "evidence"},
    "kernel": {"spec", "evidence"},
    "process": {"spec", "evidence", "kernel"},
    "supervision": {"spec", "evidence", "report", "systemd", "kernel", "process"},
    "history": {"report"},
    "console": {"spec", "report"},
    "cli": {"spec", "report", "console", "history", "kernel", "process", "supervision"},
    "ctl": {"spec", "evidence", "report", "console", "history", "systemd", "kernel", "supervision"},
    "batch": {
        *("spec", "evidence", "report", "console", "history", "systemd", "kernel", "process", "supervision"),
    },
}
"""What each package may import besides itself and the ground: the modules in no package (docs/architecture.md)."""

DOORS = {"scoperun", "scoperun.__main__", "scoperun.ctl.__main__"}
"""The library's names, and the program: nothing imports them, and they import what they open."""

FIRST = {
    "scoperun",
    "scoperun.__main__",
    "scoperun.ctl.__main__",
    "scoperun.environment",
    "scoperun.isolation",
    "scoperun.program",
    "scoperun.startup",
    "scoperun.version",
}
"""What the program imports before it has left the environment of Python to the command."""

INTERPRETER = {"errno", "gc", "os", "sys"}
"""Modules that no folder on the way can hold another of: they are built in, and os is frozen."""

IO = {
    "asyncio", "concurrent", "datetime", "dbus_next", "fcntl", "io", "multiprocessing", "os", "pathlib", "random",
    "select", "selectors", "shutil", "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time", "typer",
}  # fmt: skip

UNIONS = {"Event", "SoftMemoryEvent", "SoftPressureEvent"}
CONSTANTS = {"GiB", "KiB", "MiB", "INFINITY", "__version__"}

every_module = pytest.mark.parametrize("module", SOURCES)


def package(module: str) -> str:
    """Return the package that a module is in, "" for the ground."""
    _, *inner = module.split(".")
    return inner[0] if inner and inner[0] in ROWS else ""


def documentation(module: str) -> str:
    return ast.get_docstring(ast.parse(SOURCES[module].read_text(encoding="utf-8"))) or ""


def does_no_io(module: str) -> bool:
    """Tell whether a module says that it does no I/O, or its package does."""
    whole = f"scoperun.{package(module)}"
    return any("No I/O" in documentation(each) for each in (module, whole) if each in SOURCES)


every_core_module = pytest.mark.parametrize("module", [each for each in SOURCES if does_no_io(each)])


def run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes of a tree except those under `if TYPE_CHECKING`."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        for other in node.orelse:
            yield from run_time_nodes(other)
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from run_time_nodes(child)


@functools.cache
def nodes_of(module: str) -> list[ast.AST]:
    return list(run_time_nodes(ast.parse(SOURCES[module].read_text(encoding="utf-8"))))


@functools.cache
def imported(module: str) -> set[str]:
    """Return the modules that a module imports at run time, early or late."""
    found = set()
    for node in nodes_of(module):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            whole = f"{node.module}"
            parts = {f"{whole}.{alias.name}" for alias in node.names}
            found |= (parts & set(SOURCES)) or {whole}
    return found


def imported_at_once(module: str) -> set[str]:
    """Return the modules that a module imports when it is imported itself."""
    tree = ast.parse(SOURCES[module].read_text(encoding="utf-8"))
    statements = [node for top in tree.body if not _is_deferred(top) for node in ast.walk(top)]
    names = {alias.name for node in statements if isinstance(node, ast.Import) for alias in node.names}
    return names | {f"{node.module}" for node in statements if isinstance(node, ast.ImportFrom)}


def _is_deferred(node: ast.stmt) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.ClassDef)) or ast.unparse(node).startswith("if TYPE_CHECKING:")


def names_called(module: str) -> set[str]:
    return {ast.unparse(node.func) for node in nodes_of(module) if isinstance(node, ast.Call)}


def imported_for_any_reason(module: str) -> set[str]:
    """Return the modules of ours that a module imports at run time or for type checkers."""
    tree = ast.parse(SOURCES[module].read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (parts & set(SOURCES)) or {f"{node.module}"}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & set(SOURCES)


@pytest.mark.parametrize("module", sorted(set(SOURCES) - DOORS))
def test_imports_go_down_the_table(module: str) -> None:
    own = package(module)
    allowed = {"", own, *(ROWS[own] if own else ())}
    wrong = {name for name in imported_for_any_reason(module) if package(name) not in allowed or name in DOORS}
    assert wrong - {"scoperun"} == set()


def test_every_package_has_a_row() -> None:
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == set(ROWS)


def test_request_evidence_and_report_are_free_of_io() -> None:
    assert all("No I/O" in documentation(f"scoperun.{name}") for name in ("spec", "evidence", "report"))


def test_imports_form_no_circle() -> None:
    graph = {module: imported(module) & set(SOURCES) for module in SOURCES}
    assert set(graphlib.TopologicalSorter(graph).static_order()) == set(SOURCES)


@every_core_module
def test_the_core_does_no_io_and_has_no_clock(module: str) -> None:
    assert {name for name in imported(module) if name.partition(".")[0] in IO} == set()
    assert names_called(module) & {"open", "input", "print"} == set()


@every_core_module
def test_the_core_needs_only_the_standard_library(module: str) -> None:
    """The one exception is tomli."""
    allowed = {*sys.stdlib_module_names, "scoperun", "tomli"}
    assert {name.partition(".")[0] for name in imported(module)} <= allowed


def test_only_one_module_imports_dbus_next() -> None:
    users = {module for module in SOURCES if any(name.startswith("dbus_next") for name in imported(module))}
    assert users == {"scoperun.systemd.dbus"}


def test_few_modules_import_typer() -> None:
    users = {module for module in SOURCES if "typer" in imported(module)}
    assert {user for user in users if not user.startswith("scoperun.ctl")} == {
        "scoperun.batch.command",
        "scoperun.cli.declaration",
        "scoperun.console.table_options",
    }


@pytest.mark.parametrize("module", sorted(set(SOURCES) - {"scoperun.__main__"}))
def test_library_code_never_prints_and_never_exits(module: str) -> None:
    assert names_called(module) & {"print", "sys.exit", "exit", "quit"} == set()
    raised = {ast.unparse(node.exc) for node in nodes_of(module) if isinstance(node, ast.Raise) and node.exc}
    assert {text for text in raised if text.startswith("SystemExit")} == set()


def test_the_package_itself_imports_nothing_heavy() -> None:
    assert imported("scoperun") == {"importlib", "scoperun.version"}


@pytest.mark.parametrize("module", sorted(FIRST))
def test_modules_that_the_program_imports_first_cannot_be_replaced_by_the_commands(module: str) -> None:
    assert imported_at_once(module) <= FIRST | INTERPRETER


def test_the_interpreter_contains_the_modules_that_the_program_imports_first() -> None:
    assert INTERPRETER - {"os"} <= set(sys.builtin_module_names)


@every_module
def test_every_module_has_a_docstring(module: str) -> None:
    docstring = documentation(module)
    assert docstring
    assert docstring.splitlines()[0].endswith((".", ":"))


def test_the_package_lists_its_names_before_they_are_imported() -> None:
    """Help() and completion at a prompt need this."""
    assert set(dir(scoperun)) == set(scoperun.__all__)


@pytest.mark.parametrize("name", scoperun.__all__)
def test_a_public_name_can_be_imported(name: str) -> None:
    assert getattr(scoperun, name) is not None


@pytest.mark.parametrize("name", sorted(set(scoperun.__all__) - CONSTANTS - UNIONS))
def test_every_public_name_has_its_own_docstring(name: str) -> None:
    """The one that a dataclass generates from its fields does not count."""
    docstring = vars(getattr(scoperun, name)).get("__doc__") or getattr(scoperun, name).__doc__
    assert docstring
    assert not docstring.startswith(f"{name}(")


def test_constants_are_bytes() -> None:
    assert (scoperun.KiB, scoperun.MiB, scoperun.GiB) == (2**10, 2**20, 2**30)
    assert scoperun.INFINITY == 2**64 - 1


def test_a_name_that_is_not_public_raises() -> None:
    with pytest.raises(AttributeError, match=r"^module 'scoperun' has no attribute 'xyzzy'$"):
        scoperun.xyzzy  # noqa: B018


def seen_by_type_checkers() -> dict[str, str]:
    tree = ast.parse(SOURCES["scoperun"].read_text(encoding="utf-8"))
    (checked,) = [node for node in tree.body if isinstance(node, ast.If)]
    return {
        alias.asname or alias.name: f"{node.module}"
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_type_checkers_and_run_time_see_the_same_names() -> None:
    assert set(seen_by_type_checkers()) | (CONSTANTS - {"INFINITY"}) == set(scoperun.__all__)
    assert len(set(scoperun.__all__)) == len(scoperun.__all__)


def test_type_checkers_and_run_time_see_the_same_things() -> None:
    for name, module in seen_by_type_checkers().items():
        assert getattr(scoperun, name) is getattr(import_module(module), name)


def test_every_error_that_can_be_caught_is_public() -> None:
    errors = import_module("scoperun.errors")
    classes = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert classes <= set(scoperun.__all__)


def constituents(value: Any, found: set[type] | None = None) -> set[type]:
    """Return our classes that a type consists of, including itself."""
    found = set() if found is None else found
    if isinstance(value, type) and value.__module__.startswith("scoperun"):
        if value in found:
            return found
        found.add(value)
        names = {name: getattr(scoperun, name) for name in scoperun.__all__}
        hints = get_type_hints(value, localns=names | {"Mapping": Mapping, "Sequence": Sequence, "datetime": datetime})
        for hint in hints.values():
            constituents(hint, found)
    for part in get_args(value):
        constituents(part, found)
    return found


@pytest.mark.parametrize("whole", [scoperun.Report, scoperun.Start, scoperun.Event])
def test_the_parts_of_a_public_value_are_public(whole: Any) -> None:
    assert {each.__name__ for each in constituents(whole)} <= set(scoperun.__all__)
