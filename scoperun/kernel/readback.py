"""Whether the kernel applies a property: systemd silently accepts properties that it cannot apply. Reads only.

scoperun/spec/limits.py compares the limits that are plain numbers. This is the rest: processors and disks by the files
of their controllers, network and devices by the BPF programs that systemd attaches for them.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import TYPE_CHECKING

from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from scoperun.kernel.cgroup import Cgroup
    from scoperun.spec.properties import Property

_NOT_KEPT = "the kernel has not kept it"

_NUMBERS = {"MemoryMin": "memory.min", "MemoryLow": "memory.low", "CPUWeight": "cpu.weight"}
_SHARES = {"MemoryMinScale": "memory.min", "MemoryLowScale": "memory.low", "TasksMaxScale": "pids.max"}
_WHILE_STARTING = {
    "StartupAllowedCPUs": "cpuset",
    "StartupAllowedMemoryNodes": "cpuset",
    "StartupCPUWeight": "cpu",
    "StartupIOWeight": "io",
    "StartupMemoryHigh": "memory",
    "StartupMemoryLow": "memory",
    "StartupMemoryMax": "memory",
    "StartupMemorySwapMax": "memory",
    "StartupMemoryZSwapMax": "memory",
}
"""Properties that are in force only while the machine starts, with the controller that each needs."""

_SETS = {"AllowedCPUs": "cpuset.cpus", "AllowedMemoryNodes": "cpuset.mems"}
_DISKS = {
    "IOReadBandwidthMax": "rbps",
    "IOWriteBandwidthMax": "wbps",
    "IOReadIOPSMax": "riops",
    "IOWriteIOPSMax": "wiops",
}
_DISK_FILES = {"IOWeight": "io.weight", "IODeviceWeight": "io.weight", "IODeviceLatencyTargetUSec": "io.latency"}

# enum bpf_attach_type of linux/bpf.h
_INGRESS, _EGRESS, _SOCK_CREATE, _DEVICE, _BIND4 = 0, 1, 2, 6, 8
_PROGRAMS = {
    "IPAddressAllow": _INGRESS,
    "IPAddressDeny": _INGRESS,
    "IPIngressFilterPath": _INGRESS,
    "IPEgressFilterPath": _EGRESS,
    "RestrictNetworkInterfaces": _INGRESS,
    "BindNetworkInterface": _SOCK_CREATE,
    "SocketBindAllow": _BIND4,
    "SocketBindDeny": _BIND4,
    "DeviceAllow": _DEVICE,
    "DevicePolicy": _DEVICE,
}
_TAKE_PRIVILEGE = {"BPFProgram", "NFTSet"}
"""Properties that systemd applies only with privileges, and that are not as simple to read back."""

_OOMD = {"ManagedOOMSwap", "ManagedOOMMemoryPressure"}
_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280, "s390x": 351, "ppc64le": 361}
_PROG_QUERY = 16
_QUERY = struct.Struct("=IIIIQI36x")  # target_fd, attach_type, query_flags, attach_flags, prog_ids, prog_cnt


def why_void(wanted: Property, cgroup: Cgroup) -> str | None:
    """Return why the kernel does not apply a property; None if it does, or if the property is not for the kernel."""
    if not wanted.value or wanted.value in (INFINITY, "auto"):
        return None  # it asks for nothing
    name = wanted.name
    if name in _PROGRAMS or name in _TAKE_PRIVILEGE:
        return _why_no_program(name, cgroup)
    if name in _OOMD:
        from scoperun.kernel.oomd import oomd_runs  # noqa: PLC0415  few runs have such a property

        return None if oomd_runs() else "systemd-oomd is not running"
    if name in _WHILE_STARTING:
        return cgroup.missing(_WHILE_STARTING[name])
    file = next((files[name] for files in (_NUMBERS, _SHARES, _SETS, _DISK_FILES) if name in files), None)
    if name in _DISKS:
        file = "io.max"
    if file is None or _is_kept(wanted, cgroup, file):
        return None
    return cgroup.missing(file.partition(".")[0]) or _NOT_KEPT


def _is_kept(wanted: Property, cgroup: Cgroup, file: str) -> bool:
    """Tell whether the controller's file has what was asked for, as far as the two can be compared."""
    text = cgroup.text(file)
    if text is None:
        return False
    match wanted.name, wanted.value:
        case name, int(value) if name in _NUMBERS:
            # The kernel keeps memory in whole pages.
            page = os.sysconf("SC_PAGE_SIZE") if name.startswith("Memory") else 1
            return cgroup.number(file) == value // page * page
        case name, _ if name in _SHARES:
            return text.strip() not in {"0", "max"}
        case name, list(entries) if name in _DISKS:
            asked = {f"{_DISKS[name]}={'max' if limit == INFINITY else limit}" for _, limit in entries}
            return asked <= set(text.split())
    return text.strip() != ""


def _why_no_program(name: str, cgroup: Cgroup) -> str | None:
    if os.geteuid() != 0:
        return "it requires privileges that a user's systemd does not have"
    if name in _TAKE_PRIVILEGE:
        return None
    try:
        return None if _programs(cgroup, _PROGRAMS[name]) else "systemd has attached no BPF program for it"
    except OSError as error:
        return f"the BPF programs that would enforce it cannot be queried: {error.strerror}"


def _programs(cgroup: Cgroup, attach_type: int) -> int:
    """Return how many BPF programs of a type are attached to a cgroup; raise OSError if the kernel does not say."""
    fd = os.open(cgroup.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        query = ctypes.create_string_buffer(_QUERY.pack(fd, attach_type, 0, 0, 0, 0), _QUERY.size)
        number = _BPF.get(os.uname().machine, -1)
        if ctypes.CDLL(None, use_errno=True).syscall(number, _PROG_QUERY, query, _QUERY.size) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(fd)
    return int(_QUERY.unpack(query.raw)[-1])
