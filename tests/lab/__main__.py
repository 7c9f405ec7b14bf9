"""The lab's command line."""

import argparse
import os
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from . import guest, host, matrix, qemu, uml
from .errors import LabError
from .image import image
from .machine import Machine, size
from .parallel import side_by_side
from .recipe import PLATFORMS, STOCK, USERS, Platform

FAILED = 125  # the lab's own failure, as with env(1), timeout(1) and scoperun itself


def main() -> int:
    """Run the lab and return the exit status; the only place that prints errors."""
    signal.signal(signal.SIGTERM, interrupt)
    words, command = split(sys.argv[1:])
    arguments = parser().parse_args(words)
    try:
        status: int = arguments.function(arguments, command)
    except LabError as error:
        for line in error.log.splitlines():
            print(f"  {line}", file=sys.stderr)
        print(f"lab: {error.message} {error.hint}".rstrip(), file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the reader of our output has ended, e.g. `| head`
        return 128 + signal.SIGPIPE
    return status


def interrupt(number: int, _frame: FrameType | None) -> None:
    """Make SIGTERM, like Ctrl-C, run every `finally`."""
    raise SystemExit(128 + number)


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the words at the first `--`: ours are before it, the guest's command after it."""
    end = words.index("--") if "--" in words else len(words)
    return list(words[:end]), list(words[end + 1 :])


def parser() -> argparse.ArgumentParser:
    """Return the parser of the words before `--`."""
    top = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    build = commands.add_parser("build", help="build what is missing of the kernel and the images")
    build.add_argument("platforms", nargs="*", metavar="PLATFORM", default=list(PLATFORMS), help=", ".join(PLATFORMS))
    build.set_defaults(function=build_images)

    run = commands.add_parser("run", help="run the command after `--` in a new guest")
    add_machine(run)
    run.set_defaults(function=run_command)

    shell = commands.add_parser("shell", help="work in a new guest")
    add_machine(shell)
    shell.set_defaults(function=run_shell, time_limit=24 * 3600.0)

    what = "run the lab's own tests, and in guests those that need one; words after `--` go to pytest"
    test = commands.add_parser("test", help=what)
    test.add_argument("platforms", nargs="*", metavar="PLATFORM", default=list(PLATFORMS), help=", ".join(PLATFORMS))
    test.set_defaults(function=run_tests)
    return top


def add_machine(command: argparse.ArgumentParser) -> None:
    """Add the options that describe a guest."""
    command.add_argument("platform", choices=PLATFORMS)
    who = command.add_mutually_exclusive_group()
    who.add_argument("--user", choices=USERS, default="tester", help="who runs the command (%(default)s)")
    who.add_argument("--root", dest="user", action="store_const", const="root", help="the same as --user root")
    command.add_argument("--no-memory", action="store_true", help="boot without the memory controller")
    command.add_argument("--ram", type=size, default=1 << 30, metavar="SIZE", help="memory (1G)")
    command.add_argument("--swap", type=size, default=0, metavar="SIZE", help="swap (none)")
    command.add_argument("--time-limit", type=float, default=600.0, metavar="SECONDS", help="(%(default)g)")


def machine(arguments: argparse.Namespace) -> Machine:
    """Return the configuration of the guest that the arguments describe."""
    return Machine(
        platform=PLATFORMS[arguments.platform],
        user=arguments.user,
        ram=arguments.ram,
        swap=arguments.swap,
        memory_controller=not arguments.no_memory,
        time_limit=arguments.time_limit,
    )


def build_images(arguments: argparse.Namespace, _command: list[str]) -> int:
    """Build what the platforms need; the images in a process for each suite if there are several."""
    platforms = known(arguments.platforms)
    uml.kernel()
    if any(platform.kernel == STOCK for platform in platforms):
        qemu.prepare()
    builds = matrix.builds(platforms)
    if len(builds) > 1:
        return side_by_side(builds, lanes=[[] for _ in builds])
    for platform in platforms[:1]:
        image(platform.suite)
    return 0


def run_command(arguments: argparse.Namespace, command: list[str]) -> int:
    """Run the command in a guest."""
    if not command:
        raise LabError("There is no command.", hint="Write it after `--`: run trixie -- systemctl --user status")
    return guest.run(machine(arguments), command)


def run_shell(arguments: argparse.Namespace, command: list[str]) -> int:
    """Run a shell in a guest on the caller's terminal."""
    if not sys.stdin.isatty():
        raise LabError("A shell needs a terminal.", hint="Without one: run SUITE -- COMMAND...")
    columns, rows = shutil.get_terminal_size()
    with raw_terminal(sys.stdin.fileno()):
        return guest.run(machine(arguments), command or ["bash", "--login"], window=(rows, columns))


@contextmanager
def raw_terminal(fd: int) -> Iterator[None]:
    """Switch a terminal to raw mode for the context, so that the guest's terminal gets every key."""
    before = termios.tcgetattr(fd)
    tty.setraw(fd)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def run_tests(arguments: argparse.Namespace, command: list[str]) -> int:
    """Build missing images, and run the lab's own tests and, on the suites, those that need guests."""
    platforms, rows = known(arguments.platforms), matrix.rows()
    # Two guests for each processor: one runs while the other waits for time to pass.
    lanes = [host.one_processor(number) for number in sorted(os.sched_getaffinity(0)) * 2]
    return max(
        side_by_side(matrix.builds(platforms) | matrix.runs(rows, platforms, command), lanes),
        side_by_side(matrix.runs_on_stock_kernels(rows, platforms, command), [[], []]),
        side_by_side(matrix.runs_alone(rows, platforms, command), lanes[:1]),
    )


def known(names: Sequence[str]) -> list[Platform]:
    """Return the platforms of these names; argparse cannot check a list that can be empty. Raises LabError."""
    for name in names:
        if name not in PLATFORMS:
            raise LabError(f"There is no platform {name}.", hint=f"There are {', '.join(PLATFORMS)}.")
    return [PLATFORMS[name] for name in names]


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
