"""User-mode Linux: Debian sid's kernel as a program of the host, patched to run on a host with an older libc."""

import os
from collections.abc import Mapping
from pathlib import Path

from . import cache, host
from .machine import Machine

# The guests need no modules, which are nine tenths of the package.
WITHOUT_MODULES = "--dpkgopt=path-exclude=/usr/lib/uml/*"

LIBRARIES = "usr/lib/x86_64-linux-gnu"


def kernel() -> Path:
    """Return the kernel's executable; fetch it if the cache does not have it."""
    return cache.cached("kernel", "kernel-sid", fetch) / "usr/bin/linux.uml"


def fetch(target: Path) -> None:
    """Unpack the kernel, and the libc that it is linked to, into `target`."""
    host.prepare()
    options = ["--variant=extract", "--include=user-mode-linux,libc6", WITHOUT_MODULES, host.STALE_IS_FINE]
    host.run(["mmdebstrap", *options, "sid", target, *host.mirror()])
    # Started through ld.so it would fail after booting, because it executes /proc/self/exe again.
    final = cache.folder() / target.name / LIBRARIES
    loader = final / "ld-linux-x86-64.so.2"
    host.run(["patchelf", "--set-interpreter", loader, "--set-rpath", final, target / "usr/bin/linux.uml"])


def command(machine: Machine, *, root: Path, folder: Path, line: int) -> list[str]:
    """Return the command that boots a guest on one processor.

    root: the image of its root file system, which it does not change. folder: has its other disks. line: the file
    descriptor that becomes its serial line.
    """
    disks = [f"ubd0={folder}/cow,{root}", f"ubd1r={folder}/payload.tar"]
    if machine.swap:
        disks.append(f"ubd2={folder}/swap")
    return [
        *host.one_processor(),
        str(kernel()),
        "seccomp=on",  # twice as fast as ptrace
        f"mem={machine.ram >> 20}M",
        *(f"uml_dir={folder}", "umid=guest"),
        *disks,
        "root=/dev/ubda",
        *("con0=null,fd:1", "con=null", f"ssl0=fd:{line}", "ssl=null"),
        "initcall_blacklist=raid6_init",  # would run benchmarks for 1 s
        *machine.kernel_arguments,
    ]


def environment(machine: Machine) -> Mapping[str, str]:
    """Return the environment of the command: it says where the file with the guest's memory is."""
    return {**os.environ, "TMPDIR": host.folder_in_memory(machine.ram)}
