"""Whether the kernel applies a property: systemd silently accepts properties that it cannot apply. Reads only.

scoperun/spec/limits.py compares the limits that are plain numbers. This is the rest: processors and disks by the files
of their controllers, network and devices by the BPF programs that systemd attaches for them.
"""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.kernel.cpu_time import numbers
from scoperun.kernel.files import contents
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

_SETS = {"AllowedCPUs": "cpuset.cpus.effective", "AllowedMemoryNodes": "cpuset.mems.effective"}
_DISKS = {
    "IOReadBandwidthMax": "rbps",
    "IOWriteBandwidthMax": "wbps",
    "IOReadIOPSMax": "riops",
    "IOWriteIOPSMax": "wiops",
}
_DISK_FILES = {"IOWeight": "io.weight", "IODeviceWeight": "io.weight", "IODeviceLatencyTargetUSec": "io.latency"}
_WEIGHTS = ("io.weight", "io.bfq.weight")
_NO_WEIGHTS = "no disk here shares its time by weight (scheduler bfq, or io.cost.qos with enable=1)"

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


def why_void(wanted: Property, cgroup: Cgroup, *, disks: str = "/sys/block") -> str | None:
    """Return why the kernel does not apply a property; None if it does, or if the property is not for the kernel.

    disks: the folder in which the kernel shows its disks.
    """
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
    file = file_of(name)
    if file is None:
        return None
    if file in _WEIGHTS:
        return cgroup.missing("io") or _why_no_weight(wanted, cgroup, disks)
    if _is_kept(wanted, cgroup, file):
        return None
    return cgroup.missing(file.partition(".")[0]) or _why_not_kept(name, cgroup, file)


def file_of(name: str) -> str | None:
    """Return the file of a cgroup that shows what the kernel keeps of a property; None if there is no such file."""
    if name in _DISKS:
        return "io.max"
    return next((files[name] for files in (_NUMBERS, _SHARES, _SETS, _DISK_FILES) if name in files), None)


def _why_not_kept(name: str, cgroup: Cgroup, file: str) -> str:
    text = cgroup.text(file)
    if text is None:
        return f"this kernel has no {file}"
    return f"what the scope can use is {text.strip()}" if name in _SETS else _NOT_KEPT


def _why_no_weight(wanted: Property, cgroup: Cgroup, disks: str) -> str | None:
    """Return why a weight has no effect. The kernel keeps IOWeight= whether or not a disk shares by it.

    For one disk it keeps a weight only if that disk shares by weight. systemd converts it for bfq, so that file is not
    compared.
    """
    text, of_bfq = map(cgroup.text, _WEIGHTS)
    if text is None and of_bfq is None:
        return "this kernel has neither io.weight nor io.bfq.weight"
    if not _shares_by_weight(cgroup, disks):
        return _NO_WEIGHTS
    match wanted.value:
        case list(entries):
            asked = {str(weight) for _, weight in entries}
            kept = asked <= _by_device(text) or len(_by_device(of_bfq)) > 0
        case weight:
            kept = of_bfq is not None or f"default {weight}" in (text or "").splitlines()
    return None if kept else _NOT_KEPT


def _by_device(text: str | None) -> set[str]:
    """Return the weights of single devices: the lines after the one for all others."""
    rows = (line.split() for line in (text or "").splitlines())
    return {row[1] for row in rows if len(row) == 2 and row[0] != "default"}


def _shares_by_weight(cgroup: Cgroup, disks: str) -> bool:
    """Tell whether any disk shares by weight; true also if that cannot be known, e.g. in a container."""
    with suppress(OSError):
        for disk in os.listdir(disks):
            with suppress(OSError):
                if b"[bfq]" in contents(f"{disks}/{disk}/queue/scheduler"):
                    return True
    try:
        return b" enable=1" in contents(f"{cgroup.path.removesuffix(cgroup.name)}/io.cost.qos")
    except OSError:
        return True


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
        case name, bytes(bitmap) if name in _SETS:
            # cpuset.cpus has what was asked for. If none of that can be used, the kernel uses what the slice above has.
            return numbers(text) <= {bit for bit in range(8 * len(bitmap)) if bitmap[bit // 8] >> bit % 8 & 1}
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
