"""The guest that a test needs, from its marker `guest`; tests/guest/README.md lists the arguments. No I/O."""

from dataclasses import dataclass, fields, replace

from .machine import size
from .recipe import PLATFORMS, STOCK, SUITES, UML, USERS, Platform

EACH = "each"
KERNELS = (UML, STOCK, EACH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """The arguments of the marker `guest`; the defaults are for a test without a marker.

    user: the user that runs the tests, with a login and a user manager.
    ram, swap: sizes such as 512M; None is the lab's default, which for swap means no swap.
    memory_controller: whether the kernel has one.
    suite: the only suite on which the test runs; None for all suites.
    kernel: "uml", "stock", or "each" for both.
    also: one more platform on which the test runs, such as "trixie-stock".
    alone: the test runs while nothing else runs on the machine.
    Raises ValueError for a value that the lab does not know.
    """

    user: str = "tester"
    ram: str | None = None
    swap: str | None = None
    memory_controller: bool = True
    suite: str | None = None
    kernel: str = UML
    also: str | None = None
    alone: bool = False

    def __post_init__(self) -> None:
        if self.user not in USERS:
            raise ValueError(f"there is no user {self.user!r}: there are {', '.join(USERS)}")
        if self.suite not in {None, *SUITES}:
            raise ValueError(f"there is no suite {self.suite!r}: there are {', '.join(SUITES)}")
        if self.also not in {None, *PLATFORMS}:
            raise ValueError(f"there is no platform {self.also!r}: there are {', '.join(PLATFORMS)}")
        if self.kernel not in KERNELS:
            raise ValueError(f"there is no kernel {self.kernel!r}: there are {', '.join(KERNELS)}")
        for text in (self.ram, self.swap):
            if text is not None:
                size(text)

    def __str__(self) -> str:
        """Return the user and all values that are not the default: `user=tester swap=512M`."""
        values = {each.name: (getattr(self, each.name), each.default) for each in fields(self)}
        return " ".join(
            f"{name}={value}" for name, (value, default) in values.items() if name == "user" or value != default
        )

    @property
    def on_each_kernel(self) -> "tuple[Needs, ...]":
        """These needs for one kernel at a time, and for the platform that was added."""
        kernels = (UML, STOCK) if self.kernel == EACH else (self.kernel,)
        needs = tuple(replace(self, kernel=kernel, also=None) for kernel in kernels)
        if self.also is None:
            return needs
        more = PLATFORMS[self.also]
        return (*needs, replace(self, kernel=more.kernel, suite=more.suite.name, also=None))

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms on which the test runs."""
        return tuple(
            platform
            for platform in PLATFORMS.values()
            if self.suite in {None, platform.suite.name} and self.kernel in {EACH, platform.kernel}
        )

    @property
    def options(self) -> list[str]:
        """The options of `python -m tests.lab run` that boot such a guest."""
        options = ["--user", self.user]
        if self.ram is not None:
            options += ["--ram", self.ram]
        if self.swap is not None:
            options += ["--swap", self.swap]
        if not self.memory_controller:
            options.append("--no-memory")
        return options
