"""Ways to be killed because memory runs out."""

import os
import signal
import time
from typing import Any

from scoperun import Limits, MiB, OOMPolicy
from scoperun.printable import utf8
from tests.guest.waiting import process_gone

from .kinds import killed, kind
from .stage import Claim, Stage, count_as_oomd, gone, kill_all

CONTINUE, STOP, KILL = OOMPolicy.CONTINUE, OOMPolicy.STOP, OOMPolicy.KILL

# Names that a parser of /proc or of the kernel log could misread; of each sort one name for each policy.
NAMES = {
    "like the end of a name": (") S 1 (", "1 (x) total-vm:", ",pid=1,uid=0"),
    "like a record": ("Killed process", "a\nb", "\\x0a\t\x1b[31m"),
    "in other letters": ("two  words", "ünïcödé", "\udcff\udcfe"),
}

DOUBT = frozenset({"victims"})
"""Without the log two processes can have been the victim, or the last snapshot saw it just after its start."""


@kind("the command leaks")
async def command(stage: Stage) -> Claim:
    report = await stage.act("leak")
    return killed(report, report["pid"])


@kind("the command leaks, and its limit was lowered before")
async def lowered(stage: Stage) -> Claim:
    script = "echo 10M >/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/memory.max; exec $A leak"
    report = await stage.shell(script, limits=Limits(memory_max=200 * MiB))
    assert report["oom"]["limit"] in {10 * MiB, None}
    return killed(report, report["pid"])


@kind("the command leaks in a unit whose name systemd escapes")
async def escaped(stage: Stage) -> Claim:
    report = await stage.act("leak", unit="_memory.job", slice="_truth.slice")
    return killed(report, report["pid"])


@kind("the command leaks slowly")
async def slow(stage: Stage) -> Claim:
    report = await stage.act("creep")
    return killed(report, report["pid"])


@kind("the command leaks shared memory", may_lose_counters=True)
async def shared(stage: Stage) -> Claim:
    report = await stage.act("shm")
    return killed(report, *command_if_killed(report))


@kind("the command fills a tmpfs", may_lose_counters=True)
async def tmpfs(stage: Stage) -> Claim:
    report = await stage.act("file", str(stage.scratch / "filled"))
    return killed(report, *command_if_killed(report))


@kind("the command fills pipes", may_lose_counters=True)
async def pipes(stage: Stage) -> Claim:
    report = await stage.act("pipes")
    return killed(report, *command_if_killed(report))


@kind("a thread leaks")
async def thread(stage: Stage) -> Claim:
    report = await stage.act("thread", "leak")
    return killed(report, report["pid"])


@kind("a thread leaks after the main thread's end")
async def widow(stage: Stage) -> Claim:
    report = await stage.act("widow", "leak")
    return killed(report, (report["pid"], "actor|worker"))


def sharing(how: str, verb: str) -> None:
    """Add the stories of a leak in memory that two processes share: both die; the kernel counts and names only one."""

    @kind(f"two share their memory by {how}, and one leaks")
    async def leak(stage: Stage) -> Claim:
        report = await stage.act("take", "12", verb, "say", "sharer", "churn", stage.pages, "leak")
        return killed(report, report["pid"], *stage.told("sharer"), counted=1, withheld=DOUBT)

    @kind(f"two children share their memory by {how}, and one leaks")
    async def child(stage: Stage) -> Claim:
        report = await stage.shell(f"$A say leaker take 12 {verb} say sharer churn $PAGES leak; exit 5")
        both = *stage.told("leaker"), *stage.told("sharer")
        return killed(report, *both, *with_group(stage, (report["pid"], "sh")), counted=1, withheld=DOUBT)


for how, verb in {"CLONE_VM": "share", "vfork": "vfork"}.items():
    sharing(how, verb)


def called(what: str, names: tuple[str, ...]) -> None:
    """Add the story of a leak by a process with one of these names, one for each policy."""

    @kind(f"a leak that is called {what}")
    async def leak(stage: Stage) -> Claim:
        name = names[list(OOMPolicy).index(stage.policy)]
        report = await stage.act("name", name, "leak")
        given = os.fsdecode(os.fsencode(name)[:15])
        return killed(report, (report["pid"], utf8(given)))


for each, names in NAMES.items():
    called(each, names)


@kind("a child leaks")
async def child(stage: Stage) -> Claim:
    report = await stage.shell("$A say leaker leak; exit 5")
    return killed(report, *stage.told("leaker"), *with_group(stage, (report["pid"], "sh")))


@kind("a grandchild leaks")
async def grandchild(stage: Stage) -> Claim:
    report = await stage.shell("sh -c 'echo inner $$ >$TRUTH; $A say leaker leak; exit 4'; exit 5")
    shells = [(pid, "sh") for pid in (report["pid"], *stage.told("inner"))]
    return killed(report, *stage.told("leaker"), *with_group(stage, *shells), withheld=DOUBT)


@kind("three children leak one after the other", CONTINUE)
async def in_turn(stage: Stage) -> Claim:
    report = await stage.shell("for i in 1 2 3; do $A say leaker leak; echo status $? >$TRUTH; done; exit 0")
    return killed(report, *stage.told("leaker"), *teller_of_deaths(stage, report, 3), withheld=DOUBT)


@kind("two children leak at once", CONTINUE)
async def at_once(stage: Stage) -> Claim:
    script = "$A say leaker leak & first=$!; $A say leaker leak & wait $!; echo status $? >$TRUTH; "
    report = await stage.shell(script + "wait $first; echo status $? >$TRUTH")
    return killed(report, *leakers(stage, report), *teller_of_deaths(stage, report, 2), withheld=DOUBT)


@kind("two children leak at once, each on its own processor if there are two", CONTINUE)
async def on_two_processors(stage: Stage) -> Claim:
    """One kill is counted while the other is under way."""
    processors = len(os.sched_getaffinity(0))
    leak = [f"taskset --cpu-list {number % processors} $A say leaker go leak & " for number in (0, 1)]
    script = f"{leak[0]}first=$!; {leak[1]}wait $!; echo status $? >$TRUTH; wait $first; echo status $? >$TRUTH"
    async with stage.scope("sh", "-c", script) as scope:
        for leaker in [await stage.pid("leaker", count=count) for count in (1, 2)]:
            stage.tell(leaker)
        report = await stage.report(scope)
    return killed(report, *leakers(stage, report), *teller_of_deaths(stage, report, 2), withheld=DOUBT)


@kind("six children leak at once", CONTINUE)
async def burst(stage: Stage) -> Claim:
    """They are killed faster than the memory is looked at."""
    script = 'for i in 1 2 3 4 5 6; do $A say leaker leak & all="$all $!"; done; '
    script += "for each in $all; do wait $each; echo status $? >$TRUTH; done; exit 0"
    report = await stage.shell(script)
    return killed(report, *leakers(stage, report), *teller_of_deaths(stage, report, 6), withheld=DOUBT)


@kind("more and more children take memory", CONTINUE, KILL)
async def storm(stage: Stage) -> Claim:
    report = await stage.act("storm", "16")
    victims = stage.told("died") if stage.survives else [*stage.told("child"), report["pid"]]
    return killed(report, *victims, withheld=DOUBT)


@kind("a daemon leaks")
async def daemon(stage: Stage) -> Claim:
    async with stage.scope("sh", "-c", "(setsid $A say leaker go leak &); $A say waiter go; exit 0") as scope:
        leaker, waiter = await stage.pid("leaker"), await stage.pid("waiter")
        stage.tell(leaker)
        await gone(leaker)
        if stage.survives:
            stage.tell(waiter)
        report = await stage.report(scope)
    return killed(report, leaker, *with_group(stage, waiter, (scope.start.pid, "sh")), withheld=DOUBT)


@kind("the command leaks and a child lives on")
async def outlived(stage: Stage) -> Claim:
    async with stage.scope("sh", "-c", "$A say child pause & exec $A say leaker go leak") as scope:
        child, leaker = await stage.pid("child"), await stage.pid("leaker")
        stage.tell(leaker)
        report = await stage.report(scope)
        if stage.survives:
            os.kill(child, signal.SIGKILL)
        await gone(child)
    return killed(report, leaker, *with_group(stage, child))


@kind("a child leaks and the command is killed afterwards", CONTINUE)
async def then_killed(stage: Stage) -> Claim:
    report = await stage.shell("$A say leaker leak; kill -9 $$")
    return killed(report, *stage.told("leaker"), withheld=DOUBT)


@kind("a child leaks, the command ignores SIGTERM and ends well", CONTINUE, STOP)
async def heedless(stage: Stage) -> Claim:
    report = await stage.shell("trap '' TERM; $A say leaker leak; exit 0")
    return killed(report, *stage.told("leaker"))


@kind("another leaks while systemd stops the scope for the first", STOP, may_lose_counters=True)
async def in_the_stop(stage: Stage) -> Claim:
    """Systemd then kills all processes that are left, also the one that holds the counters."""
    script = "trap '' TERM; $A say leaker go leak & $A say leaker go leak & wait"
    async with stage.scope("sh", "-c", script) as scope:
        leakers = await stage.pid("leaker"), await stage.pid("leaker", count=2)
        for leaker in leakers:
            stage.tell(leaker)
            await gone(leaker)
        report = await stage.report(scope)
    withheld = frozenset() if stage.variant.log else frozenset({"victims", "limit", "kills"})
    return killed(report, *leakers, withheld=withheld)


@kind("a child leaks that was left behind")
async def leftover(stage: Stage) -> Claim:
    async with stage.scope("sh", "-c", "$A say leaker go leak & exit 0", wait=True) as scope:
        leaker = await stage.pid("leaker")
        await gone(scope.start.pid)
        stage.tell(leaker)
        report = await stage.report(scope)
    return killed(report, leaker)


@kind("one leaks and another is chosen", CONTINUE, KILL)
async def innocent(stage: Stage) -> Claim:
    bystander = "sh -c 'echo inner $$ >$TRUTH; $A adj 1000 take 12 say innocent pause; : >$SCRATCH/done' & "
    script = bystander + "$A say leaker go until $SCRATCH/done exit 0; echo status $? >$TRUTH; exit 0"
    async with stage.scope("sh", "-c", script) as scope:
        chosen, leaker = await stage.pid("innocent"), await stage.pid("leaker")
        stage.tell(leaker)
        report = await stage.report(scope)
    # The first one had little memory: the leaker can be at the limit again before the first one's shell reports.
    both = [leaker] if stage.told("status") == [137] else []
    shells = [(pid, "sh") for pid in (scope.start.pid, *stage.told("inner"))]
    return killed(report, chosen, *both, *with_group(stage, leaker, *shells), withheld=DOUBT)


@kind("one of several alike is chosen, and the others are killed for it", CONTINUE)
async def workers(stage: Stage) -> Claim:
    """Like a server that restarts its workers: all have one size and are killed, but only one by the kernel."""
    alike = 'take 4 say alike pause & alike="$alike $!"; '
    script = f"$A adj 1000 take 4 say chosen pause & chosen=$!; $A {alike} $A {alike}"
    script += "$A say leaker go until $SCRATCH/done exit 0 & leaker=$!; "
    script += "wait $chosen; : >$SCRATCH/done; kill -9 $alike; wait $leaker; echo status $? >$TRUTH; exit 0"
    async with stage.scope("sh", "-c", script) as scope:
        chosen, leaker, _ = await stage.pid("chosen"), await stage.pid("leaker"), await stage.pid("alike", count=2)
        stage.tell(leaker)
        report = await stage.report(scope)
    return killed(report, chosen, *([leaker] if stage.told("status") == [137] else []), withheld=DOUBT)


@kind("a group dies as one", KILL)
async def group(stage: Stage) -> Claim:
    script = "for i in 1 2 3; do $A take 1 say member pause & done; $A say leaker go leak; exit 5"
    async with stage.scope("sh", "-c", script) as scope:
        leaker, _ = await stage.pid("leaker"), await stage.pid("member", count=3)
        stage.tell(leaker)
        report = await stage.report(scope)
    return killed(report, leaker, *stage.told("member"), (scope.start.pid, "sh"))


@kind("one ended at the limit before another leaks")
async def predecessor(stage: Stage) -> Claim:
    report = await stage.shell("$A take 12 churn $PAGES churn $PAGES exit 0; $A say leaker leak; exit 5")
    return killed(report, *stage.told("leaker"), *with_group(stage, (report["pid"], "sh")), withheld=DOUBT)


@kind("one was killed at the limit before another leaks")
async def killed_before(stage: Stage) -> Claim:
    report = await stage.shell("$A take 12 churn $PAGES churn $PAGES raise 9; $A say leaker leak; exit 5")
    return killed(report, *stage.told("leaker"), *with_group(stage, (report["pid"], "sh")), withheld=DOUBT)


@kind("a child leaks after much pressure and the command is killed", CONTINUE)
async def pressed_then_killed(stage: Stage) -> Claim:
    report = await stage.shell("$A take 12 churn $PAGES churn $PAGES exit 0; $A say leaker leak; kill -9 $$")
    return killed(report, *stage.told("leaker"), withheld=DOUBT)


@kind("processes come and go while one leaks", CONTINUE)
async def comers_and_goers(stage: Stage) -> Claim:
    come_and_go = "while kill -0 $! 2>/dev/null; do $A say comer touch 1 say goer; done"
    script = f"$A say leaker creep & {come_and_go}; wait $!; echo status $? >$TRUTH"
    report = await stage.shell(script, kill_leftovers=False)
    stayed = set(stage.told("comer")) - set(stage.told("goer")) - {left["pid"] for left in report["left_running"]}
    victims = [*stage.told("leaker"), *stayed, *teller_of_deaths(stage, report, 1)]
    return killed(report, *victims, withheld=DOUBT)


@kind("another is killed in the moment of the leak", CONTINUE)
async def coincidence(stage: Stage) -> Claim:
    script = "$A say other take 8 pause & other=$!; $A say leaker go leak & leaker=$!; wait $leaker; "
    script += "echo status $? >$TRUTH; wait $other; echo status $? >$TRUTH; exit 0"
    async with stage.scope("sh", "-c", script) as scope:
        other, leaker = await stage.pid("other"), await stage.pid("leaker")
        stage.tell(leaker)
        os.kill(other, signal.SIGKILL)
        report = await stage.report(scope)
    return killed(report, leaker, *teller_of_deaths(stage, report, 2), withheld=DOUBT)


@kind("another is killed before the leak while scoperun is held up", CONTINUE)
async def held_up(stage: Stage) -> Claim:
    """Its last snapshot is old by then, and none shows the leak."""
    script = "$A take 12 churn $PAGES say other pause & other=$!; $A say leaker go leak & leaker=$!; wait $leaker; "
    script += "echo status $? >$TRUTH; wait $other; echo status $? >$TRUTH; exit 0"
    async with stage.scope("sh", "-c", script) as scope:
        other, leaker = await stage.pid("other"), await stage.pid("leaker")
        time.sleep(1.2)  # noqa: ASYNC251  blocks scoperun's event loop on purpose
        os.kill(other, signal.SIGKILL)
        process_gone(other)
        stage.tell(leaker)
        process_gone(leaker)
        report = await stage.report(scope)
    return killed(report, leaker, *teller_of_deaths(stage, report, 2), withheld=DOUBT)


BELOW = """
    here=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
    mkdir $here/rest $here/work
    for pid in $(cat $here/cgroup.procs); do echo $pid >$here/rest/cgroup.procs; done 2>/dev/null
    echo +memory >$here/cgroup.subtree_control"""
"""Makes two cgroups below the scope, and moves the scope's processes into the first."""


@kind("a cgroup below the scope has a lower limit", CONTINUE)
async def below(stage: Stage) -> Claim:
    script = f"""{BELOW}
    echo 10M >$here/work/memory.max
    sh -c "echo \\$\\$ >$here/work/cgroup.procs; exec $A say leaker leak"
    echo status $? >$TRUTH
    """
    report = await stage.shell(script, limits=Limits(memory_max=60 * MiB), properties=("Delegate=yes",))
    return killed(report, *stage.told("leaker"), *teller_of_deaths(stage, report, 1), units=("work", None))


@kind("a cgroup below the scope dies as one, and a child of one that was in it", CONTINUE)
async def group_below(stage: Stage) -> Claim:
    """The child is outside of the group, and is killed because its parent ends."""
    script = rf"""{BELOW}
    echo 1 >$here/work/memory.oom.group
    sh -c "echo \$\$ >$here/work/cgroup.procs
        sh -c 'echo \$\$ >$here/rest/cgroup.procs; exec $A orphan say orphan pause' &
        $A say member pause &
        exec $A say leaker go leak" &
    wait $!
    """
    limits, properties = Limits(memory_max=60 * MiB), ("Delegate=yes", "OOMPolicy=continue")
    async with stage.scope("sh", "-c", script, limits=limits, properties=properties) as scope:
        leaker, member, orphan = [await stage.pid(role) for role in ("leaker", "member", "orphan")]
        stage.tell(leaker)
        await gone(orphan)
        report = await stage.report(scope)
    return killed(report, leaker, member)


@kind("systemd-oomd kills all of a cgroup below the scope", CONTINUE)
async def oomd_below(stage: Stage) -> Claim:
    script = rf"""{BELOW}
    sh -c "echo \$\$ >$here/work/cgroup.procs; exec $A take 4 say victim pause"
    exit 0
    """
    properties = ("Delegate=yes", "OOMPolicy=continue")
    async with stage.scope("sh", "-c", script, properties=properties) as scope:
        victim = await stage.pid("victim")
        count_as_oomd(f"{scope.start.cgroup}/work")
        os.kill(victim, signal.SIGKILL)
        report = await stage.report(scope)
    return killed(report, victim, limit_of="systemd-oomd", withheld=frozenset({"victims", "kills"}))


@kind("systemd-oomd kills all of the scope", may_lose_counters=True)
async def oomd(stage: Stage) -> Claim:
    async with stage.scope(stage.actor, "take", "8", "say", "victim", "pause") as scope:
        victim = await stage.pid("victim")
        count_as_oomd(scope.start.cgroup)
        kill_all(scope.start.cgroup)
        report = await stage.report(scope)
    return killed(report, victim, limit_of="systemd-oomd", withheld=frozenset({"victims", "kills"}))


COUNTS = {"memory.events oom_kill", "OOMKills"}
"""Sources of the number of kills: the kernel, and systemd, which still has it when the cgroup is gone."""


def command_if_killed(report: dict[str, Any]) -> list[int]:
    """Return the pid of a command without children, if the kernel killed it, and not only scoperun's own process.

    In that case systemd ends the command by SIGTERM. With two processors that can happen just after the kernel has
    chosen the command too: both processes are counted then, or the kernel's log names it, whatever ended the command.
    """
    counts = [each["value"] or 0 for each in report["evidence"] if each["source"] in COUNTS]
    was_counted = max(counts, default=0) > 1
    log = [record for each in (report["oom"] or {}).get("kernel_log") or () for record in each["records"]]
    was_logged = any(f"Killed process {report['pid']} (" in record for record in log)
    return [report["pid"]] if report["signal"] == signal.SIGKILL or was_counted or was_logged else []


def teller_of_deaths(stage: Stage, report: dict[str, Any], deaths: int) -> list[tuple[int, str]]:
    """Assert that the shell reported `deaths` deaths, or was killed too; return it as a victim in that case.

    Before the memory of a killed process is free, the kernel can need another victim, and only the shell is left.
    """
    was_killed = report["signal"] == signal.SIGKILL
    told = stage.told("status")
    assert told == [137] * (len(told) if was_killed else deaths), told
    return [(report["pid"], "sh")] if was_killed else []


def leakers(stage: Stage, report: dict[str, Any]) -> list[int]:
    """Return the leakers that were killed: if the kernel takes the shell in place of one, that one lives on."""
    living = {left["pid"] for left in report["left_running"] or ()} if report["signal"] == signal.SIGKILL else ()
    return [pid for pid in stage.told("leaker") if pid not in living]


def with_group(stage: Stage, *others: int | tuple[int, str]) -> tuple[int | tuple[int, str], ...]:
    """Return the other victims if the policy kills the whole scope, else none."""
    return others if stage.policy is KILL else ()
