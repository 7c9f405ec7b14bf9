"""What the program spares itself while it imports what it needs.

Times are in microseconds, by Debian 12's Python 3.11: a start of scoperun takes some 100,000 on the same machine.
"""

import gc
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec

NOT_NEEDED = {"ssl": ("asyncio", 4200)}
"""Modules that others import if they can and do without if not: the importing module, and what it saves to do without.

That is what `-X importtime` shows for the module and for what is imported only because of it.
"""

COLLECT_AFTER = 100_000
"""How many new objects there have to be before Python looks for garbage: by default it does so some fifty times while
all is imported, finds little, and takes 6000 in all."""


class _Bare:
    """Finds the package dbus_next without what its __init__ imports: 25,000 for services, proxies and introspection.

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
            spec.loader = _Nothing()  # type: ignore[assignment]  # all that the import system asks of one
        return spec


class _Nothing:
    """Loads a package by executing nothing."""

    @staticmethod
    def create_module(_spec: "ModuleSpec") -> None:
        """Have the import system make the module."""

    @staticmethod
    def exec_module(_module: object) -> None:
        """Leave it empty."""


def spare() -> None:
    """Have the imports that follow take less time. For the program alone: it changes Python for the whole process."""
    gc.set_threshold(COLLECT_AFTER)
    sys.meta_path.insert(0, _Bare)
    for module in NOT_NEEDED:
        sys.modules[module] = None  # type: ignore[assignment]  # importing it raises ImportError
