"""Run a command in a systemd scope with resource limits, and say truthfully how it ended.

    report = await scoperun.run(["./bigleak2"], limits=scoperun.Limits(memory_max=20 * scoperun.MiB))
    assert report.verdict is scoperun.Verdict.OOM_KILL

run_sync() is for programs without an event loop. Names are imported when they are first used: a program that only
wants an exception's class does not pay for the rest.
"""

from scoperun.version import __version__ as __version__

TYPE_CHECKING = False  # the program imports nothing, so not typing either, before its first line
if TYPE_CHECKING:
    from scoperun.errors import BusLost as BusLost
    from scoperun.errors import BusUnavailable as BusUnavailable
    from scoperun.errors import CommandNotExecutable as CommandNotExecutable
    from scoperun.errors import CommandNotFound as CommandNotFound
    from scoperun.errors import Interrupted as Interrupted
    from scoperun.errors import InvalidValue as InvalidValue
    from scoperun.errors import LimitNotEnforced as LimitNotEnforced
    from scoperun.errors import ManagerError as ManagerError
    from scoperun.errors import PropertyRefused as PropertyRefused
    from scoperun.errors import ScopeFailed as ScopeFailed
    from scoperun.errors import ScoperunError as ScoperunError
    from scoperun.errors import UnitExists as UnitExists
    from scoperun.launch import RunOptions as RunOptions
    from scoperun.launch import run as run
    from scoperun.launch import run_sync as run_sync
    from scoperun.launch import wrap as wrap
    from scoperun.limits import Limits as Limits
    from scoperun.limits import LimitsInForce as LimitsInForce
    from scoperun.limits import OOMPolicy as OOMPolicy
    from scoperun.report import Report as Report
    from scoperun.request import ExecContext as ExecContext
    from scoperun.request import RunRequest as RunRequest
    from scoperun.running import Scope as Scope
    from scoperun.sizes import INFINITY as INFINITY
    from scoperun.soft_memory import SoftMemory as SoftMemory
    from scoperun.text import report_text as report_text
    from scoperun.verdict import Evidence as Evidence
    from scoperun.verdict import Verdict as Verdict

KiB = 1024
MiB = 1024 * KiB
GiB = 1024 * MiB

_MODULES = {
    "errors": (
        "BusLost", "BusUnavailable", "CommandNotExecutable", "CommandNotFound", "Interrupted", "InvalidValue",
        "LimitNotEnforced", "ManagerError", "PropertyRefused", "ScopeFailed", "ScoperunError", "UnitExists",
    ),
    "launch": ("RunOptions", "run", "run_sync", "wrap"),
    "limits": ("Limits", "LimitsInForce", "OOMPolicy"),
    "report": ("Report",),
    "request": ("ExecContext", "RunRequest"),
    "running": ("Scope",),
    "sizes": ("INFINITY",),
    "soft_memory": ("SoftMemory",),
    "text": ("report_text",),
    "verdict": ("Evidence", "Verdict"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = ["GiB", "KiB", "MiB", "__version__", *_MODULE_OF]  # noqa: PLE0604  each is a string


def __getattr__(name: str) -> object:
    """Import a public name from the module that it lives in."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'scoperun' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"scoperun.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
