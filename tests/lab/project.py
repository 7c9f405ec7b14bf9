"""The project under test: its checkout, what it requires, and its wheel."""

import hashlib
import sys
import tomllib
from pathlib import Path
from typing import Any

from . import cache, host

ROOT = Path(__file__).parents[2]

LOCK = Path(__file__).parent / "requirements.lock"
"""The releases of the packages in guests, and the hashes of their files."""

# The files and folders from which the wheel is built.
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "bin", "scoperun", "units", "man", "completions")


def requirements() -> list[str]:
    """Return the requirements of the project and its tests, from pyproject.toml."""
    pyproject: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [*pyproject["project"]["dependencies"], *pyproject["dependency-groups"]["test"]]


def wheel() -> Path:
    """Return the checkout's wheel, built if the cache lacks it."""
    folder = cache.cached("wheel", f"wheel-{sources_key()}", build)
    return next(folder.glob("*.whl"))


def build(target: Path) -> None:
    """Build the wheel into the folder `target`."""
    host.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", target, ROOT])


def sources_key() -> str:
    """Return 16 hex digits that change with the wheel's sources."""
    digest = hashlib.sha256()
    for path in source_files():
        digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def source_files() -> list[Path]:
    """Return the files of SOURCES that exist."""
    tops = [ROOT / name for name in SOURCES]
    files = [path for top in tops for path in (top.rglob("*") if top.is_dir() else [top])]
    return sorted(path for path in files if path.is_file() and "__pycache__" not in path.parts)


def c_sources() -> list[Path]:
    """Return the sources of the C programs that the tests in guests run; no two have the same name."""
    return sorted(path for folder in ("examples", "tests/guest", "tests/truth") for path in (ROOT / folder).glob("*.c"))
