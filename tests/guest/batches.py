"""A small vocabulary for tests of `scopectl batch`."""

import json
import os
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .story import GENEROUS, systemctl


@dataclass(frozen=True)
class Batched:
    """How a batch ended. ends: what --json says of each job that ended for good. total: what it says at the end."""

    status: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def ends(self) -> dict[int, dict[str, Any]]:
        return {line["seq"]: line for line in self.lines if "seq" in line}

    @property
    def total(self) -> dict[str, Any]:
        (total,) = [line for line in self.lines if "seq" not in line]
        return total


def batch(*words: str, stdin: str = "", cwd: Path | None = None, timeout: float = 2 * GENEROUS) -> Batched:
    """Run `scopectl batch WORDS` to its end."""
    done = subprocess.run(
        ["scopectl", "batch", *words],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert "internal error" not in done.stderr, done.stderr
    return Batched(done.returncode, done.stdout, done.stderr)


def started(*words: str, cwd: Path | None = None) -> subprocess.Popen[str]:
    """Start `scopectl batch WORDS` with pipes for its output."""
    return subprocess.Popen(
        ["scopectl", "batch", *words],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def jobs_in(folder: Path, state: str) -> set[int]:
    """Return the jobs of a batch that are in a state, by its database; none before it is made."""
    file = folder / "batch.db"
    if not file.exists():
        return set()
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        if connection.execute("PRAGMA user_version").fetchone() == (0,):
            return set()
        return {seq for (seq,) in connection.execute("SELECT seq FROM job WHERE state = ?", (state,))}


def left() -> str:
    """Return the units of batches and guards that systemd still has, one a line."""
    return systemctl("list-units", "--all", "--plain", "--no-legend", *UNITS)


UNITS = ("scoperun-batch-*", "*-scoperun_batch_*", "guard-of-scoperun-*")
"""The names of a batch's units."""


def lines_of(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


KILLS = int(os.environ.get("BATCH_KILLS", "2"))
"""How often a test kills a runner; a hundred times before a release."""
