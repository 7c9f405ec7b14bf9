"""`scopectl attach`: put running processes into a new scope with limits."""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoperun.console.field_names import in_options
from scoperun.console.options import OPTIONS
from scoperun.console.output import print_json, print_text, say
from scoperun.console.shells import is_shell_for_input
from scoperun.console.table_options import KEPT, limits_of, with_options
from scoperun.ctl.declared import Json
from scoperun.ctl.errors import NotActive, Status
from scoperun.ctl.in_force import in_force, text_of
from scoperun.evidence.verdict import Verdict
from scoperun.kernel.process_facts import command_line, process_facts
from scoperun.printable import one_line, utf8
from scoperun.report.layout import row
from scoperun.report.text import WIDTH, report_text
from scoperun.spec.limits import OOMPolicy
from scoperun.spec.request import RunRequest
from scoperun.spec.scope import unit_path
from scoperun.spec.sizes import format_size, in_words
from scoperun.supervision.attaching import attached, report
from scoperun.supervision.attachment import CannotMove, NoneLeft, Wanted
from scoperun.systemd.answers import SCOPE
from scoperun.systemd.connecting import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scoperun.ctl.in_force import Value
    from scoperun.supervision.attachment import Attached

_MORE = {"property", "unit", "require-limits", "system"}
OFFERED = tuple(each for each in OPTIONS if each.sets is not None or each.name in _MORE)


def _pid(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise typer.BadParameter(f"{text!r} is not the number of a process")
    return int(text)


Pids = Annotated[
    list[int], typer.Argument(metavar="PID...", help="Processes of yours.", parser=_pid, show_default=False)
]
Tree = Annotated[
    bool, typer.Option("--tree", "-t", help="Also their children, and the children of these.", show_default=False)
]
Wait = Annotated[
    bool,
    typer.Option("--wait", "-w", help="Wait until all have ended, and report how.", show_default=False),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        "-f",
        help="Also the main process of a service, and what a scoperun watches.",
        show_default=False,
    ),
]
_MOST_WORDS = 100


@with_options(OFFERED, refused=KEPT)
def command(
    pids: Pids,
    *,
    tree: Tree = False,
    wait: Wait = False,
    force: Force = False,
    json: Json = False,
    **given: Any,
) -> int:
    """Attach processes.

    They go on running as they are, in a new scope with the limits that are
    given; "--mem" alone allows them no swap. Their memory so far stays charged
    where it was: the limit counts what they use from now on.

    If one of them cannot be moved, none is: threads of the kernel, processes of
    other users, in other PID namespaces, or that have ended and are not waited
    for. One that ends meanwhile is named, and the rest go on.

    With --wait the exit status is 0 only if the first of them is known to have
    succeeded. How a process ended is known to its parent, and on Linux 6.15 and
    later to others once the parent has asked; otherwise it is reported as unknown.

    A child that is born during the move is found and moved afterwards; one whose
    parent has ended is not found.
    """
    wanted = Wanted(run=_run(pids, given), pids=tuple(dict.fromkeys(pids)), tree=tree, force=force, wait=wait)
    started, standing = list[str](), list[str]()
    try:
        return asyncio.run(_attach(wanted, starts=started.append, stands=standing.append, json=json))
    except CannotMove as error:
        for pid, reason in error.reasons.items():
            say(f"scopectl: process {pid} ({one_line(error.names[pid])}): {reason}")
        say("scopectl: nothing was attached")
    except NoneLeft as error:
        raise NotActive(str(error)) from None
    except KeyboardInterrupt:
        say(f"scopectl: interrupted; {_what_became(started, standing)}")
        raise
    return Status.FAILED


def _run(pids: Sequence[int], given: dict[str, Any]) -> RunRequest:
    """Return the request for the scope; raises InvalidValue."""
    assigned = [each.text for several in given.get("property", ()) for each in several]
    program, *arguments = command_line(pids[0]) or [""]
    words = [program or _name(pids[0]), *arguments]
    more = [f"and {len(pids) - 1} more"] if len(pids) > 1 else []
    return RunRequest(
        command=(*words[:_MOST_WORDS], *more),
        limits=limits_of(OFFERED, given),
        properties=tuple(assigned),
        oom_policy_default=OOMPolicy.CONTINUE if any(map(_is_shell, pids)) else None,
        require_limits=given["require_limits"],
        system=given["system"],
        **{name: given[name] for name in ("unit", "slice", "description") if name in given},
    )


def _name(pid: int) -> str:
    facts = process_facts(pid)
    return f"process {pid}" if facts is None or not facts.name else facts.name


def _is_shell(pid: int) -> bool:
    """Tell whether a process is a shell at a terminal, which should survive what runs out of memory in it."""
    facts, words = process_facts(pid), command_line(pid)
    if facts is None or not words or not facts.has_terminal:
        return False
    return is_shell_for_input((words[0].removeprefix("-"), *words[1:]))


def _what_became(started: Sequence[str], standing: Sequence[str]) -> str:
    """Return what is known of an attachment that is not waited for any longer."""
    if standing:
        return f"what was attached runs on in {standing[-1]}"
    if started:
        return f"systemd was asked to start {started[-1]}, and might still put the processes into it"
    return "nothing was attached"


async def _attach(wanted: Wanted, *, starts: Callable[[str], None], stands: Callable[[str], None], json: bool) -> int:
    """Attach the processes, and return the exit status.

    starts: called with the scope's name before systemd is asked for it. stands: once the processes are in it.
    """
    async with (
        connect(os.environ, system=wanted.run.system, passes_descriptors=True) as manager,
        attached(manager, wanted, starts=starts) as now,
    ):
        stands(now.unit.name)
        limits = await _limits(now)
        if not json:
            print_text(_text(_rows(now, limits)))
        _warn(now)
        told = await report(now) if wanted.wait else None
        if json:
            more = {"report": None if told is None else told.to_dict()} if wanted.wait else {}
            print_json(_as_json(now, limits) | more)
        elif told is not None:
            print_text(report_text(told, width=_width()).replace("scoperun: ", "scopectl: ", 1))
    has_failed = wanted.wait and (told is None or told.verdict is not Verdict.SUCCESS)
    return Status.FAILED if now.outside or has_failed else Status.OK


async def _limits(now: Attached) -> dict[str, Value]:
    """Return what is in force of the limits that were asked for, by the names of their settings."""
    asked = [each for each in now.properties if each.asked and each.sets not in _NO_LIMITS]
    if now.cgroup is None:
        return {}
    names = {each.sets for each in asked}
    said = await now.unit.manager.get_all(unit_path(now.unit.invocation_id), SCOPE, names)
    return in_force(asked, now.cgroup, has_keeper=now.handles is not None, systemd=said)


_NO_LIMITS = {"AddRef", "CollectMode", "Description", "Documentation", "Slice"}


def _charged(now: Attached) -> dict[str, int]:
    """Return the bytes that the processes had in memory before, by the cgroup to which they stay charged."""
    sums: dict[str, int] = {}
    for each in now.moved:
        was_born_there = now.cgroup is not None and now.cgroup.contains(each.cgroup or "")
        if each.cgroup is not None and each.rss and not was_born_there:
            sums[each.cgroup] = sums.get(each.cgroup, 0) + each.rss
    return sums


def _rows(now: Attached, limits: dict[str, Value]) -> list[tuple[str, str]]:
    charged = _charged(now)
    return [
        ("unit", now.unit.name),
        ("cgroup", "-" if now.cgroup is None else now.cgroup.name),
        *(("process", f"{each.pid} ({each.name})") for each in now.moved),
        *(("limit", f"{name}={text_of(name, value)}") for name, value in limits.items()),
        *(
            ("elsewhere", f"{format_size(size)} (rss) stay charged to {name}, or where they were before")
            for name, size in charged.items()
        ),
    ]


def _text(rows: list[tuple[str, str]]) -> str:
    """Return the rows as lines with tabs, or on a terminal as in a report."""
    if not os.isatty(1):
        return "\n".join(f"{label}\t{one_line(text)}" for label, text in rows)
    return "\n".join(row(label, one_line(text), _width()) for label, text in rows)


def _width() -> int:
    return (os.get_terminal_size(1).columns if os.isatty(1) else 0) or WIDTH


def _as_json(now: Attached, limits: dict[str, Value]) -> dict[str, Any]:
    return {
        "unit": now.unit.name,
        "invocation_id": now.unit.invocation_id,
        "cgroup": None if now.cgroup is None else now.cgroup.name,
        "processes": [
            {"pid": each.pid, "name": each.name, "rss": each.rss, "from": each.cgroup and utf8(each.cgroup)}
            for each in now.moved
        ],
        "limits": {name: in_words(value) for name, value in limits.items()},
        "charged_elsewhere": {utf8(name): size for name, size in _charged(now).items()},
        "ended": list(now.ended),
        "outside": [{"pid": pid, "reason": reason} for pid, reason in now.outside.items()],
        "without_effect": list(map(in_options, now.void)),
    }


def _warn(now: Attached) -> None:
    """Say what was not done as it was asked for."""
    for pid in now.ended:
        say(f"scopectl: there is no process {pid} any more")
    for pid, reason in now.outside.items():
        say(f"scopectl: process {pid} is not in {now.unit.name}: {reason}")
    for text in now.void:
        say(f"scopectl: warning: {in_options(text)}")
