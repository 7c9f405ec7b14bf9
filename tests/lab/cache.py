"""The cache of kernels, images and wheels: an entry is complete or missing, and one process at a time builds it."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def folder() -> Path:
    """Return the lab's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base) / "scoperun-lab"
    path.mkdir(parents=True, exist_ok=True)
    return path


def cached(family: str, name: str, build: Callable[[Path], None]) -> Path:
    """Return the cache's entry `name`; if it is missing, build it and remove the older entries of its family.

    family: the start of the names of the entries of which only the newest is kept. build: makes the file or the folder
    whose path it gets.
    """
    entry = folder() / name
    if entry.exists():
        return entry
    with locked(folder() / f"{family}.lock"):
        if entry.exists():  # another process has built it while we waited
            return entry
        scratch = folder() / f"{family}.new"
        remove(scratch)
        scratch.mkdir()
        product = scratch / name
        build(product)
        outdated = [path for path in folder().glob(f"{family}-*") if path != entry]
        product.rename(entry)
        for path in (*outdated, scratch):
            remove(path)
    return entry


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file; the kernel releases it however this process ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove(path: Path) -> None:
    """Remove a file or a tree, if it exists."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
