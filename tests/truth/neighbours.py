"""Limits that are not the scope's own: of a slice, which others share, and of the machine."""

import asyncio
import os
import signal

from scoperun import Limits, MiB, OOMPolicy

from .deaths import with_group
from .kinds import SMALL, SWAP, ended, killed, kind
from .stage import SLICE, Claim, Stage, capped_slice

NO_LIMIT = Limits()
ROOMY = Limits(memory_max=100 * MiB)

CHOSEN = ("adj", "1000")
"""The actor's words with which the kernel prefers it as a victim."""


@kind("the slice's limit is lower than the scope's")
async def lower_slice(stage: Stage) -> Claim:
    with capped_slice(20 * MiB):
        report = await stage.act("leak", slice=SLICE, limits=ROOMY)
    return killed(report, report["pid"], limit_of="slice", units=(SLICE,))


@kind("the slice is killed as a whole", OOMPolicy.CONTINUE, OOMPolicy.KILL, may_lose_counters=True)
async def whole_slice(stage: Stage) -> Claim:
    """The command sets memory.oom.group, because systemd resets it when it starts a scope in the slice."""
    slice_of = "here=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); echo 1 >${here%/*}/memory.oom.group; "
    script = slice_of + "for i in 1 2 3; do $A take 1 say member pause & done; $A say leaker go leak; exit 5"
    with capped_slice(20 * MiB):
        async with stage.scope("sh", "-c", script, slice=SLICE, limits=ROOMY) as scope:
            leaker, _ = await stage.pid("leaker"), await stage.pid("member", count=3)
            stage.tell(leaker)
            report = await stage.report(scope)
    victims = [leaker, *stage.told("member"), (report["pid"], "sh")]
    withheld = frozenset() if stage.variant.log else frozenset({"victims", "kills"})
    return killed(report, *victims, limit_of="slice", units=(SLICE,), withheld=withheld)


@kind("only the slice has a limit, and a child leaks")
async def only_slice(stage: Stage) -> Claim:
    with capped_slice(20 * MiB):
        report = await stage.shell("$A say leaker leak; exit 5", slice=SLICE, limits=NO_LIMIT)
    group = with_group(stage, (report["pid"], "sh"))
    return killed(report, *stage.told("leaker"), *group, limit_of="slice", units=(SLICE,))


@kind("the neighbour in the slice leaks and both are killed")
async def neighbours_fault(stage: Stage) -> tuple[Claim, Claim]:
    with capped_slice(24 * MiB):
        ours = stage.scope(stage.actor, *CHOSEN, "take", "12", "say", "ours", "pause", slice=SLICE, limits=ROOMY)
        async with ours as scope:
            await stage.pid("ours")
            leak, report = await asyncio.gather(stage.act("creep", slice=SLICE, limits=ROOMY), stage.report(scope))
    both = (report, leak)
    first, second = (killed(each, each["pid"], limit_of="slice", units=(SLICE,)) for each in both)
    return first, second


@kind("the neighbour in the slice is killed and the command ends well")
async def neighbours_death(stage: Stage) -> tuple[Claim, Claim]:
    with capped_slice(24 * MiB):
        ours = stage.scope(stage.actor, "take", "4", "say", "ours", "go", "exit", "0", slice=SLICE, limits=ROOMY)
        async with ours as scope:
            pid = await stage.pid("ours")
            leak = await stage.act(*CHOSEN, "leak", slice=SLICE, limits=ROOMY)
            stage.tell(pid)
            report = await stage.report(scope)
    return ended(report, "success"), killed(leak, leak["pid"], limit_of="slice", units=(SLICE,))


@kind("the neighbour in the slice is killed and another process kills the command")
async def neighbours_death_and_murder(stage: Stage) -> tuple[Claim, Claim]:
    with capped_slice(24 * MiB):
        ours = stage.scope(stage.actor, "take", "4", "say", "ours", "pause", slice=SLICE, limits=ROOMY)
        async with ours as scope:
            pid = await stage.pid("ours")
            leak = await stage.act(*CHOSEN, "leak", slice=SLICE, limits=ROOMY)
            os.kill(pid, signal.SIGKILL)
            report = await stage.report(scope)
    return ended(report, "signal"), killed(leak, leak["pid"], limit_of="slice", units=(SLICE,))


@kind("a child at the scope's limit, then another at the slice's", OOMPolicy.CONTINUE)
async def both_limits(stage: Stage) -> Claim:
    script = "$A say leaker leak; $A adj 1000 say leaker go leak; exit 0"
    # The last snapshot saw the second child just after its start: at the slice's limit it is killed at once. The kernel
    # can also leave out of its log whose limit that was.
    withheld = frozenset({"limit"} if stage.variant.log else {"limit", "victims"})
    with capped_slice(30 * MiB):
        async with stage.scope("sh", "-c", script, slice=SLICE) as scope:
            second = await stage.pid_unless_over(scope, "leaker", count=2)
            if second is None:  # the shell was killed too, while the memory of the first was not free yet
                report = await stage.report(scope)
                return killed(report, *stage.told("leaker"), (report["pid"], "sh"), withheld=withheld)
            full = stage.scope(stage.actor, "take", "20", "say", "full", "pause", slice=SLICE, limits=ROOMY)
            async with full:
                await stage.pid("full")
                os.kill(second, signal.SIGUSR1)
                report = await stage.report(scope)
    return killed(report, *stage.told("leaker"), limit_of="slice", units=(SLICE,), withheld=withheld)


@kind("the machine is full", guest=SMALL)
async def machine(stage: Stage) -> Claim:
    report = await stage.act(*CHOSEN, "leak", limits=NO_LIMIT)
    return killed(report, report["pid"], limit_of="host")


@kind("the machine is smaller than the limit, and a child leaks", guest=SMALL)
async def smaller_machine(stage: Stage) -> Claim:
    script = "$A say leaker adj 1000 leak; exit 5"
    report = await stage.shell(script, limits=Limits(memory_max=2048 * MiB))
    # No event in the scope announces that the machine gets full, so that scoperun takes no snapshot before the kill.
    withheld = frozenset() if stage.variant.log else frozenset({"victims"})
    group = with_group(stage, (report["pid"], "sh"))
    return killed(report, *stage.told("leaker"), *group, limit_of="host", withheld=withheld)


@kind("a child at the scope's limit, then another as the machine is full", OOMPolicy.CONTINUE, guest=SMALL)
async def then_machine(stage: Stage) -> Claim:
    script = "$A say leaker leak; $A adj 1000 say leaker take 10 go pause; exit 0"
    # If the scope's limit was reached once more, it is not known whether the second child was killed for it.
    withheld = frozenset({"limit"} if stage.variant.log else {"limit", "victims"})
    async with stage.scope("sh", "-c", script) as scope:
        second = await stage.pid_unless_over(scope, "leaker", count=2)
        if second is None:  # the shell was killed too, while the memory of the first was not free yet
            report = await stage.report(scope)
            return killed(report, *stage.told("leaker"), (report["pid"], "sh"), withheld=withheld)
        await stage.act("leak", limits=NO_LIMIT)
        report = await stage.report(scope)
    return killed(report, *stage.told("leaker"), limit_of="host", withheld=withheld)


@kind("a neighbour fills the machine and both are killed", guest=SMALL)
async def machine_filled(stage: Stage) -> tuple[Claim, Claim]:
    ours = stage.scope(stage.actor, *CHOSEN, "take", "40", "say", "ours", "pause", limits=NO_LIMIT)
    async with ours as scope:
        await stage.pid("ours")
        leak, report = await asyncio.gather(stage.act("adj", "500", "leak", limits=NO_LIMIT), stage.report(scope))
    first, second = (killed(each, each["pid"], limit_of="host") for each in (report, leak))
    return first, second


@kind("a neighbour fills the machine and another process kills the command", guest=SMALL)
async def machine_filled_elsewhere(stage: Stage) -> tuple[Claim, Claim]:
    async with stage.scope(stage.actor, "take", "4", "say", "ours", "pause", limits=NO_LIMIT) as scope:
        pid = await stage.pid("ours")
        leak = await stage.act(*CHOSEN, "leak", limits=NO_LIMIT)
        os.kill(pid, signal.SIGKILL)
        report = await stage.report(scope)
    return ended(report, "signal"), killed(leak, leak["pid"], limit_of="host")


@kind("leaks through memory and swap", guest=SWAP)
async def swap(stage: Stage) -> Claim:
    report = await stage.act("leak", limits=Limits(memory_max=20 * MiB, memory_swap_max=10 * MiB))
    return killed(report, report["pid"])


@kind("a child leaks through memory and swap", guest=SWAP)
async def swap_of_child(stage: Stage) -> Claim:
    limits = Limits(memory_max=20 * MiB, memory_swap_max=10 * MiB)
    report = await stage.shell("$A say leaker leak; exit 5", limits=limits)
    return killed(report, *stage.told("leaker"), *with_group(stage, (report["pid"], "sh")))


@kind("is pushed into swap and ends well", guest=SWAP)
async def swapped(stage: Stage) -> Claim:
    limits = Limits(memory_max=20 * MiB, memory_swap_max=100 * MiB)
    return ended(await stage.act("touch", "40", "exit", "0", limits=limits), "success")


@kind("is pushed into swap and killed by another process", guest=SWAP)
async def swapped_and_killed(stage: Stage) -> Claim:
    limits = Limits(memory_max=20 * MiB, memory_swap_max=100 * MiB)
    async with stage.scope(stage.actor, "touch", "40", "say", "victim", "pause", limits=limits) as scope:
        os.kill(await stage.pid("victim"), signal.SIGKILL)
        return ended(await stage.report(scope), "signal")
