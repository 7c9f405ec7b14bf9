"""Plays every kind several times, in the guests that it needs, and writes docs/truth.md: `make truth`."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import cycle, islice
from queue import SimpleQueue

from tests.lab import host
from tests.lab.matrix import PLUGIN
from tests.lab.needs import Needs
from tests.lab.project import ROOT
from tests.lab.recipe import PLATFORMS, UML, Platform

from . import play  # noqa: F401  it imports the stories, which add themselves to KINDS
from .document import document, matrix_lines
from .kinds import ANY, KINDS, SMALL, SWAP
from .oomd import OOMD
from .score import MARK, Score

DOCUMENT = ROOT / "docs" / "truth.md"
HOUR = "3600"

SHARE_OF_EMULATED = 1 / 6
"""The factor on the rounds of platforms with a stock kernel: emulated, a run takes six times as long."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest.

    needs: the needs of the kinds that are played there. share: the factor on the requested number of rounds.
    user: the user that plays them.
    """

    needs: Needs
    share: float
    user: str = ANY.user

    @property
    def options(self) -> list[str]:
        """The options of `python -m tests.lab run`."""
        return replace(self.needs, user=self.user).options

    @property
    def kinds(self) -> int:
        """How many kinds are played there."""
        return sum(kind.guest == self.needs for kind in KINDS)


GUESTS = (
    Guest(ANY, 1),
    Guest(ANY, 0.5, user="plain"),  # cannot read the kernel log
    Guest(SMALL, 2),
    Guest(SWAP, 2),
    Guest(OOMD, 1, user="root"),
)


def main() -> int:
    """Play all and write the document; return 0 if all reports were right."""
    arguments = parser().parse_args()
    platforms = [PLATFORMS[name] for name in arguments.platforms]
    plays = [(each, guest) for guest in GUESTS for each in platforms if guest.needs.kernel in {UML, each.kernel}]
    rounds = arguments.runs / sum(share(platform, guest) * guest.kinds for platform, guest in plays)
    processors = SimpleQueue[int]()
    for number in islice(cycle(sorted(os.sched_getaffinity(0))), arguments.guests):
        processors.put(number)
    with ThreadPoolExecutor(arguments.guests) as pool:
        results = list(pool.map(lambda play: played(*play, rounds=rounds, processors=processors), plays))
    scores = [score for status, output in results for score in told(output)]
    if not all(any(told(output)) for _, output in results):
        print("truth: a guest told nothing, and the document is as it was", file=sys.stderr)
        return 1
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(document(scores), encoding="utf-8")
    print(*matrix_lines(scores), sep="\n")
    return max(status for status, _ in results)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.truth", description=__doc__)
    parser.add_argument("platforms", nargs="*", default=list(PLATFORMS), help=", ".join(PLATFORMS))
    parser.add_argument("--runs", type=int, default=1000, help="about how many in all (%(default)s)")
    parser.add_argument("--guests", type=int, default=2, help="how many run at a time (%(default)s)")
    return parser


def share(platform: Platform, guest: Guest) -> float:
    """Return the factor on the requested number of rounds."""
    return guest.share * (1 if platform.kernel == UML else SHARE_OF_EMULATED)


def played(platform: Platform, guest: Guest, *, rounds: float, processors: SimpleQueue[int]) -> tuple[int, str]:
    """Play in one guest, print its output if it failed, and return its exit status and its output.

    processors: those that no other guest has; an emulated one uses all of them.
    """
    times, needs = max(1, round(rounds * share(platform, guest))), replace(guest.needs, kernel=platform.kernel)
    pytest = ["-m", "pytest", "-q", *PLUGIN, "--guest", str(needs), "tests/truth"]
    command = ["env", f"SCOPERUN_TRUTH_ROUNDS={times}", "python3", *pytest]
    number = processors.get()
    lab = [
        *(host.one_processor(number) if platform.kernel == UML else []),
        sys.executable,
        "-m",
        "tests.lab",
        "run",
        platform.name,
        *guest.options,
        "--time-limit",
        HOUR,
        "--",
        *command,
    ]
    try:
        done = subprocess.run(lab, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    finally:
        processors.put(number)
    name = " ".join((platform.name, *guest.options))
    print(f"{name}: {len(list(told(done.stdout)))} runs, status {done.returncode}", flush=True)
    if done.returncode != 0:
        print(*without_scores(done.stdout + done.stderr), sep="\n", flush=True)
    return done.returncode, done.stdout


def told(output: str) -> Iterator[Score]:
    """Yield the scores in a guest's output."""
    for line in output.splitlines():
        _, mark, text = line.partition(MARK)
        if mark and text.startswith("{"):
            yield Score.from_dict(json.loads(text))


def without_scores(output: str) -> Sequence[str]:
    """Return the lines of a guest's output without the scores."""
    return [line for line in output.splitlines() if MARK not in line]


if __name__ == "__main__":
    sys.exit(main())
