"""What the program leaves out to import its modules faster.

Times are in microseconds, measured with Debian 12's Python 3.11; a start of scoperun takes some 100,000 on the same
machine.
"""

import gc
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import FrameType
    from typing import Any

NOT_NEEDED = {"ssl": ("asyncio", 4200)}
"""Modules that another module imports only if they exist: the importing module, and the time saved without them.

The time is what `-X importtime` shows for the module and for everything imported only because of it.
"""

COLLECT_AFTER = 100_000
"""How many new objects it takes before Python collects garbage. By default it does so some fifty times during the
imports, finds little, and takes 6000 in all."""

_COLLECT_AFTER_LATER = 1000
"""The same for a program that runs for long. The runner of a batch has 11 MiB less with it, and so forks faster."""


class _Bare:
    """Finds the package dbus_next but does not run its __init__: saves 25,000 for services, proxies and introspection.

    systemd/dbus.py imports the modules that it needs by their own names.
    """

    @staticmethod
    def find_spec(name: str, _path: "Sequence[str] | None" = None, _target: object = None) -> "ModuleSpec | None":
        """Return how to import the package, None for any other module."""
        if name != "dbus_next":
            return None
        from importlib.machinery import PathFinder  # noqa: PLC0415

        spec = PathFinder.find_spec(name)
        if spec is not None:
            spec.loader = _Nothing()  # type: ignore[assignment]  # has all that the import system calls
        return spec


class _Postponing:
    """Finds what stands for the modules in POSTPONED, and loads it."""

    @staticmethod
    def find_spec(name: str, _path: "Sequence[str] | None" = None, _target: object = None) -> "ModuleSpec | None":
        """Return how to import what stands for a module, None if nothing does."""
        if name not in POSTPONED or name in _USED:
            return None
        from importlib.machinery import ModuleSpec  # noqa: PLC0415

        return ModuleSpec(name, _Postponing)  # type: ignore[arg-type]  # has all that the import system calls

    @staticmethod
    def create_module(spec: "ModuleSpec") -> "_Postponed":
        """Return what stands for a module."""
        return _Postponed(spec.name)

    @staticmethod
    def exec_module(module: "_Postponed") -> None:
        """Give it what is used of the module while others are imported."""
        _, _, used = POSTPONED[str(module.__name__)]
        for attribute, value in used.items():
            setattr(module, attribute, value)
        module.stands = True


_USED = set[str]()
"""Modules for which nothing stands any more."""


class _Postponed(type(sys)):  # type: ignore[misc]  # types.ModuleType; nothing else needs the module types
    """Stands for a module, and imports it when something is used that this one does not have.

    stands: whether it does already. Before, the import system looks for attributes that it then sets.
    """

    stands = False

    def __getattr__(self, attribute: str) -> object:
        if not self.stands:
            raise AttributeError(attribute)
        name = str(self.__name__)
        real = imported(name)
        for used in POSTPONED[name][2]:  # `from typing import` takes all its names from this module
            if hasattr(real, used):
                setattr(self, used, getattr(real, used))
        return getattr(real, attribute)


class _Logger:
    """Stands for a logger."""

    def __init__(self, name: str = "") -> None:
        self._name = name

    def debug(self, *_: object, **__: object) -> None:
        """Drop a message, as logging does if nothing has configured it. Each event loop logs one."""

    def __getattr__(self, attribute: str) -> object:
        return getattr(imported("logging").getLogger(self._name), attribute)


class _Hint:
    """Stands for what only type hints are made of: it can be called, have parameters, and be a base."""

    def __init__(self, *_: object, **__: object) -> None:
        """Take what typing.TypeVar takes."""

    def __class_getitem__(cls, _parameters: object) -> type:
        return cls


class _TypedDict(dict[str, object]):
    """Stands for typing.TypedDict."""

    def __init_subclass__(cls, **_: object) -> None:
        """Take what typing.TypedDict takes."""


def _unchanged(decorated: object) -> object:
    return decorated


_HINTS = (
    *("Any", "Awaitable", "Callable", "Generic", "Iterable", "List", "NoReturn", "Optional", "Self", "Tuple", "Type"),
    *("TypeGuard", "TypeVar", "Union"),
)


def imported(name: str) -> "Any":
    """Return a module, imported in place of what stands for it if something does."""
    _USED.add(name)
    if isinstance(sys.modules.get(name), _Postponed):
        del sys.modules[name]
    __import__(name)
    return sys.modules[name]


def _extract_stack(f: "FrameType | None" = None, limit: "int | None" = None) -> object:
    """Stand for traceback.extract_stack, which _asyncio keeps for the debug mode."""
    return imported("traceback").extract_stack(f or sys._getframe(1), limit)  # noqa: SLF001  as it does itself


_WAITS = ("FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED")

_FROM: "dict[str, object]" = {"__path__": []}
"""What `from MODULE import NAME` looks for in a module."""

POSTPONED: "dict[str, tuple[str, int, dict[str, object]]]" = {
    "inspect": ("asyncio", 5400, {}),
    "logging": ("asyncio", 2500, {"DEBUG": 10, "getLogger": _Logger}),
    "concurrent.futures": ("asyncio", 500, {each: each for each in _WAITS}),
    "subprocess": ("asyncio", 1900, {"PIPE": -1, "STDOUT": -2, "DEVNULL": -3}),
    "traceback": ("asyncio", 2000, {"extract_stack": _extract_stack}),
    "linecache": ("asyncio", 1000, {}),
    "asyncio.sslproto": ("asyncio", 700, {}),
    "typing": (
        "dbus_next.errors",
        3000,
        {
            **_FROM,
            "TYPE_CHECKING": False,
            "TypedDict": _TypedDict,
            "final": _unchanged,
            "no_type_check_decorator": _unchanged,
            "dataclass_transform": lambda **_: _unchanged,
            **dict.fromkeys(_HINTS, _Hint),
        },
    ),
}
"""Modules that another module imports, but uses only for what a run rarely or never does.

The importing module, the time saved, and what the importing module uses while it is imported itself. Whatever uses
type hints at run time, as typer does, needs typing itself first: see `imported`.
"""

if sys.version_info >= (3, 14):  # it imports dataclasses, and that inspect
    POSTPONED["asyncio.graph"] = ("asyncio", 12000, {"__all__": (), **_FROM})


class _Nothing:
    """A loader that executes nothing."""

    @staticmethod
    def create_module(_spec: "ModuleSpec") -> None:
        """Return None, so that the import system makes the module."""

    @staticmethod
    def exec_module(_module: object) -> None:
        """Leave the module empty."""


def stay() -> None:
    """Collect garbage as usual from now on, for a program that runs for long. What is there already is left alone."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER_LATER)


def spare() -> None:
    """Make the following imports faster. Only for the program: this changes Python for the whole process."""
    gc.set_threshold(COLLECT_AFTER)
    sys.meta_path[:0] = [_Bare, _Postponing]
    for module in NOT_NEEDED:
        sys.modules[module] = None  # type: ignore[assignment]  # importing it raises ImportError
