"""Debian's own kernels under qemu, on two processors: with KVM where it can be used, else emulated."""

import os
import subprocess
from pathlib import Path

from . import cache, host
from .machine import Machine

PROGRAM = "qemu-system-x86_64"
PROCESSORS = 2
KVM = "/dev/kvm"
ON_KVM = ("-accel", "kvm", "-cpu", "host")
# The fewer features the processor has, the less there is to emulate: this one has no SMAP, no AVX, four page levels.
EMULATING = ("-accel", "tcg,thread=multi", "-cpu", "Nehalem")

CLOCK = ("tsc=unstable", "clocksource=acpi_pm")
"""The kernel's arguments for an emulated processor: it measures that one's own clock at boot, and under load so wrongly
that time runs many times too fast. Switched off from the start, it also does not make the kernel change its own code
later."""

EMULATED = "LAB_EMULATED"
"""The environment variable that asks for emulation although there is KVM."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TRIAL = 15.0
"""Seconds that a kernel has to boot without a disk, which takes it one."""


def prepare() -> None:
    """Install qemu if it is missing; of several processes at a time, one does."""
    with cache.locked(cache.folder() / "qemu.lock"):
        host.prepare({PROGRAM: "qemu-system-x86"})


def has_kvm(kernel: Path) -> bool:
    """Return whether KVM works here, by a trial once on each boot of this machine.

    In a machine that is itself virtual, KVM can be there and fail.
    """
    if os.environ.get(EMULATED) or not os.access(KVM, os.R_OK | os.W_OK):
        return False
    name = f"kvm-{BOOT_ID.read_text(encoding='ascii').strip()}"
    return cache.cached("kvm", name, lambda target: write_trial(kernel, target)).read_text(encoding="ascii") == "works"


def write_trial(kernel: Path, target: Path) -> None:
    """Boot the kernel without a disk, which it reports with a panic, and write whether it did."""
    arguments = ["-append", "panic=-1 quiet", "-display", "none", "-nodefaults", "-no-reboot", "-m", "256"]
    command = [PROGRAM, *ON_KVM, *arguments, "-kernel", str(kernel)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TRIAL, check=False)
        works = done.returncode == 0
    except subprocess.TimeoutExpired:
        works = False
    target.write_text("works" if works else "fails", encoding="ascii")


def command(machine: Machine, *, root: Path, kernel: Path, folder: Path, line: int) -> list[str]:
    """Return the command that boots a guest.

    root: the image of its root file system, which it does not change. kernel: the file that it boots. folder: has its
    other disks. line: the file descriptor of its line, a virtio port.

    There is no initrd, so its root must be on a disk whose driver is in the kernel: NVMe. The kernel looks at several
    such disks at a time and then their names are not fixed, so the others are on virtio.
    """
    is_on_kvm = has_kvm(kernel)
    disks = [("nvme,serial=root", root, "snapshot=on"), ("virtio-blk", folder / "payload.tar", "readonly=on")]
    if machine.swap:
        disks.append(("virtio-blk", folder / "swap", "cache=unsafe"))
    arguments = [
        "root=/dev/nvme0n1",
        "rootfstype=ext4",
        "console=ttyS0",
        "mitigations=off",
        "init_on_alloc=0",
        *(() if is_on_kvm else CLOCK),
        "panic=-1",
        *machine.kernel_arguments,
    ]
    return [
        PROGRAM,
        *(ON_KVM if is_on_kvm else EMULATING),
        *("-smp", str(PROCESSORS), "-m", str(machine.ram >> 20)),
        *("-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"),
        *("-kernel", str(kernel), "-append", " ".join(arguments)),
        # The first virtio device, on which the name of the port depends.
        *("-device", "virtio-serial", "-chardev", f"socket,id=line,fd={line}"),
        *("-device", "virtserialport,chardev=line,name=lab"),
        *(word for number, (device, file, how) in enumerate(disks) for word in disk(number, device, file, how)),
    ]


def disk(number: int, device: str, file: Path, how: str) -> list[str]:
    """Return the arguments for one disk."""
    # Not locked, because nothing writes into the root's image, which several guests have open.
    drive = f"if=none,id=disk{number},file={file},file.locking=off,format=raw,{how}"
    return ["-drive", drive, "-device", f"{device},drive=disk{number}"]
