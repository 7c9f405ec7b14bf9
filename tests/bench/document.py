"""The measurements as docs/benchmarks.md. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median, quantiles
from typing import Any

from tests.truth.document import table

from .inside.commands import PYSTEMD, RUNEXEC, SCOPE, SCOPERUN, WAIT
from .inside.startup import BARE, OURS, PACKAGES, PYTHON, SPARED, SPARED_OURS

OUR_MODULES = 0.015
"""The target for the import of our own modules, in seconds."""

MIB = 1 << 20
KIB = 1 << 10

INTRODUCTION = """\
# What scoperun costs

This file is written by `make bench`. Everything is measured in one run on one machine, side by side with the
alternatives, each doing the same work. On another machine, or on another day, the times differ: compare the ratios.
Native measurements run in namespaces with a systemd and a user manager of their own, at the machine's own speed.
Measurements that need a memory limit run in a guest of the lab (user-mode Linux), which is several times as slow. If
something is measured several times, the table has the median and the range.
"""


WORK = """\
A job that compiles, sorts, and starts 2,000 processes; its own time, without the start and the end of its wrapper. One
job under each wrapper exists at the same time, and they take turns, a twentieth of the work each, so that other load on
the machine affects both in the same way.
"""

IMPORTS = """\
The time that the imports of `scoperun -- true` take, by `-X importtime`, which itself takes a part of it; and the time
of the same modules in a program without the savings of scoperun/startup.py:
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine that was measured on; memory in bytes."""

    processor: str
    processors: int
    memory: int
    kernel: str
    date: str


def document(results: Mapping[str, Any], machine: Machine) -> str:
    """Return the document."""
    parts = [
        INTRODUCTION,
        facts(results["versions"], machine),
        "## Start-up: a command that does nothing\n",
        table(("command", "median", "range", f"{SCOPERUN} is"), startup(results["startup"]["times"])),
        ours(results["startup"]["times"]),
        floor(results["startup"]["times"]),
        steps_before(results["steps"]),
        table(("step", "median", "range"), steps(results["steps"])),
        IMPORTS,
        table(("modules of", "time", "nothing spared"), imports(**results["startup"]["imports"])),
        "## To the command's first instruction, and from its last one\n",
        table(("", "to exec", "range", "after exit", "range"), phases(results["phases"])),
        "## While the command runs\n",
        table(("", ""), idle(results["idle"], results["oom"]["charged"])),
        "## The command's own speed\n",
        WORK,
        table(("", "wall clock", "least", "processor", "least"), work(results["work"])),
        pairs(results["work"]["seconds"]),
        "## Many at once\n",
        *at_once(results["crowd"]),
        *from_one_process(results["library"]),
        "## `scopectl batch`\n",
        *batch(results["batch"], results["crowd"]),
        batch_idle(results["batch_idle"]),
        *long_batch(results["long_batch"]),
        *mixed(results["mixed"]),
        retried(results["oom"]),
        "## `scopectl top`\n",
        top(**results["top"]),
        "## From the kernel's kill to the last byte of the report\n",
        oom(results["oom"], results["startup"]["times"]),
    ]
    return "\n".join(parts)


def facts(versions: Mapping[str, str], machine: Machine) -> str:
    """Return the date, the machine, and the versions of the programs."""
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    memory = f"{machine.memory / (1 << 30):.0f} GiB of memory"
    return f"{machine.date}: {machine.processors} x {machine.processor}, {memory}, Linux {machine.kernel}.\n{named}.\n"


def startup(times: Mapping[str, Sequence[float]]) -> Iterable[Sequence[object]]:
    """Return the rows of whole commands."""
    ours = median(times[SCOPERUN])
    for name, each in times.items():
        in_words = name in {OURS, SPARED, SPARED_OURS, BARE}
        ratio = "" if name in {SCOPERUN, OURS, SPARED, SPARED_OURS} else f"{ours / median(each):.2f} x"
        yield name if in_words else f"`{name}`", milliseconds(median(each)), span(each), ratio


def ours(times: Mapping[str, Sequence[float]]) -> str:
    """Return the text below the start-up table: the targets, and the cost of our own modules."""
    targets = ((WAIT, 2.9), (RUNEXEC, 0.4), (PYSTEMD, 0.25))
    told = [f"{most:g} x `{name}`: {met(ratio(times, name), most)}" for name, most in targets]

    def more(with_ours: str, without: str) -> float:
        return median(times[with_ours]) - median(times[without])

    cost = more(SPARED_OURS, PACKAGES)
    told.append(
        f"15 ms for our own modules over `{PACKAGES}`: {1000 * cost:+.1f} ms as scoperun imports all of it, "
        f"{reached(cost <= OUR_MODULES)} ({1000 * more(SPARED_OURS, SPARED):+.1f} ms where both "
        f"are spared, {1000 * more(OURS, PACKAGES):+.1f} ms where neither is)"
    )
    return f"Aimed at: at most {'; '.join(told)}.\n"


def floor(times: Mapping[str, Sequence[float]]) -> str:
    """Return the text about the floor: the time that any program made of these packages needs."""
    packages, bare = median(times[SPARED]), median(times[BARE])
    ratios = " and ".join(f"{bare / median(times[name]):.2f} x `{name}`" for name in (WAIT, RUNEXEC))
    return (
        "scoperun imports asyncio without ssl and without what asyncio uses rarely, of dbus-next only the messages, "
        "collects no garbage meanwhile, and ends without taking the interpreter apart (scoperun/startup.py). With "
        f"that, Python and the packages alone take {milliseconds(packages)}: no scoperun made of them can start "
        "faster. A program that makes a scope with dbus-next's own connection, runs the command in it and reads how it "
        "ended, without options, limits, a keeper, a report or error handling (tests/bench/inside/bare.py), takes "
        f"{milliseconds(bare)}, or {ratios}.\n"
    )


def top(seconds: int, scopes: int, ours: Mapping[str, float], cgtop: float) -> str:
    """Return the text about the live table."""
    reading, drawing = ours["reading"] / ours["rounds"], ours["drawing"] / ours["rounds"]
    return (
        f"With {scopes} scopes, each of which starts a process a second, and a round a second on a terminal of 120 x "
        f"40, over {seconds} s: `scopectl top` uses {100 * (reading + drawing):.1f} % of a processor, "
        f"{100 * reading:.1f} % to read and {100 * drawing:.1f} % to draw; `systemd-cgtop -d 1` uses "
        f"{100 * cgtop / seconds:.1f} %. Aimed at: at most 5 %: {met(100 * (reading + drawing), 5)}.\n"
    )


def steps_before(results: Iterable[tuple[str, Sequence[float]]]) -> str:
    """Return the text above the table of steps."""
    total = sum(median(seconds) for _, seconds in results)
    return (
        f"Step by step, {milliseconds(total)} in all, by the machine's clock, including the time of systemd, "
        "dbus-daemon and the kernel. A command that ends at once then waits for the kernel, which reports at most "
        "100 times a second that a cgroup has become empty (CGROUP_FILE_NOTIFY_MIN_INTV in kernel/cgroup/cgroup.c).\n"
    )


def steps(results: Iterable[tuple[str, Sequence[float]]]) -> Iterable[Sequence[object]]:
    """Return the rows of the steps of a run."""
    for name, seconds in results:
        yield name, milliseconds(median(seconds)), span(seconds)


def imports(before: Mapping[str, float], after: Mapping[str, float]) -> Iterable[Sequence[object]]:
    """Return the rows of import times, by package."""
    for name, seconds in after.items():
        yield name, milliseconds(seconds), milliseconds(before[name])
    yield "all", milliseconds(sum(after.values())), milliseconds(sum(before.values()))


def ratio(times: Mapping[str, Sequence[float]], name: str) -> float:
    """Return the median time of scoperun divided by that of another command."""
    return median(times[SCOPERUN]) / median(times[name])


def met(value: float, most: float) -> str:
    """Return a value as text, with `reached` or `not reached` for its target."""
    return f"{value:.2f}, {reached(value <= most)}"


def phases(results: Mapping[str, Any]) -> Iterable[Sequence[object]]:
    """Return the rows of the times before and after the command."""
    for name, before in results["to_exec"].items():
        after = results["after_exit"][name]
        yield f"`{name}`", milliseconds(median(before)), span(before), milliseconds(median(after)), span(after)


def idle(idle: Mapping[str, Any], charged: Mapping[str, int]) -> Iterable[Sequence[object]]:
    """Return the rows of what scoperun uses while the command sleeps."""
    yield f"processor time in {idle['seconds']} s", f"{milliseconds(idle['cpu'])} (aimed at: 5 ms)"
    yield f"wakes in {idle['seconds']} s", f"{idle['wakes']} (aimed at: 5)"
    yield "resident memory of scoperun", f"{idle['rss'] / MIB:.1f} MiB (aimed at: 32 MiB)"
    asyncio = f"`python3 -c 'import asyncio'` in the same run: {idle['asyncio_private'] / MIB:.1f} MiB"
    yield "of that, private memory", f"{idle['private'] / MIB:.1f} MiB (aimed at: no more than {asyncio})"
    yield "private memory of the keeper", f"{idle['keeper_private'] / KIB:.0f} KiB (aimed at: 307 KiB)"
    yield (
        "charged to the scope at the command's first instruction",
        (
            f"{charged['current'] / KIB:.0f} KiB, at the most until then {charged['peak'] / KIB:.0f} KiB "
            "(aimed at: 512 KiB)"
        ),
    )


def work(results: Mapping[str, Any]) -> Iterable[Sequence[object]]:
    """Return the rows of the job."""
    measured = (results["seconds"], results["cpu"])
    for name in results["seconds"]:
        yield f"`{name}`", *(f"{of(each[name]):.3f} s" for each in measured for of in (median, min))
    ratios = [of(each[SCOPERUN]) / of(each[SCOPE]) for each in measured for of in (median, min)]
    yield "difference (aimed at: within 1 %)", *(f"{100 * (each - 1):+.1f} %" for each in ratios)


def pairs(seconds: Mapping[str, Sequence[float]]) -> str:
    """Return the text about the pairs of jobs that took turns."""
    ratios = [one / other - 1 for one, other in zip(seconds[SCOPERUN], seconds[SCOPE], strict=True)]
    least, middle, most = quantiles(ratios, n=4)
    return (
        f"Of {len(ratios)} pairs of jobs that took turns, the median difference of the wall clock is "
        f"{100 * middle:+.1f} %; half of them are between {100 * least:+.1f} % and {100 * most:+.1f} %.\n"
    )


def at_once(crowd: Mapping[str, Any]) -> Iterable[str]:
    """Yield the texts and the table about many programs at once."""
    number, messages = crowd["number"], crowd["together"]
    yield (
        f"Messages that one scoperun receives from the bus, start to end: {crowd['alone'][0]} alone; among {number} "
        f"concurrent ones {median(messages):g}, {messages[0]} to {messages[-1]}.\n"
    )
    rows = [
        (f"`{name}`", f"{each['seconds']:.1f} s", f"{each['memory'] / MIB / number:.1f} MiB")
        for name, each in crowd["crowd"].items()
    ]
    yield table((f"{number} at once", "until all run", "memory beside each command"), rows)
    slower = crowd["crowd"][SCOPERUN]["seconds"] / crowd["crowd"][SCOPE]["seconds"]
    yield f"Aimed at: at most 1.1 x `{SCOPE}` until all run: {met(slower, 1.1)}.\n"


def from_one_process(library: Mapping[str, Any]) -> Iterable[str]:
    """Yield the texts and the tables about many scopes that one process makes."""
    runs, bare, kept = library["number"], library["bare"], library["kept"]
    faster = library["library"] / library["xargs"]
    yield f"{runs} scopes of `true`, 32 at a time:\n"
    yield table(
        ("", "scopes per second"),
        [
            ("one process, `scoperun.run`", f"{library['library']:.0f}"),
            (f"`xargs -P32 {SCOPE} -q true`", f"{library['xargs']:.0f}"),
            ("ratio (aimed at: 1.2)", f"{faster:.2f}"),
            ("one process, scopes made with dbus-next over one connection, and nothing else", f"{bare['rate']:.0f}"),
            ("ratio of that", f"{bare['rate'] / library['xargs']:.2f}"),
            ("the same, each with a keeper, without which the counters are lost", f"{kept['rate']:.0f}"),
            ("ratio of that", f"{kept['rate'] / library['xargs']:.2f}"),
        ],
    )
    yield (
        f"One run takes {milliseconds(library['processor'])} of a processor in that process, forks included. Aimed at: "
        "6 ms where dbus-next and nothing else takes 3.9 ms, that is at most 1.54 x as much: "
        f"{met(library['processor'] / bare['processor'], 6 / 3.9)}.\n"
    )
    yield (
        f"As Python uses one processor, {1 / library['processor']:.0f} scopes per second is the most that it can "
        "start, whatever systemd and the commands take, while `xargs` uses all processors there are; with "
        f"dbus-next and nothing else it is {milliseconds(bare['processor'])} and {1 / bare['processor']:.0f}, with a "
        f"keeper {milliseconds(kept['processor'])} and {1 / kept['processor']:.0f}. By a "
        "profile, the time of scoperun goes into the code of:\n"
    )
    yield table(("", "of its time"), [(name, f"{100 * each:.0f} %") for name, each in library["profile"].items()])
    yield "The processor time of the whole machine for one scope, other load included:\n"
    yield of_the_machine(library)
    before, after = library["before"], library["after"]
    yield (
        f"Afterwards that process has {before['descriptors']} descriptors and {before['rss'] / MIB:.1f} MiB; after as "
        f"many again {after['descriptors']} and {after['rss'] / MIB:.1f} MiB.\n"
    )


def batch(results: Mapping[str, Any], crowd: Mapping[str, Any]) -> Iterable[str]:
    """Yield the texts and the table about many jobs."""
    ours, peers = results["ours"], {**results["peers"], "xargs -P32 scoperun true": results["scoperun"]}
    yield f"{results['number']} jobs of `true`, 32 at a time, each with a limit and a report, and its end on disk:\n"
    rows = [("`scopectl batch`", f"{ours:.0f}", "")]
    yield table(
        ("", "jobs per second", "scopectl batch is"),
        [*rows, *((f"`{name}`", f"{rate:.0f}", f"{ours / rate:.2f} x") for name, rate in peers.items())],
    )
    first, second, third = (ours / rate for rate in peers.values())
    yield (
        f"Aimed at: at least 1.1 x xargs with systemd-run: {at_least(first, 1.1)}; 1 x parallel with it: "
        f"{at_least(second, 1)}; 5 x xargs with scoperun: {at_least(third, 5)}. The whole machine takes "
        f"{milliseconds(results['machine']['all'])} of a processor for one job.\n"
    )
    yield (
        "One process that does with dbus-next and SQLite what each job needs, and nothing else "
        f"(tests/bench/inside/bare_batch.py), runs {results['least']:.0f} jobs per second: a scope with its limit, "
        f"slice, guard and keeper, and two commits. scopectl batch is {ours / results['least']:.2f} x.\n"
    )
    many, alone = results["many"], crowd["crowd"][SCOPERUN]["memory"] / crowd["number"]
    yield (
        f"With {many['jobs']} jobs at once there are {many['memory'] / MIB:.2f} MiB of ours beside each: the runner, "
        f"the guard and the keepers (aimed at: 0.5 MiB). A scoperun beside each takes {alone / MIB:.1f} MiB.\n"
    )


def batch_idle(results: Mapping[str, Any]) -> str:
    """Return the text about the runner while jobs sleep."""
    return (
        f"While {results['jobs']} jobs sleep and {results['waiting']} wait for a slot, the runner wakes "
        f"{results['wakes']} times in {results['seconds']} s (aimed at: 0, {reached(not results['wakes'])}) and uses "
        f"{milliseconds(results['cpu'])} of a processor. Its private memory is {results['private'] / MIB:.1f} MiB.\n"
    )


def long_batch(results: Mapping[str, Any]) -> Iterable[str]:
    """Yield the texts and the table about a batch of very many jobs."""
    samples, number = results["samples"], results["number"]
    each = number // (len(samples) - 1)
    yield (
        f"{number:,} jobs that run nothing: each attempt ends at once with the report of an earlier command. The rest "
        "is real: options, database, output, systemd, slice and guard.\n"
    )
    parts = [(earlier, later) for earlier, later in pairwise(samples)]
    rates = {name: [each / (later[name] - earlier[name]) for earlier, later in parts] for name in ("at", "cpu")}
    chosen = dict.fromkeys((0, len(parts) // 2, len(parts) - 1))
    yield table(
        ("", "jobs per second", "per second of its processor time", "resident memory"),
        [
            (
                f"{parts[part][0]['start']:,} to {parts[part][1]['start']:,}",
                *(f"{rates[name][part]:.0f}" for name in rates),
                f"{parts[part][1]['rss'] / MIB:.1f} MiB",
            )
            for part in chosen
        ],
    )
    grown = samples[-1]["rss"] - samples[1]["rss"]
    by_clock, by_cpu = (rates[name][-1] / rates[name][0] for name in ("at", "cpu"))
    yield (
        f"Aimed at: at most 64 MiB, the summary included: {met(results['peak'] / MIB, 64)}; at most 1 MiB more than "
        f"after the first {each:,} jobs: {met(grown / MIB, 1)}; the last {each:,} at no less "
        f"than 0.95 of the rate of the first ones: {at_least(by_clock, 0.95)}, by the runner's processor time "
        f"{at_least(by_cpu, 0.95)}; at most 1 s from `scopectl batch --resume` to the first start, after a runner was "
        f"killed half-way: {met(results['resumed'], 1)}.\n"
    )


def mixed(results: Mapping[str, Any]) -> Iterable[str]:
    """Yield the texts and the table about jobs that do not fit into memory together."""
    yield (
        f"A mixed load, in a guest with one processor and {results['ram'] / MIB:.0f} MiB of memory: {results['jobs']} "
        f"jobs that take {results['least']} to {results['most']} MiB for 0.2 to 2 s, at most {results['slots']} at "
        f"once. For {results['liars']} of them scopectl is told less than they take, so that their first attempts "
        "fail. GNU parallel starts a job while so much memory is free, and kills one if half of it is not. "
        "task-spooler does not look at memory.\n"
    )
    rows = [
        (
            f"`{name}`",
            f"{each['seconds']:.0f} s",
            *(each[column] for column in ("host_kills", "own_kills", "starts", "again", "lost")),
        )
        for name, each in results["results"].items()
    ]
    kills = ("OOM kills of the machine", "at a limit of their own")
    yield table(("", "time", *kills, "starts", "of jobs that had ended well", "jobs never done"), rows)
    ours, *peers = results["results"].values()
    none = all(not ours[column] for column in ("host_kills", "again", "lost"))
    yield (
        "Aimed at, for `scopectl batch`: no OOM kill of the machine, no job that had ended well run again, and every "
        f"job done: {reached(none)}. It takes {ours['seconds'] / peers[0]['seconds']:.2f} x the time of parallel.\n"
    )


def retried(results: Mapping[str, Any]) -> str:
    """Return the text about the time from a kill to the next attempt."""
    seconds, report = results["retried"], median(results["seconds"])
    return (
        f"From the kernel's kill of a job to the first instruction of its next attempt, in the lab, {len(seconds)} "
        f"times: median {milliseconds(median(seconds))}, worst {milliseconds(max(seconds))}. Aimed at: at most 2 x the "
        f"time from the kill to the report of `scoperun` in the same guest, {milliseconds(report)}: "
        f"{met(median(seconds) / report, 2)}.\n"
    )


def reached(is_reached: bool) -> str:
    """Return in words whether a target was reached."""
    return "reached" if is_reached else "not reached"


def at_least(value: float, least: float) -> str:
    """Return a value as text, with `reached` or `not reached` for the least that is aimed at."""
    return f"{value:.2f}, {reached(value >= least)}"


def of_the_machine(library: Mapping[str, Any]) -> str:
    """Return the table of the whole machine's processor time for one scope."""
    whole = {
        "`scoperun.run`": library["machine"],
        f"`{SCOPE}`": library["xargs_machine"],
        "dbus-next and nothing else": library["bare"]["machine"],
        "the same with a keeper": library["kept"]["machine"],
    }
    columns = list(library["machine"])
    rows = [(name, *(milliseconds(each[column]) for column in columns)) for name, each in whole.items()]
    return table(("", "all", *(f"of that, {column}" for column in columns[1:])), rows)


def oom(results: Mapping[str, Any], native: Mapping[str, Sequence[float]]) -> str:
    """Return the text about the time from the kill to the report."""
    seconds = results["seconds"]
    slower = median(results["python"]) / median(native[PYTHON])
    return (
        f"In the lab, {len(seconds)} runs of `scoperun --mem 20M -- ./bigleak2` by an ordinary user: median "
        f"{milliseconds(median(seconds))}, worst {milliseconds(max(seconds))}. The clock of that kernel's log advances "
        f"in steps of 10 ms, so that each time can be 10 ms too long; and `{PYTHON}` takes {slower:.1f} times as long "
        "there as natively.\n"
    )


def milliseconds(seconds: float) -> str:
    """Return a time in seconds as text."""
    return f"{1000 * seconds:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def span(seconds: Sequence[float]) -> str:
    """Return the range of times as text."""
    return f"{milliseconds(min(seconds))} to {milliseconds(max(seconds))}"
