"""The disk that carries the checkout, its wheel and the agent into a guest: a tar archive, unpacked at boot.

An archive needs no file system, and it stores the owner of each file.
"""

import shutil
import tarfile
import tempfile
from pathlib import Path

from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile

from . import cache, image, project
from .machine import Machine
from .recipe import USERS, Suite

INSIDE = Path(__file__).parent / "inside"

# The parts of the checkout that the tests need, in the user's own copy.
CHECKOUT = ("tests", "examples", "man", "README.md", "pyproject.toml")

LEFT_OUT = ("/__pycache__", "/tests/unit")


def write(target: Path, machine: Machine) -> None:
    """Write the payload of a guest."""
    shutil.copyfile(installed(machine.platform.suite), target)
    with tarfile.open(target, "a") as archive:
        add(archive, INSIDE, "lab/inside", "root")
        archive.addfile(owned(archive.gettarinfo(project.ROOT, machine.checkout), machine.user))
        for name in CHECKOUT:
            add(archive, project.ROOT / name, f"{machine.checkout}/{name}", machine.user)


def installed(suite: Suite) -> Path:
    """Return an archive with the installed project and its bytecode, made if the cache lacks it."""
    family = f"installed-{suite.name}"
    ingredients = (project.sources_key(), image.recipe(suite).key)
    return cache.cached(family, "-".join((family, *ingredients)), lambda target: write_installed(target, suite))


def write_installed(target: Path, suite: Suite) -> None:
    """Write that archive.

    The bytecode is compiled here: a guest's users cannot write it, and would compile the project at each start; and
    where the processors are emulated, a guest would take seconds to compile it at its boot.
    """
    with tarfile.open(target, "w") as archive, tempfile.TemporaryDirectory() as scratch:
        unpack_wheel(Path(scratch), suite)
        package = Path(scratch, packages(suite)[1:], "scoperun")
        image.compile_bytecode(image.image(suite).python, Path(scratch), package)
        add_files(archive, Path(scratch), "root")


def packages(suite: Suite) -> str:
    """Return the folder where the suite's pip installs packages for all users."""
    return f"/usr/local/lib/python{suite.python}/dist-packages"


def add(archive: tarfile.TarFile, source: Path, name: str, user: str) -> None:
    """Add a tree that `user` will own, without the __pycache__ folders of the host's Python and what no guest runs."""

    def member(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if info.name.endswith(LEFT_OUT) else owned(info, user)

    archive.add(source, name, filter=member)


def add_files(archive: tarfile.TarFile, top: Path, user: str) -> None:
    """Add the files below `top`, but no folders.

    tar removes a folder's permissions while it fills it. If that is /usr, programs that start meanwhile in the guest
    cannot read it: dbus-daemon did not find its configuration, and then no user could log in.
    """
    for path in sorted(path for path in top.rglob("*") if path.is_file()):
        with path.open("rb") as content:
            archive.addfile(owned(archive.gettarinfo(path, str(path.relative_to(top))), user), content)


def owned(info: tarfile.TarInfo, user: str) -> tarfile.TarInfo:
    """Make `user` of the guest the owner of an archive's member."""
    info.uid = info.gid = USERS[user]
    info.uname = info.gname = ""
    return info


def unpack_wheel(target: Path, suite: Suite) -> None:
    """Install the project below `target`, in the places where the suite's pip installs for all users."""
    scheme = {
        "purelib": packages(suite),
        "platlib": packages(suite),
        "headers": "/usr/local/include",
        "scripts": "/usr/local/bin",
        "data": "/usr/local",
    }
    destination = SchemeDictionaryDestination(scheme, "/usr/bin/python3", "posix", destdir=str(target))
    with WheelFile.open(project.wheel()) as source:
        install(source, destination, additional_metadata={"INSTALLER": b"scoperun lab"})
