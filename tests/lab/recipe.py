"""The ingredients of a guest's image, and a key that changes with them. No I/O."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suite:
    """A Debian suite, with the versions of its systemd and its Python."""

    name: str
    systemd: str
    python: str


SUITES = {
    suite.name: suite
    for suite in (
        Suite("bookworm", systemd="252", python="3.11"),
        Suite("trixie", systemd="257", python="3.13"),
        Suite("sid", systemd="262", python="3.14"),
    )
}

UML, STOCK = "uml", "stock"


@dataclass(frozen=True, slots=True)
class Platform:
    """What a guest boots: a suite's root file system, on user-mode Linux ("uml") or on Debian's kernel ("stock")."""

    suite: Suite
    kernel: str = UML

    @property
    def name(self) -> str:
        """The name on command lines: `trixie`, `trixie-stock`."""
        return self.suite.name if self.kernel == UML else f"{self.suite.name}-{self.kernel}"


PLATFORMS = {
    platform.name: platform
    for kernel in (UML, STOCK)
    for suite in SUITES.values()
    for platform in [Platform(suite, kernel)]
}

# For systemd with a user manager, for the tests, and for people in `shell`.
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd"),
    *("python3", "gcc", "libc6-dev", "procps", "util-linux", "login", "passwd"),
    *("less", "tmux", "vim-tiny", "sudo"),
    *("bash-completion", "fish", "zsh"),
    *("linux-image-cloud-amd64", "kmod", "systemd-oomd"),
)

PROGRAMS = "/usr/local/src/lab"
"""The folder of an image with the C programs of the tests in guests. Where the processors are emulated, cc would take
seconds for each."""

# The users of a guest. `tester` can read the kernel's messages, `plain` cannot.
USERS = {"root": 0, "tester": 1000, "plain": 1001}


def home(user: str) -> str:
    """Return the home directory of a guest's user."""
    return "/root" if user == "root" else f"/home/{user}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that an image depends on.

    packages: of Debian. requirements: the lines of a requirements file of pip.
    files: by path in the image.
    """

    suite: Suite
    packages: Sequence[str]
    requirements: Sequence[str]
    files: Mapping[str, bytes]

    @property
    def key(self) -> str:
        """16 hex digits for the image's name, which change with any ingredient."""
        ingredients = {
            "suite": [self.suite.name, self.suite.python],
            "packages": sorted(self.packages),
            "requirements": list(self.requirements),
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()},
        }
        text = json.dumps(ingredients, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
