"""The user-mode Linux kernel of Debian sid, patched to run on a host with an older libc."""

from pathlib import Path

from . import cache, host

# The mirror can be a snapshot, in which sid is past its Valid-Until.
STALE_IS_FINE = '--aptopt=Acquire::Check-Valid-Until "false"'

# The guests need no modules, which are nine tenths of the package.
WITHOUT_MODULES = "--dpkgopt=path-exclude=/usr/lib/uml/*"

LIBRARIES = "usr/lib/x86_64-linux-gnu"


def kernel() -> Path:
    """Return the kernel's executable; fetch it if the cache does not have it."""
    return cache.cached("kernel", "kernel-sid", fetch) / "usr/bin/linux.uml"


def fetch(target: Path) -> None:
    """Unpack the kernel, and the libc that it is linked to, into `target`."""
    host.prepare()
    options = ["--variant=extract", "--include=user-mode-linux,libc6", WITHOUT_MODULES, STALE_IS_FINE]
    host.run(["mmdebstrap", *options, "sid", target, *host.mirror()])
    # Started through ld.so it would fail after booting, because it executes /proc/self/exe again.
    final = cache.folder() / target.name / LIBRARIES
    loader = final / "ld-linux-x86-64.so.2"
    host.run(["patchelf", "--set-interpreter", loader, "--set-rpath", final, target / "usr/bin/linux.uml"])
