"""Plays the kinds of stories that a guest can play, each in the requested number of variants."""

import asyncio
import grp
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from scoperun import MiB, OOMPolicy
from tests.child import in_child
from tests.guest.hiding import JOURNALCTL, hide
from tests.guest.pages import on_disk
from tests.guest.story import GENEROUS, compiled

from . import deaths, lookalikes, neighbours, oomd
from .kinds import KINDS, Kind
from .score import Circumstances, Score, score
from .stage import Claim, Stage, Variant, busy

STORIES = (deaths, lookalikes, neighbours, oomd)

IS_ALL = "SCOPERUN_TRUTH_ROUNDS" in os.environ
"""Whether all variants are played, on every platform, as by `make truth`."""

ROUNDS = int(os.environ.get("SCOPERUN_TRUTH_ROUNDS", "1"))
"""How often each kind is played: each time in another variant, until all have been used."""

SCORES: list[Score] = []

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Props:
    """The props of the stories: the actor's program, and a file on a disk."""

    actor: str
    pages: str


@contextmanager
def props() -> Iterator[Props]:
    """Yield new props; remove them at the end of the context."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        compiled(HERE / "actor.c", folder / "actor")
        yield Props(actor=str(folder / "actor"), pages=stack.enter_context(on_disk(12 * MiB)))


def play(kind: Kind, props: Props) -> list[str]:
    """Play a kind ROUNDS times and return the failures as texts."""
    variants = [each for each in kind.variants if is_played(each)]
    first = KINDS.index(kind)
    failures = []
    for turn in range(first, first + ROUNDS):
        results = played(kind, variants[turn % len(variants)], props)
        SCORES.extend(each for each, _ in results)
        failures += [failure for _, failure in results if failure]
    return failures


def is_played(variant: Variant) -> bool:
    """Tell whether this guest can play a variant, in the time that there is.

    A test run does not keep several processors busy: where they are emulated, that takes minutes in all.
    """
    is_short = IS_ALL or not variant.load or len(os.sched_getaffinity(0)) == 1
    return is_short and (is_log_readable() or not variant.log)


def played(kind: Kind, variant: Variant, props: Props) -> list[tuple[Score, str]]:
    """Play one variant, with the log readable or hidden as the variant says; return what `judged` returns."""
    if variant.log or not is_log_readable():
        return judged(kind, variant, props)
    return in_child(partial(played_without_log, kind, variant, props))


def played_without_log(kind: Kind, variant: Variant, props: Props) -> list[tuple[Score, str]]:
    """Hide the log from this process for good, and play."""
    hide(JOURNALCTL)
    return judged(kind, variant, props)


def judged(kind: Kind, variant: Variant, props: Props) -> list[tuple[Score, str]]:
    """Play one variant; return the score of each claim, with its failure as text, empty if there is none."""
    with set_up(variant, props) as stage:
        claims = asyncio.run(asyncio.wait_for(kind.play(stage), GENEROUS))
    return [judgement(kind, stage, claim) for claim in (claims if isinstance(claims, tuple) else (claims,))]


def judgement(kind: Kind, stage: Stage, claim: Claim) -> tuple[Score, str]:
    """Return the score of a claim, and its failure as text, empty if there is none."""
    variant = stage.variant
    circumstances = Circumstances(
        kind=kind.name,
        policy=str(variant.policy),
        log=variant.log,
        load=variant.load,
        seen=frozenset(stage.seen),
        counted=claim.report["unit"] in stage.counted,
        job=claim.report["unit"] in stage.jobs,
        may_lose_counters=kind.may_lose_counters or variant.policy is OOMPolicy.KILL,
    )
    if variant.log:
        circumstances = logged(claim, circumstances)
    mark = score(claim.report, claim.truth, circumstances)
    if not mark.is_failure:
        return mark, ""
    facts = (mark, f"truth: {claim.truth}", f"report: {without_details(claim.report)}", *stage.looks)
    return mark, "\n  ".join(map(str, facts))


@contextmanager
def set_up(variant: Variant, props: Props) -> Iterator[Stage]:
    """Yield the stage for a variant."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm")))
        os.mkfifo(scratch / "TRUTH")
        fifo = os.open(scratch / "TRUTH", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)  # both ends: open() does not block
        stack.callback(os.close, fifo)
        stack.enter_context(busy() if variant.load else nullcontext())
        yield Stage(actor=props.actor, pages=props.pages, scratch=scratch, fifo=fifo, variant=variant)


def logged(claim: Claim, circumstances: Circumstances) -> Circumstances:
    """Return the circumstances with the facts from the kernel log, as journalctl prints it.

    A victim counts as logged if the log names it with the scope's cgroup, or if it is the command itself. The kernel
    leaves out reports that come too fast, and victims that systemd kills at the same time; journald loses records when
    it is too slow.
    """
    oom = claim.report["oom"]
    by_log = {victim["pid"] for victim in (oom and oom["victims"]) or () if victim["source"] == "kernel log"}
    victims = set(claim.truth.victims)
    if not victims - by_log and not (oom and oom["limit_of"] == "unknown"):
        return replace(circumstances, logged=frozenset(by_log), is_limit_told=True)
    since = datetime.fromisoformat(claim.report["started"]).timestamp()
    words = ["journalctl", "--system", "--dmesg", "--output=cat", f"--since=@{since}"]
    text = subprocess.run(words, capture_output=True, check=True, timeout=GENEROUS).stdout.decode(errors="replace")
    cgroup = re.escape(claim.report["cgroup"])
    summaries = re.findall(rf",task_memcg={cgroup}[/,](?s:.{{0,200}}?),pid=(\d+),uid=\d+$", text, re.MULTILINE)
    named = set(map(int, summaries))
    killed = {int(pid) for pid in re.findall(r"Killed process (\d+) \(", text)}
    events = claim.report["memory"]["events"] or {"oom_group_kill": 0}
    # Of a group the log has one summary, for the process that was chosen.
    is_group = circumstances.policy == "kill" or events["oom_group_kill"] > 0
    return replace(
        circumstances,
        logged=frozenset(killed & {claim.report["pid"], *named} & victims | by_log),
        unnamed=frozenset(victims - killed),
        is_limit_told=bool(named) and (is_group or {*[*claim.truth.victims][-1:]} <= named),
    )


def without_details(report: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of a report that show why it is wrong."""
    oom = report["oom"] and {key: value for key, value in report["oom"].items() if key != "kernel_log"}
    log = [record for each in (report["oom"] or {}).get("kernel_log") or () for record in each["records"]]
    said = [record for record in log if "oom-kill:" in record or "Killed process" in record]
    keys = ("unit", "pid", "verdict", "result", "exit_code", "signal", "left_running", "evidence")
    return {key: report[key] for key in keys} | {"oom": oom, "events": report["memory"]["events"], "kernel_log": said}


def is_log_readable() -> bool:
    """Return whether this user has permission to read the journal."""
    return bool({"systemd-journal", "adm"} & {grp.getgrgid(number).gr_name for number in os.getgroups()})
