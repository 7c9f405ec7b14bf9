"""What a guest is made of, and the key that names one such making. No I/O."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suite:
    """A Debian suite, of interest for the systemd and the Python it brings."""

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

# What systemd with a user manager needs, what the tests call, and what one misses in `shell`.
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd"),
    *("python3", "gcc", "libc6-dev", "procps", "util-linux", "login", "passwd"),
    *("less", "tmux", "vim-tiny", "sudo"),
    *("bash-completion", "fish", "zsh"),
)

# The users of a guest. `tester` reads the kernel's messages, `plain` does not.
USERS = {"root": 0, "tester": 1000, "plain": 1001}


def home(user: str) -> str:
    """Return the home directory of a guest's user."""
    return "/root" if user == "root" else f"/home/{user}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything an image depends on; requirements: the lines of a file of pip's."""

    suite: Suite
    packages: Sequence[str]
    requirements: Sequence[str]
    files: Mapping[str, bytes]

    @property
    def key(self) -> str:
        """The name of the image: it changes whenever an ingredient does."""
        ingredients = {
            "suite": [self.suite.name, self.suite.python],
            "packages": sorted(self.packages),
            "requirements": list(self.requirements),
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()},
        }
        text = json.dumps(ingredients, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
