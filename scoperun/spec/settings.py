"""The settings that a scope has: their names, D-Bus types and parsers, in one table. No I/O.

Names and types are those of org.freedesktop.systemd1(5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass
from scoperun.spec import network, values

if TYPE_CHECKING:
    from collections.abc import Callable

    from scoperun.spec.values import Value


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a unit file.

    signature: the D-Bus type of its property.
    parse: the parser of its value, which raises InvalidValue.
    dbus_name: the property's name, None if it is the setting's.
    share: how a percentage is passed on. `bytes`: as bytes of physical memory. `scale`: as another property whose name
        ends in Scale, which systemd resolves. None: percentages are not allowed, or `parse` handles them.
    """

    signature: str
    parse: Callable[[str], Value]
    dbus_name: str | None = None
    share: str | None = None


def find_setting(name: str, value: str) -> Setting | None:
    """Return the setting for `name`=`value`, None if scopes do not have it."""
    if name == "Delegate" and value.lower() not in values.BOOLEANS:
        # This property alone sets Delegate= too; a Delegate=true beside it would add every controller.
        return Setting("as", values.words, "DelegateControllers")
    return SETTINGS.get(name)


_SIZE = Setting("t", values.size, share="bytes")
_LIMIT = Setting("t", values.positive_size, share="bytes")
_PROTECTION = Setting("t", values.size, share="scale")
_BOOLEAN = Setting("b", values.boolean)
_TEXT = Setting("s", values.text)
_TEXT_OR_NONE = Setting("s", values.utf8)
_WORDS = Setting("as", values.words)
_SIGNAL = Setting("i", values.signal_number)
_WEIGHT = Setting("t", values.weight)
_CPU_WEIGHT = Setting("t", values.cpu_weight)
_INDEX_SET = Setting("ay", values.index_set)
_IO_LIMIT = Setting("a(st)", values.for_device(values.rate, "10M"))
_ADDRESSES = Setting("a(iayu)", network.addresses)
_BIND = Setting("a(iiqq)", network.socket_bind)
_PATH_LIST = Setting("as", values.whole_list)
_KILL_OR_AUTO = Setting("s", values.one_of("auto", "kill"))
_PRESSURE_WATCH = Setting("s", values.pressure_watch)
_EXIT_STATUS = Setting("i", values.exit_status)


_DEPENDENCIES = (
    "Requires", "Requisite", "Wants", "BindsTo", "PartOf", "Upholds", "Conflicts", "Before", "After", "OnSuccess",
    "OnFailure", "PropagatesReloadTo", "ReloadPropagatedFrom", "PropagatesStopTo", "StopPropagatedFrom",
    "JoinsNamespaceOf",
)  # fmt: skip

_CONDITIONS = (
    "ACPower", "Architecture", "CPUFeature", "CPUPressure", "CPUs", "Capability", "ControlGroupController",
    "Credential", "DirectoryNotEmpty", "Environment", "FileIsExecutable", "FileNotEmpty", "Firmware", "FirstBoot",
    "Group", "Host", "IOPressure", "KernelCommandLine", "KernelModuleLoaded", "KernelVersion", "Memory",
    "MemoryPressure", "NeedsUpdate", "OSRelease", "PathExists", "PathExistsGlob", "PathIsDirectory",
    "PathIsEncrypted", "PathIsMountPoint", "PathIsReadWrite", "PathIsSocket", "PathIsSymbolicLink", "Security",
    "User", "Version", "Virtualization",
)  # fmt: skip


def _time(dbus_name: str) -> Setting:
    return Setting("t", values.time, dbus_name)


def _conditions(prefix: str) -> dict[str, Setting]:
    """Return the settings of all conditions or asserts, which share one property."""
    kinds = [prefix + kind for kind in _CONDITIONS]
    return {kind: Setting("a(sbbs)", values.condition(kind), f"{prefix}s") for kind in kinds}


SETTINGS = {
    # systemd.resource-control(5): memory
    "MemoryAccounting": _BOOLEAN,
    "MemoryMin": _PROTECTION,
    "MemoryLow": _PROTECTION,
    "DefaultMemoryMin": _PROTECTION,
    "DefaultMemoryLow": _PROTECTION,
    "MemoryHigh": _LIMIT,
    "MemoryMax": _LIMIT,
    "MemorySwapMax": _SIZE,
    "MemoryZSwapMax": _SIZE,
    "MemoryZSwapWriteback": _BOOLEAN,
    "StartupMemoryLow": _SIZE,
    "DefaultStartupMemoryLow": _SIZE,
    "StartupMemoryHigh": _LIMIT,
    "StartupMemoryMax": _LIMIT,
    "StartupMemorySwapMax": _SIZE,
    "StartupMemoryZSwapMax": _SIZE,
    "MemoryPressureWatch": _PRESSURE_WATCH,
    "MemoryPressureThresholdSec": _time("MemoryPressureThresholdUSec"),
    # processors
    "CPUAccounting": _BOOLEAN,
    "CPUWeight": _CPU_WEIGHT,
    "StartupCPUWeight": _CPU_WEIGHT,
    "CPUQuota": Setting("t", values.quota, "CPUQuotaPerSecUSec"),
    "CPUQuotaPeriodSec": _time("CPUQuotaPeriodUSec"),
    "AllowedCPUs": _INDEX_SET,
    "StartupAllowedCPUs": _INDEX_SET,
    "AllowedMemoryNodes": _INDEX_SET,
    "StartupAllowedMemoryNodes": _INDEX_SET,
    "CPUSetPartition": _TEXT_OR_NONE,
    "CPUPressureWatch": _PRESSURE_WATCH,
    "CPUPressureThresholdSec": _time("CPUPressureThresholdUSec"),
    # tasks
    "TasksAccounting": _BOOLEAN,
    "TasksMax": Setting("t", values.positive_count, share="scale"),
    # input and output
    "IOAccounting": _BOOLEAN,
    "IOWeight": _WEIGHT,
    "StartupIOWeight": _WEIGHT,
    "IODeviceWeight": Setting("a(st)", values.for_device(values.weight, "100")),
    "IOReadBandwidthMax": _IO_LIMIT,
    "IOWriteBandwidthMax": _IO_LIMIT,
    "IOReadIOPSMax": _IO_LIMIT,
    "IOWriteIOPSMax": _IO_LIMIT,
    "IODeviceLatencyTargetSec": Setting("a(st)", values.for_device(values.time, "25ms"), "IODeviceLatencyTargetUSec"),
    "IOPressureWatch": _PRESSURE_WATCH,
    "IOPressureThresholdSec": _time("IOPressureThresholdUSec"),
    # devices and network
    "DevicePolicy": Setting("s", values.one_of("auto", "closed", "strict")),
    "DeviceAllow": Setting("a(ss)", values.device_access),
    "IPAccounting": _BOOLEAN,
    "IPAddressAllow": _ADDRESSES,
    "IPAddressDeny": _ADDRESSES,
    "IPIngressFilterPath": _PATH_LIST,
    "IPEgressFilterPath": _PATH_LIST,
    "BPFProgram": Setting("a(ss)", values.bpf_program),
    "SocketBindAllow": _BIND,
    "SocketBindDeny": _BIND,
    "RestrictNetworkInterfaces": Setting("(bas)", network.interfaces),
    "NFTSet": Setting("a(iiss)", network.nft_sets),
    "BindNetworkInterface": _TEXT_OR_NONE,
    # delegation
    "Delegate": _BOOLEAN,  # or names of controllers, see find_setting
    "DelegateSubgroup": _TEXT,
    "DisableControllers": _WORDS,
    # out of memory
    "ManagedOOMSwap": _KILL_OR_AUTO,
    "ManagedOOMMemoryPressure": _KILL_OR_AUTO,
    "ManagedOOMMemoryPressureLimit": Setting("u", values.scale),
    "ManagedOOMMemoryPressureDurationSec": _time("ManagedOOMMemoryPressureDurationUSec"),
    "ManagedOOMPreference": Setting("s", values.one_of("none", "avoid", "omit")),
    "OOMRules": _WORDS,
    "CoredumpReceive": _BOOLEAN,
    # systemd.scope(5)
    "OOMPolicy": Setting("s", values.one_of("stop", "continue", "kill")),
    "RuntimeMaxSec": _time("RuntimeMaxUSec"),
    "RuntimeRandomizedExtraSec": _time("RuntimeRandomizedExtraUSec"),
    # systemd.kill(5)
    "KillMode": Setting("s", values.one_of("control-group", "process", "mixed", "none")),
    "KillSignal": _SIGNAL,
    "RestartKillSignal": _SIGNAL,
    "FinalKillSignal": _SIGNAL,
    "WatchdogSignal": _SIGNAL,
    "SendSIGKILL": _BOOLEAN,
    "SendSIGHUP": _BOOLEAN,
    "TimeoutStopSec": _time("TimeoutStopUSec"),
    # systemd.unit(5)
    "Description": _TEXT,
    "Documentation": _WORDS,
    "SourcePath": _TEXT,
    "Slice": _TEXT,
    "DefaultDependencies": _BOOLEAN,
    "StopWhenUnneeded": _BOOLEAN,
    "RefuseManualStart": _BOOLEAN,
    "RefuseManualStop": _BOOLEAN,
    "AllowIsolate": _BOOLEAN,
    "IgnoreOnIsolate": _BOOLEAN,
    "SurviveFinalKillSignal": _BOOLEAN,
    "OnSuccessJobMode": _TEXT,
    "OnFailureJobMode": _TEXT,
    "JobTimeoutSec": _time("JobTimeoutUSec"),
    "JobRunningTimeoutSec": _time("JobRunningTimeoutUSec"),
    "JobTimeoutAction": _TEXT,
    "JobTimeoutRebootArgument": _TEXT,
    "StartLimitIntervalSec": _time("StartLimitIntervalUSec"),
    "StartLimitBurst": Setting("u", values.burst),
    "StartLimitAction": _TEXT,
    "SuccessAction": _TEXT,
    "SuccessActionExitStatus": _EXIT_STATUS,
    "FailureAction": _TEXT,
    "FailureActionExitStatus": _EXIT_STATUS,
    "RebootArgument": _TEXT,
    "RequiresMountsFor": _WORDS,
    "WantsMountsFor": _WORDS,
    "Markers": _WORDS,
    **dict.fromkeys(_DEPENDENCIES, _WORDS),
    **_conditions("Condition"),
    **_conditions("Assert"),
}
