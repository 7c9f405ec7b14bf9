"""A small vocabulary for tests: run scoperun, look at its output and its report, and check that nothing is left."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.lab.recipe import PROGRAMS
from tests.schema import validated

from .here import IS_UML

GENEROUS = 60.0 if IS_UML else 240.0
"""Seconds after which a test fails instead of hanging; it is not a measurement. Other kernels can be emulated."""


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    status: scoperun's exit status. stdout, stderr: its output.
    report: the report of --report, empty if there is none.
    """

    status: int
    stdout: bytes
    stderr: str
    report: dict[str, Any]

    @property
    def verdict(self) -> str:
        return str(self.report["verdict"])


@dataclass(frozen=True)
class Story:
    """scoperun as a user runs it.

    cwd: a folder with the compiled examples. report_file: where reports go.
    """

    cwd: Path
    report_file: Path

    def run(self, *words: str, stdin: bytes = b"", **environment: str) -> Ending:
        """Run `scoperun WORDS` to its end."""
        self.report_file.unlink(missing_ok=True)
        done = subprocess.run(
            ["scoperun", "--report", str(self.report_file), *words],
            cwd=self.cwd,
            env=os.environ | environment,
            input=stdin,
            capture_output=True,
            timeout=GENEROUS,
            check=False,
        )
        assert b"internal error" not in done.stderr
        report = self.report() if self.report_file.exists() else {}
        return Ending(done.returncode, done.stdout, done.stderr.decode(), report)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start `scoperun WORDS` with pipes for its streams."""
        return subprocess.Popen(
            ["scoperun", "--report", str(self.report_file), *words],
            cwd=self.cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def refused(self, *words: str, **environment: str) -> str:
        """Run words that must be refused, with status 125 and no output of the command; return the line on stderr."""
        ending = self.run(*words, **environment)
        assert ending.status == 125, ending
        assert ending.stdout == b""
        assert ending.report == {}
        assert ending.stderr.count("\n") == 1, ending.stderr
        return ending.stderr

    def report(self) -> dict[str, Any]:
        """Return the report of the last run, checked against its schema."""
        return validated(self.report_file.read_text())


@dataclass(frozen=True)
class Others:
    """The scopes, and the PIDs of the keepers, that do not belong to the tests of a file."""

    units: set[str]
    keepers: set[int]

    @classmethod
    def now(cls) -> Self:
        """Return those that exist now."""
        return cls(units=units(), keepers=keepers())


@contextmanager
def leaving_nothing(before: Others) -> Iterator[None]:
    """Assert that the context leaves no scope and no keeper except those in `before`."""
    yield
    # systemd might be about to remove a unit; once it has answered, it has. Asking only then saves 10 % of the time.
    assert transient_units() <= before.units or units() <= before.units, "units were left behind"
    assert keepers() <= before.keepers, "keepers were left behind"


def units() -> set[str]:
    """Return the names of all scopes that systemd knows."""
    rows = systemctl("list-units", "--all", "--plain", "--no-legend", "--type=scope").splitlines()
    return {row.split()[0] for row in rows}


def transient_units() -> set[str]:
    """Return the names of systemd's files for scopes: it writes one at a start, and deletes it with the unit."""
    return {file.name for file in Path(os.environ["XDG_RUNTIME_DIR"], "systemd", "transient").glob("*.scope")}


def keepers() -> set[int]:
    """Return the PIDs of this user's keepers: cat or a shell in a session of its own, with every signal blocked."""
    return {pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _is_keeper(pid)}


def systemctl(*words: str) -> str:
    """Return what `systemctl --user WORDS` prints."""
    return subprocess.run(
        ["systemctl", "--user", *words], check=True, capture_output=True, text=True, timeout=GENEROUS
    ).stdout


def compiled(source: Path, program: Path) -> None:
    """Compile a C program, or copy it if this guest's image has it, compiled from the same source."""
    built = Path(PROGRAMS, source.name)
    if built.exists() and built.read_bytes() == source.read_bytes():
        shutil.copy(built.with_suffix(""), program)
        return
    subprocess.run(["cc", "-O0", "-Wall", "-Werror", "-o", str(program), str(source)], check=True)


def pids_of(cgroup: str) -> set[int]:
    """Return the PIDs in a cgroup."""
    return set(map(int, Path(f"/sys/fs/cgroup{cgroup}/cgroup.procs").read_text().split()))


def cgroup_of(pid: int) -> str:
    """Return the cgroup of a process."""
    return Path(f"/proc/{pid}/cgroup").read_text().strip().removeprefix("0::")


def _is_keeper(pid: int) -> bool:
    try:
        if Path(f"/proc/{pid}/comm").read_text() not in {"cat\n", "sh\n"}:
            return False
        status = Path(f"/proc/{pid}/status").read_text()
        owner = Path(f"/proc/{pid}").stat().st_uid
    except (FileNotFoundError, ProcessLookupError):
        return False
    (blocked,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:")]
    blocks_term = int(blocked, 16) >> 14 & 1
    return owner == os.getuid() and bool(blocks_term)
