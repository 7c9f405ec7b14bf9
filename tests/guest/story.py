"""A small vocabulary to tell stories in: run scoperun, see what it said, what it left."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.schema import validated

GENEROUS = 60.0
"""Seconds after which a test fails instead of hanging; nothing is measured by it."""


@dataclass(frozen=True)
class Ending:
    """How a scoperun ended: exit status, the streams' bytes, the report from --report."""

    status: int
    stdout: bytes
    stderr: str
    report: dict[str, Any]

    @property
    def verdict(self) -> str:
        return str(self.report["verdict"])


@dataclass(frozen=True)
class Story:
    """scoperun as a user runs it, in a folder with the examples."""

    cwd: Path
    report_file: Path

    def run(self, *words: str, stdin: bytes = b"", **environment: str) -> Ending:
        """Run `scoperun WORDS` to the end."""
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
        """Run what must be refused: exit status 125, nothing of the command, one line, which is returned."""
        ending = self.run(*words, **environment)
        assert ending.status == 125, ending
        assert ending.stdout == b""
        assert ending.report == {}
        assert ending.stderr.count("\n") == 1, ending.stderr
        return ending.stderr

    def report(self) -> dict[str, Any]:
        """Return what the last run reported."""
        return validated(self.report_file.read_text())


@dataclass(frozen=True)
class Others:
    """What is there beside a file's tests and is none of theirs: scopes, and keepers by their PIDs."""

    units: set[str]
    keepers: set[int]

    @classmethod
    def now(cls) -> Self:
        """Return what is there now."""
        return cls(units=units(), keepers=keepers())


@contextmanager
def leaving_nothing(before: Others) -> Iterator[None]:
    """See that what is done here leaves nothing beside what was there before."""
    yield
    # systemd may be about to let one go, which it has done when it answers; not to ask it saves a tenth of all time.
    assert transient_units() <= before.units or units() <= before.units, "units were left behind"
    assert keepers() <= before.keepers, "keepers were left behind"


def units() -> set[str]:
    """Return the scopes that systemd knows of, whosever they are."""
    rows = systemctl("list-units", "--all", "--plain", "--no-legend", "--type=scope").splitlines()
    return {row.split()[0] for row in rows}


def transient_units() -> set[str]:
    """Return the files that systemd has for scopes: it writes one at a start, and deletes it with the unit."""
    return {file.name for file in Path(os.environ["XDG_RUNTIME_DIR"], "systemd", "transient").glob("*.scope")}


def keepers() -> set[int]:
    """Return the keepers that run for this user: cat or a shell in a session of its own, with every signal blocked."""
    return {pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _is_keeper(pid)}


def systemctl(*words: str) -> str:
    """Return what `systemctl --user WORDS` prints."""
    return subprocess.run(
        ["systemctl", "--user", *words], check=True, capture_output=True, text=True, timeout=GENEROUS
    ).stdout


def compiled(source: Path, program: Path) -> None:
    """Compile a C program."""
    subprocess.run(["cc", "-O0", "-Wall", "-Werror", "-o", str(program), str(source)], check=True)


def pids_of(cgroup: str) -> set[int]:
    """Return the processes of a cgroup."""
    return set(map(int, Path(f"/sys/fs/cgroup{cgroup}/cgroup.procs").read_text().split()))


def cgroup_of(pid: int) -> str:
    """Return the cgroup of a process."""
    return Path(f"/proc/{pid}/cgroup").read_text().strip().removeprefix("0::")


def _is_keeper(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        owner = Path(f"/proc/{pid}").stat().st_uid
    except (FileNotFoundError, ProcessLookupError):
        return False
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    blocks_term = int(fields["SigBlk"], 16) >> 14 & 1
    return owner == os.getuid() and fields["Name"] in {"cat", "sh"} and bool(blocks_term)
