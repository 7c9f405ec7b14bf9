"""What to write instead of an option that does not exist, or why it is not needed. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

OURS = {
    **dict.fromkeys(["--memory", "--memory-max", "--memory-limit", "--mem-max", "--mem-limit", "--max-mem"], "--mem"),
    "--ram": "--mem",
    "-m": "--mem",
    **dict.fromkeys(["--memory-high", "--high"], "--mem-high"),
    **dict.fromkeys(["--memory-swap", "--memory-swap-max", "--swap-max", "--memswap"], "--swap"),
    **dict.fromkeys(["--cpu", "--cpu-quota", "--cpus-max", "--processors"], "--cpus"),
    "--cpu-shares": "--cpu-weight",
    **dict.fromkeys(["--tasks-max", "--pids", "--pids-limit", "--pids-max", "--threads"], "--tasks"),
    **dict.fromkeys(["--time", "--time-limit", "--runtime", "--runtime-max", "--max-time"], "--timeout"),
    **dict.fromkeys(["--env", "-e"], "--setenv"),
    **dict.fromkeys(["--chdir", "--cwd", "--workdir", "--directory", "-C", "-D"], "--working-directory"),
    **dict.fromkeys(["--name", "-n"], "--unit"),
    **dict.fromkeys(["--output", "-o"], "--report"),
    "--print": "--dry-run",
    "-V": "--version",
}
"""Names of our options elsewhere: under systemd-run, prlimit, docker, env, timeout and others."""

_STREAMS = "leave it out: COMMAND always has scoperun's own streams and terminal"
_SERVICE = "systemd-run without --scope has it, for services"
UNNECESSARY = {
    "--scope": "leave it out: scoperun always makes a scope",
    **dict.fromkeys(
        ["--collect", "-G"], "leave it out: systemd always forgets a scope of scoperun's when it has ended"
    ),
    "--same-dir": "leave it out: COMMAND starts in this directory unless -d DIR names another",
    **dict.fromkeys(["--pty", "-t", "--pipe", "--pty-late", "-T"], _STREAMS),
    **dict.fromkeys(["--shell", "-S"], "name the shell as the command, e.g. scoperun -- bash"),
    "--send-sighup": "write -p SendSIGHUP=yes",
    "--no-block": "scoperun stays until COMMAND has ended, to report",
    **dict.fromkeys(["--remain-after-exit", "-r", "--service-type"], _SERVICE),
    **dict.fromkeys(["--on-active", "--on-boot", "--on-startup", "--on-unit-active", "--on-calendar"], _SERVICE),
    **dict.fromkeys(["--machine", "-M", "--host", "-H"], "scoperun asks the systemd of this machine only"),
    "--slice-inherit-from": "write --slice-inherit",
}
"""Options of systemd-run(1) that scoperun does not have, with the reason or what to write instead."""

MISTAKEN = {
    "-d": "-d DIR is --working-directory; for systemd-run's -d, --same-dir, leave it out",
    "-P": "-P NAME is --profile; for systemd-run's -P, --pipe, leave it out",
}
"""Options that mean something else to systemd-run(1), where they take no value."""


def hint(name: str, known: Iterable[str]) -> str | None:
    """Return what to write instead of the option `name`, None if nothing is known.

    known: the names of the options that exist.
    """
    if name in UNNECESSARY:
        return UNNECESSARY[name]
    if name in OURS:
        return f"did you mean {OURS[name]}?"
    if not name.startswith("--"):
        return None
    import difflib  # noqa: PLC0415  3 ms, only after a mistake

    near = difflib.get_close_matches(name.lower(), [each for each in known if each.startswith("--")], n=1, cutoff=0.7)
    return f"did you mean {near[0]}?" if near else None
