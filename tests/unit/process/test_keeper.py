"""The keeper has none of this process's descriptors, which would keep others' pipes open."""

import os
from contextlib import closing, suppress

import pytest

from scoperun.process import keeper


def pipes_of(pid: int) -> set[int]:
    """Return the inodes of what a process has open. It can close something meanwhile."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            found.add(os.stat(f"/proc/{pid}/fd/{fd}").st_ino)
    return found


@pytest.mark.parametrize("python", ["this", "3.11"])
def test_what_is_inheritable_is_closed_in_the_keeper(python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if python == "3.11":
        monkeypatch.delattr(os, "POSIX_SPAWN_CLOSEFROM", raising=False)
    ends = os.pipe()
    try:
        for end in ends:
            os.set_inheritable(end, True)
        with closing(keeper.spawn()) as kept:
            assert os.fstat(ends[0]).st_ino not in pipes_of(kept.pid)
            assert pipes_of(kept.pid), "it runs"
    finally:
        for end in ends:
            os.close(end)
