"""Ways to end that look like running out of memory but are something else."""

import os
import signal
from typing import Any

from scoperun import Limits, MiB
from tests.guest.story import systemctl

from .kinds import ended, kind
from .stage import LIMIT, Claim, Stage, gone, kill_all

ROOMY = Limits(memory_max=100 * MiB)

AT_THE_LIMIT = ("take", "14", "churn")


@kind("lives at its limit and ends well")
async def at_the_limit(stage: Stage) -> Claim:
    report = await stage.act(*AT_THE_LIMIT, stage.pages, "churn", stage.pages, "exit", "0")
    return ended(under_pressure(report), "success")


@kind("lives at its limit and kills itself")
async def suicide(stage: Stage) -> Claim:
    return ended(under_pressure(await stage.act(*AT_THE_LIMIT, stage.pages, "raise", "9")), "signal")


@kind("lives at its limit and is killed by another process")
async def murder(stage: Stage) -> Claim:
    async with stage.scope(stage.actor, *AT_THE_LIMIT, stage.pages, "say", "victim", "pause") as scope:
        os.kill(await stage.pid("victim"), signal.SIGKILL)
        return ended(under_pressure(await stage.report(scope)), "signal")


@kind("lives at its limit and aborts")
async def abort(stage: Stage) -> Claim:
    return ended(await stage.act(*AT_THE_LIMIT, stage.pages, "raise", "6"), "signal")


@kind("lives at its limit and has a segmentation fault")
async def fault(stage: Stage) -> Claim:
    return ended(await stage.act(*AT_THE_LIMIT, stage.pages, "raise", "11"), "signal")


@kind("kills itself just below its limit")
async def below(stage: Stage) -> Claim:
    return ended(await stage.act("take", "18", "raise", "9"), "signal")


@kind("a child is killed at the limit and the command exits with 137")
async def passed_on(stage: Stage) -> Claim:
    script = "($A take 14 churn $PAGES raise 9) 2>/dev/null; exit 137"
    return ended(under_pressure(await stage.shell(script)), "exit-code")


@kind("a child is killed at the limit and the command ends well")
async def forgiven(stage: Stage) -> Claim:
    return ended(under_pressure(await stage.shell("$A take 14 churn $PAGES raise 9; exit 0")), "success")


@kind("exits with 137 of its own")
async def number(stage: Stage) -> Claim:
    return ended(await stage.shell("exit 137"), "exit-code")


@kind("is refused memory by RLIMIT_AS")
async def refused(stage: Stage) -> Claim:
    report = await stage.shell("ulimit -v 40000; $A take 100; exit $?")
    assert report["exit_code"] == 12
    return ended(report, "exit-code")


@kind("is refused a process by TasksMax=")
async def no_more_tasks(stage: Stage) -> Claim:
    report = await stage.shell("sleep 100 & sleep 100 & :", limits=Limits(memory_max=LIMIT, tasks_max=2))
    for left in report["left_running"]:
        os.kill(left["pid"], signal.SIGKILL)
        await gone(left["pid"])
    return ended(report, "exit-code")


@kind("is killed by RLIMIT_CPU")
async def processor_time(stage: Stage) -> Claim:
    return ended(await stage.shell("ulimit -t 1; while :; do :; done"), "signal")


@kind("runs into its timeout at the limit")
async def timeout(stage: Stage) -> Claim:
    limits = Limits(memory_max=LIMIT, runtime_max=1)
    report = await stage.act(*AT_THE_LIMIT, stage.pages, "pause", limits=limits)
    return ended(report, "timeout")


@kind("is stopped at the limit")
async def stopped(stage: Stage) -> Claim:
    async with stage.scope(stage.actor, *AT_THE_LIMIT, stage.pages, "say", "stopped", "pause") as scope:
        await stage.pid("stopped")
        systemctl("stop", "--no-block", scope.start.unit)
        return ended(under_pressure(await stage.report(scope)), "signal")


@kind("all of the scope is killed by systemctl kill")
async def all_killed(stage: Stage) -> Claim:
    async with stage.scope(stage.actor, *AT_THE_LIMIT, stage.pages, "say", "victim", "pause") as scope:
        await stage.pid("victim")
        await scope.kill(signal.SIGKILL)
        return ended(await stage.report(scope), "signal", withheld=stage.survives)


@kind("all of the scope is killed by cgroup.kill")
async def cgroup_killed(stage: Stage) -> Claim:
    async with stage.scope(stage.actor, *AT_THE_LIMIT, stage.pages, "say", "victim", "pause") as scope:
        await stage.pid("victim")
        kill_all(scope.start.cgroup)
        return ended(await stage.report(scope), "signal", withheld=stage.survives)


@kind("is killed after a process of the same name ran out of memory")
async def namesake(stage: Stage) -> Claim:
    await stage.act("leak", unit="truth-namesake")
    async with stage.scope(stage.actor, "say", "victim", "pause", unit="truth-namesake") as scope:
        await stage.pid("victim")
        await scope.kill(signal.SIGKILL)
        return ended(await stage.report(scope), "signal", withheld=stage.survives)


@kind("is killed while another scope runs out of memory")
async def elsewhere(stage: Stage) -> Claim:
    async with stage.scope(stage.actor, *AT_THE_LIMIT, stage.pages, "say", "victim", "pause") as scope:
        victim = await stage.pid("victim")
        leak = await stage.act("leak")
        assert leak["signal"] == signal.SIGKILL
        os.kill(victim, signal.SIGKILL)
        return ended(under_pressure(await stage.report(scope)), "signal")


@kind("has a process that leaks in a scope of its own")
async def escaped(stage: Stage) -> Claim:
    escape = "systemd-run --user --scope --collect -q -p MemoryMax=10M -p MemorySwapMax=0"
    report = await stage.shell(f"{escape} $A say leaker leak 2>/dev/null; echo status $? >$TRUTH; exit 0")
    assert stage.told("status") == [137]
    return ended(report, "success")


@kind("leaves the scope and runs out of memory elsewhere")
async def left(stage: Stage) -> Claim:
    """The scope's counters do not show the kill."""
    escape = "exec systemd-run --user --scope --collect -q -p MemoryMax=10M -p MemorySwapMax=0"
    report = await stage.shell(f"{escape} $A leak")
    assert report["left_scope"] is not None
    return ended(report, "unknown")


@kind("leaves the scope, takes more than its limit and ends well")
async def left_well(stage: Stage) -> Claim:
    report = await stage.shell("exec systemd-run --user --scope --collect -q $A take 40 exit 0")
    assert report["left_scope"] is not None
    return ended(report, "success")


@kind("writes what systemd-oomd writes and kills itself")
async def forger(stage: Stage) -> Claim:
    mark = "import os; os.setxattr('/sys/fs/cgroup' + os.environ['HERE'], 'user.oomd_ooms', b'1')"
    here = "export HERE=$(cut -d: -f3 /proc/self/cgroup)"
    return ended(await stage.shell(f'{here}; python3 -c "{mark}"; kill -9 $$', limits=ROOMY), "signal")


@kind("is stopped from outside before its time is over, and ends well after that")
async def stopped_in_time(stage: Stage) -> Claim:
    script = "trap 'trapped=1' TERM; $A say ready; while [ -z $trapped ]; do sleep 0.1; done; sleep 2; exit 0"
    limits = Limits(memory_max=LIMIT, runtime_max=2)
    async with stage.scope("sh", "-c", script, limits=limits) as scope:
        await stage.pid("ready")
        systemctl("stop", "--no-block", scope.start.unit)
        return ended(await stage.report(scope), "success")


@kind("is called like an OOM and killed")
async def impostor(stage: Stage) -> Claim:
    return ended(await stage.act("name", "oom-kill: Killed", "take", "18", "raise", "9"), "signal")


@kind("is slowed down by MemoryHigh= and killed")
async def slowed(stage: Stage) -> Claim:
    limits = Limits(memory_max=40 * MiB, memory_high=16 * MiB)
    report = await stage.act("take", "10", "churn", stage.pages, "raise", "9", limits=limits)
    assert report["memory"]["events"]["high"] > 0
    return ended(report, "signal")


def under_pressure(report: dict[str, Any]) -> dict[str, Any]:
    """Return the report; assert that the run reached its limit, as one that ran out of memory does."""
    assert report["memory"]["events"]["max"] > 0, "the limit was not felt"
    return report
