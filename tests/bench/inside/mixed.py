"""Jobs of many sizes in a guest with too little memory for all of them: scopectl batch beside its peers; as root.

    python3 -m tests.bench.inside.mixed JOBS FOLDER

FOLDER is a root file system of the host, which has the peers. Everything runs as an ordinary user.
"""

import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .oom import ENVIRONMENT, UID, USER, kernel_log, until_it_ends

SLOTS = 8
LEAST, MOST = 10, 250
"""MiB that a job takes. Eight of them take more than the guest has, if they are not unusually small."""

SEED = 1
EACH_LIAR = 10
"""Of so many jobs one says that it needs less than it takes."""

MIB_BESIDE = 8
"""MiB that a job asks for in addition to what it takes."""

PEERS = Path("/mnt")
FOLDER = Path("/tmp/mixed")  # noqa: S108  the guest's
LOAD = "/tmp/load"  # noqa: S108
ROWS, LOG = FOLDER / "rows", FOLDER / "log"
OWN_KILL = re.compile(r"Memory cgroup out of memory: Killed process")

# An OOM kill in a scope ends all of it, if the policy does not say otherwise.
SCOPE = ["systemd-run", "--user", "--scope", "--quiet", "--property=OOMPolicy=continue", "--"]

# tsp says the number of a job only to a terminal; they are counted from 0.
SPOOLED = """
count=0
while read -r name mib seconds; do
    tsp -n "$0" "$1" "$name" "$mib" "$seconds"
    count=$((count + 1))
done <"$2" >/dev/null
while test $count -gt 0; do
    count=$((count - 1))
    tsp -w $count
done
tsp -K
"""

IN_SLOTS = ["-j", f"{SLOTS}"]
BATCH = ["scopectl", "batch", "--retries", "2", *IN_SLOTS, "--progress", "none", f"{FOLDER}/jobs.tsv", "--"]
PARALLEL = ["parallel", "--will-cite", "--memfree", f"{MOST}M", "--retries", "3", *IN_SLOTS, "--colsep", "\t"]

COMMANDS = {
    "scopectl batch --retries 2": [*BATCH, LOAD, f"{LOG}", "{id}", "{mib}", "{seconds}"],
    f"parallel --memfree {MOST}M --retries 3": [*PARALLEL, LOAD, f"{LOG}", "{1}", "{2}", "{3}", "::::", f"{ROWS}"],
    "tsp": ["sh", "-c", SPOOLED, LOAD, f"{LOG}", f"{ROWS}"],
}


@dataclass(frozen=True, slots=True)
class Job:
    """A job. mib: what it takes. seconds: for how long. asked: the MiB that it says it needs."""

    name: str
    mib: int
    seconds: float
    asked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of the jobs.

    seconds: for all of them. host_kills: OOM kills because the machine had no memory. own_kills: those at the limit of
    a cgroup. starts: of jobs. again: those of a job that had ended well. lost: jobs that never did.
    """

    seconds: float
    host_kills: int
    own_kills: int
    starts: int
    again: int
    lost: int


def main() -> None:
    """Measure, and print the results as JSON."""
    number, peers = int(sys.argv[1]), sys.argv[2]
    subprocess.run(["mount", "-i", "-t", "hostfs", "-o", f"hostfs={peers}", "none", PEERS], check=True)
    subprocess.run(["systemctl", "start", f"user@{UID}.service"], check=True)
    subprocess.run(["cc", "-O2", "-o", LOAD, "tests/bench/inside/load.c"], check=True)
    load = jobs(number)
    write(load)
    results = {name: asdict(measured(command, load)) for name, command in COMMANDS.items()}
    liars = sum(each.asked < each.mib for each in load)
    told = {"jobs": number, "slots": SLOTS, "least": LEAST, "most": MOST, "liars": liars, "ram": ram()}
    print(json.dumps({**told, "results": results}))


def jobs(number: int) -> list[Job]:
    """Return the jobs, which are always the same."""
    chance = random.Random(SEED)  # noqa: S311  nothing is to be kept secret
    made = []
    for each in range(number):
        mib, seconds = chance.randint(LEAST, MOST), round(chance.uniform(0.2, 2), 2)
        asked = mib * 2 // 3 if each % EACH_LIAR == EACH_LIAR // 2 else mib + MIB_BESIDE
        made.append(Job(f"job{each}", mib, seconds, asked))
    return made


def write(load: Iterable[Job]) -> None:
    """Write the table of jobs, for scopectl batch with a header and what they ask for."""
    FOLDER.mkdir()
    os.chown(FOLDER, UID, UID)
    rows = [f"{each.name}\t{each.mib}\t{each.seconds}" for each in load]
    asked = [f"{row}\t{each.asked}M" for row, each in zip(rows, load, strict=True)]
    (FOLDER / "jobs.tsv").write_text("\n".join(["id\tmib\tseconds\tmem", *asked, ""]), encoding="ascii")
    ROWS.write_text("\n".join([*rows, ""]), encoding="ascii")


def ram() -> int:
    """Return the bytes of memory that the guest has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def measured(command: Sequence[str], load: Sequence[Job]) -> Result:
    """Run all jobs and return what became of them."""
    LOG.unlink(missing_ok=True)
    with kernel_log() as (kmsg, _):
        start = time.monotonic()
        kills, own_kills = killed_meanwhile([*USER, *SCOPE, *command], kmsg)
        seconds = time.monotonic() - start
    lines = [line.split()[:2] for line in LOG.read_text(encoding="ascii").splitlines()]
    done: set[str] = set()
    starts = again = 0
    for what, name in lines:
        if what == "end":
            done.add(name)
        else:
            starts += 1
            again += name in done
    return Result(
        seconds=seconds,
        host_kills=kills - own_kills,
        own_kills=own_kills,
        starts=starts,
        again=again,
        lost=len({each.name for each in load} - done),
    )


def killed_meanwhile(command: Sequence[str], kmsg: int) -> tuple[int, int]:
    """Run a command, and return how many processes the kernel killed for memory, and how many of them at a limit.

    The log alone tells of limits. When the machine has no memory, parts of it are lost: then it is too few.
    """
    before = all_kills()
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as process:
        own = [text for records in until_it_ends(process, kmsg) for _, text in records if OWN_KILL.match(text)]
    return all_kills() - before, len(own)


def all_kills() -> int:
    """Return how many processes the kernel has killed for memory so far, whosever limit it was."""
    rows = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith("oom_kill "))


def environment() -> dict[str, str]:
    """Return the environment, in which the programs and the Perl of the peers are found."""
    perl = [*PEERS.glob("usr/share/perl/5.*"), *PEERS.glob("usr/lib/*/perl/5.*")]
    return {
        **ENVIRONMENT,
        "PATH": f"{ENVIRONMENT['PATH']}:{PEERS}/usr/bin",
        "PERL5LIB": ":".join(map(str, perl)),
        "TS_SOCKET": f"{FOLDER}/socket",
        "TS_SLOTS": f"{SLOTS}",
    }


if __name__ == "__main__":
    main()
