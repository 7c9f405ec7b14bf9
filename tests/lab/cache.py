"""Where kernels, images and wheels are kept, each complete or not there, one builder at a time."""

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
    """Return the cache's entry `name`, built by `build` if it is missing; it replaces those of its family.

    A family is what a name starts with: the entries of which only the newest is wanted.
    """
    entry = folder() / name
    if entry.exists():
        return entry
    with locked(folder() / f"{family}.lock"):
        if entry.exists():  # somebody else has built it while we waited
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
    """Hold the lock file: it is the kernel that lets go of it, however the holder ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove(path: Path) -> None:
    """Remove a file or a tree, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
