"""What is known about one unit, in words; times are those of the machine's time zone."""

from __future__ import annotations

import datetime
import textwrap
from typing import TYPE_CHECKING

from scoperun.console.tables import Cell
from scoperun.ctl.branches import drawn
from scoperun.ctl.reading import age_text, size_text, time_text
from scoperun.printable import one_line
from scoperun.spec.sizes import format_size, format_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.ctl.unit_facts import Facts
    from scoperun.kernel.unit_journal import Entry

_LABELS = 11
_CAN_BE_CUT = {"Processes", "Journal"}
_STYLES = {"active": "bold green", "reloading": "bold green", "failed": "bold red"}


def lines(facts: Facts, *, now: float, utf8: bool, width: int | None, recorded: str | None = None) -> Iterator[Cell]:
    """Yield the lines about a unit, each with its style.

    now: seconds since the epoch. width: of the terminal, in which long lines continue in the next one, except those of
    processes and the journal, which can be cut; None for no terminal. recorded: what is recorded of the last run in it.
    """
    yield Cell(one_line(f"{'●' if utf8 else '*'} {facts.name} - {facts.unit.get('Description') or ''}"), "bold")
    sections = [*_sections(facts, now=now, utf8=utf8), *([] if recorded is None else [("Recorded", [recorded])])]
    for label, texts in sections:
        style = _STYLES.get(str(facts.unit.get("ActiveState")), "") if label == "Active" else ""
        yield from section(label, texts, width, style)


def section(label: str, texts: list[str], width: int | None, style: str = "") -> Iterator[Cell]:
    """Yield the lines of a section, with its label before the first one."""
    for number, text in enumerate(_wrapped(label, texts, width)):
        begin = f"{label}:" if number == 0 else ""
        yield Cell(f"{begin:>{_LABELS + 1}} {text}", style)


def _wrapped(label: str, texts: list[str], width: int | None) -> Iterator[str]:
    for text in map(one_line, texts):
        if width is None or label in _CAN_BE_CUT:
            yield text
        else:
            yield from textwrap.wrap(text, max(20, width - _LABELS - 2), break_on_hyphens=False) or [""]


def _sections(facts: Facts, *, now: float, utf8: bool) -> Iterator[tuple[str, list[str]]]:
    yield "Active", [_state(facts, now)]
    if facts.invocation:
        yield "Invocation", [facts.invocation]
    if facts.cgroup is not None:
        yield "Cgroup", [facts.cgroup.name]
    yield "Memory", [_memory(facts)]
    yield from _tasks(facts)
    yield from _cpu(facts)
    yield from _limits(facts)
    yield "OOM kills", _ooms(facts)
    yield from _events(facts)
    yield from _held_back(facts)
    if facts.below is not None:
        yield "Processes", _processes(facts, utf8=utf8)
    yield from _journal(facts)


def _state(facts: Facts, now: float) -> str:
    state, sub = facts.unit.get("ActiveState"), facts.unit.get("SubState")
    frozen = ", frozen" if facts.unit.get("FreezerState") not in {None, "running"} else ""
    result = facts.kind.get("Result")
    because = f", Result={result}" if result not in {None, "success"} or not facts.is_active else ""
    began = facts.moment("ActiveEnterTimestamp" if facts.is_active else "InactiveEnterTimestamp")
    since = "" if began is None else f" since {_clock(began)}; {age_text(max(0.0, now - began))} ago"
    return f"{state} ({sub}{frozen}{because}){since}"


def _clock(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def _memory(facts: Facts) -> str:
    numbers = facts.numbers
    current, peak = numbers.get("memory.current"), numbers.get("memory.peak", facts.count("MemoryPeak"))
    swap, swap_peak = numbers.get("memory.swap.current"), numbers.get("memory.swap.peak", facts.count("MemorySwapPeak"))
    parts = [] if facts.cgroup is None else [size_text(current) if current is not None else "unknown"]
    parts.append(f"peak {size_text(peak) if peak is not None else 'unknown'}")
    if swap is not None:
        parts.append(f"swap {size_text(swap)}")
    if swap_peak is not None:
        parts.append(f"swap peak {size_text(swap_peak)}")
    return ", ".join(parts)


def _tasks(facts: Facts) -> Iterator[tuple[str, list[str]]]:
    tasks, peak = facts.numbers.get("pids.current"), facts.numbers.get("pids.peak")
    if tasks is not None:
        refused = f", {facts.refused} refused at a limit" if facts.refused else ""
        yield "Tasks", [f"{tasks}{'' if peak is None else f', peak {peak}'}{refused}"]


def _cpu(facts: Facts) -> Iterator[tuple[str, list[str]]]:
    cpu, used = {name: usec / 1e6 for name, usec in facts.cpu.items() if name.endswith("_usec")}, facts.cpu_seconds
    if used is None:
        return
    parts = [time_text(used)]
    if "user_usec" in cpu:
        parts.append(f"user {time_text(cpu['user_usec'])}, system {time_text(cpu['system_usec'])}")
    if cpu.get("throttled_usec"):
        parts.append(f"throttled for {time_text(cpu['throttled_usec'])}")
    yield "CPU", [", ".join(parts)]


def _limits(facts: Facts) -> Iterator[tuple[str, list[str]]]:
    texts = [f"{limit.text} ({limit.origin(of=facts.name)})" for limit in facts.limits]
    seconds = facts.runtime_max
    if seconds is not None:
        texts.append(f"RuntimeMaxSec={format_time(seconds)}")
    if texts:
        yield "Limits", texts
    elif facts.cgroup is not None:
        yield "Limits", ["none on memory, swap, tasks or processors"]


def _ooms(facts: Facts) -> list[str]:
    """Return whether the OOM killer has killed, by the kernel's count, else by systemd's, and what the log says."""
    policy = f"; OOMPolicy={facts.kind['OOMPolicy']}" if facts.kind.get("OOMPolicy") else ""
    counted = None if facts.events is None else facts.events.get("oom_kill")
    by_oomd = facts.count("ManagedOOMKills")
    texts = [f"{_kills(facts, counted)}{f'; {by_oomd} by systemd-oomd' if by_oomd else ''}{policy}"]
    texts += facts.said.lines()
    if facts.said.reason is not None:
        texts.append(f"kernel log: {facts.said.reason}")
    return texts


def _kills(facts: Facts, counted: int | None) -> str:
    if counted is not None:
        return f"{counted} so far"
    by_systemd = facts.oom_kills
    if by_systemd is not None:
        return f"{by_systemd}, as systemd has counted them"
    if facts.kind.get("Result") == "oom-kill":
        return "at least one, since Result=oom-kill"
    if not facts.has_run:
        return "none: it has not run since systemd loaded it"
    if facts.cgroup is None:
        return "unknown: the counts are gone with the cgroup"
    return f"unknown: {'no memory controller' if facts.cgroup.can_have_limits else 'the root cgroup has no counts'}"


def _events(facts: Facts) -> Iterator[tuple[str, list[str]]]:
    happened = {name: count for name, count in (facts.events or {}).items() if count and name != "oom_kill"}
    if happened:
        yield "Events", [", ".join(f"{name} {count}" for name, count in happened.items())]


def _held_back(facts: Facts) -> Iterator[tuple[str, list[str]]]:
    waited = facts.pressure
    if waited is not None:
        kinds = {"memory": waited.memory_some, "processors": waited.cpu_some, "disks": waited.io_some}
        known = [f"{format_time(seconds)} for {what}" for what, seconds in kinds.items() if seconds is not None]
        yield "Waited", [", ".join(known)]
    if facts.io is not None:
        yield "Disks", [f"{format_size(facts.io['rbytes'])} read, {format_size(facts.io['wbytes'])} written"]


def _processes(facts: Facts, *, utf8: bool) -> list[str]:
    assert facts.below is not None  # noqa: S101  as asked for by the caller
    found = [(one_line(text), cells) for text, cells in drawn(facts.below.branches(), utf8=utf8)]
    wide = max((len(text) for text, _ in found), default=0)
    return [f"{text:<{wide}}  {cells[0]}".rstrip() for text, cells in found] or ["none"]


def _journal(facts: Facts) -> Iterator[tuple[str, list[str]]]:
    if facts.unread is not None:
        yield "Journal", [f"not read: {facts.unread}"]
    elif facts.entries:
        yield "Journal", [_entry(each) for each in facts.entries]
    elif facts.entries is not None:
        yield "Journal", [f"nothing since {'its start' if facts.has_run else 'the machine was booted'}"]


def _entry(entry: Entry) -> str:
    source = entry.source or "unknown"
    return f"{_clock(entry.at)[5:19]} {source}{'' if entry.pid is None else f'[{entry.pid}]'}: {entry.message}"
