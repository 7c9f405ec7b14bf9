"""The machine's memory, and its present boot."""

from __future__ import annotations

from scoperun.kernel.files import contents


def available(file: str = "/proc/meminfo") -> int | None:
    """Return the bytes that programs can still get without swapping (MemAvailable), None if the kernel does not say."""
    try:
        rows = contents(file).decode("ascii", "replace").splitlines()
    except OSError:
        return None
    for row in rows:
        match row.split():
            case ["MemAvailable:", number, "kB"] if number.isdecimal():
                return int(number) * 1024
    return None


def boot_id(file: str = "/proc/sys/kernel/random/boot_id") -> str:
    """Return the random ID of the machine's present boot, empty if the kernel does not say."""
    try:
        return contents(file).decode("ascii", "replace").strip()
    except OSError:
        return ""
