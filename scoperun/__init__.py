"""Run a command in a systemd scope with resource limits, and say truthfully how it ended.

    report = await scoperun.run(["./bigleak2"], limits=scoperun.Limits(memory_max=20 * scoperun.MiB))
    assert report.verdict is scoperun.Verdict.OOM_KILL

run_sync() is for programs without an event loop. A name is imported when it is first used: a program that needs only
an exception class does not import the rest.
"""

from scoperun.version import __version__ as __version__

TYPE_CHECKING = False  # typing must not be imported before the program's first line
if TYPE_CHECKING:
    from scoperun.batch.library import Batch as Batch
    from scoperun.batch.library import BatchResult as BatchResult
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
    from scoperun.evidence.events import ConnectionLost as ConnectionLost
    from scoperun.evidence.events import Counters as Counters
    from scoperun.evidence.events import CpuTimeChecked as CpuTimeChecked
    from scoperun.evidence.events import CpuTimeUsedUp as CpuTimeUsedUp
    from scoperun.evidence.events import EndedTask as EndedTask
    from scoperun.evidence.events import Event as Event
    from scoperun.evidence.events import JobRemoved as JobRemoved
    from scoperun.evidence.events import KernelLogRead as KernelLogRead
    from scoperun.evidence.events import LeftActive as LeftActive
    from scoperun.evidence.events import LeftoversAwaited as LeftoversAwaited
    from scoperun.evidence.events import LeftRunning as LeftRunning
    from scoperun.evidence.events import MemorySnapshot as MemorySnapshot
    from scoperun.evidence.events import OomdMark as OomdMark
    from scoperun.evidence.events import OomdRead as OomdRead
    from scoperun.evidence.events import Process as Process
    from scoperun.evidence.events import ResultChanged as ResultChanged
    from scoperun.evidence.events import Sampled as Sampled
    from scoperun.evidence.events import ScopeProperties as ScopeProperties
    from scoperun.evidence.events import SoftMemoryEvent as SoftMemoryEvent
    from scoperun.evidence.events import SoftMemoryKilled as SoftMemoryKilled
    from scoperun.evidence.events import SoftMemoryPassed as SoftMemoryPassed
    from scoperun.evidence.events import SoftMemoryRestored as SoftMemoryRestored
    from scoperun.evidence.events import SoftMemoryTold as SoftMemoryTold
    from scoperun.evidence.events import SoftPressureEvent as SoftPressureEvent
    from scoperun.evidence.events import SoftPressureKilled as SoftPressureKilled
    from scoperun.evidence.events import SoftPressurePassed as SoftPressurePassed
    from scoperun.evidence.events import SoftPressureRestored as SoftPressureRestored
    from scoperun.evidence.events import SoftPressureTold as SoftPressureTold
    from scoperun.evidence.events import StateChanged as StateChanged
    from scoperun.evidence.events import StopRequested as StopRequested
    from scoperun.evidence.events import Task as Task
    from scoperun.evidence.events import WorkloadExited as WorkloadExited
    from scoperun.evidence.kernel_report import KernelReport as KernelReport
    from scoperun.evidence.kernel_report import KernelTask as KernelTask
    from scoperun.evidence.kernel_report import KernelVictim as KernelVictim
    from scoperun.evidence.last_seen import Victim as Victim
    from scoperun.evidence.oom_limit import LimitOf as LimitOf
    from scoperun.evidence.oomd_log import OomdCause as OomdCause
    from scoperun.evidence.pressure import Pressure as Pressure
    from scoperun.evidence.start import Start as Start
    from scoperun.evidence.verdict import Evidence as Evidence
    from scoperun.evidence.verdict import Verdict as Verdict
    from scoperun.report.names import LimitName as LimitName
    from scoperun.report.oom_report import Oom as Oom
    from scoperun.report.oomd_report import OomdReport as OomdReport
    from scoperun.report.report import Cpu as Cpu
    from scoperun.report.report import Io as Io
    from scoperun.report.report import Memory as Memory
    from scoperun.report.report import Report as Report
    from scoperun.report.soft_memory_report import Passing as Passing
    from scoperun.report.soft_memory_report import SoftMemoryReport as SoftMemoryReport
    from scoperun.report.soft_pressure_report import PressurePassing as PressurePassing
    from scoperun.report.soft_pressure_report import SoftPressureReport as SoftPressureReport
    from scoperun.report.text import report_text as report_text
    from scoperun.report.timeline_report import TimelineReport as TimelineReport
    from scoperun.spec.limits import Ceiling as Ceiling
    from scoperun.spec.limits import Limits as Limits
    from scoperun.spec.limits import LimitsInForce as LimitsInForce
    from scoperun.spec.limits import OOMPolicy as OOMPolicy
    from scoperun.spec.request import ExecContext as ExecContext
    from scoperun.spec.request import RunRequest as RunRequest
    from scoperun.spec.sizes import INFINITY as INFINITY
    from scoperun.spec.soft_memory import SoftMemory as SoftMemory
    from scoperun.spec.soft_pressure import SoftPressure as SoftPressure
    from scoperun.supervision.launch import RunOptions as RunOptions
    from scoperun.supervision.launch import run as run
    from scoperun.supervision.launch import run_sync as run_sync
    from scoperun.supervision.launch import wrap as wrap
    from scoperun.supervision.running import Scope as Scope

KiB = 1024
MiB = 1024 * KiB
GiB = 1024 * MiB

_MODULES = {
    "batch.library": ("Batch", "BatchResult"),
    "errors": (
        "BusLost", "BusUnavailable", "CommandNotExecutable", "CommandNotFound", "Interrupted", "InvalidValue",
        "LimitNotEnforced", "ManagerError", "PropertyRefused", "ScopeFailed", "ScoperunError", "UnitExists",
    ),
    "evidence.events": (
        "ConnectionLost", "Counters", "CpuTimeChecked", "CpuTimeUsedUp", "EndedTask", "Event", "JobRemoved",
        "KernelLogRead", "LeftActive", "LeftRunning", "LeftoversAwaited", "MemorySnapshot", "OomdMark", "OomdRead",
        "Process", "ResultChanged", "Sampled", "ScopeProperties", "SoftMemoryEvent", "SoftMemoryKilled",
        "SoftMemoryPassed", "SoftMemoryRestored", "SoftMemoryTold", "SoftPressureEvent", "SoftPressureKilled",
        "SoftPressurePassed", "SoftPressureRestored", "SoftPressureTold", "StateChanged", "StopRequested", "Task",
        "WorkloadExited",
    ),
    "evidence.kernel_report": ("KernelReport", "KernelTask", "KernelVictim"),
    "supervision.launch": ("RunOptions", "run", "run_sync", "wrap"),
    "spec.limits": ("Ceiling", "Limits", "LimitsInForce", "OOMPolicy"),
    "evidence.last_seen": ("Victim",),
    "evidence.oom_limit": ("LimitOf",),
    "evidence.oomd_log": ("OomdCause",),
    "evidence.pressure": ("Pressure",),
    "report.names": ("LimitName",),
    "report.oom_report": ("Oom",),
    "report.oomd_report": ("OomdReport",),
    "report.report": ("Cpu", "Io", "Memory", "Report"),
    "spec.request": ("ExecContext", "RunRequest"),
    "supervision.running": ("Scope",),
    "spec.sizes": ("INFINITY",),
    "spec.soft_memory": ("SoftMemory",),
    "spec.soft_pressure": ("SoftPressure",),
    "report.soft_memory_report": ("Passing", "SoftMemoryReport"),
    "report.soft_pressure_report": ("PressurePassing", "SoftPressureReport"),
    "report.timeline_report": ("TimelineReport",),
    "evidence.start": ("Start",),
    "report.text": ("report_text",),
    "evidence.verdict": ("Evidence", "Verdict"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = ["GiB", "KiB", "MiB", "__version__", *_MODULE_OF]  # noqa: PLE0604  each is a string


def __getattr__(name: str) -> object:
    """Import a public name from its module."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'scoperun' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"scoperun.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
