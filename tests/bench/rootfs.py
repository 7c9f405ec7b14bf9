"""The bed's root file system: a suite of the lab, with scoperun's peers and hyperfine."""

import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

from tests.lab import cache, host, image, project
from tests.lab.recipe import PACKAGES, SUITES, Recipe

SUITE = SUITES["trixie"]

PEERS = ("hyperfine", "python3-pystemd", "findutils", "parallel", "task-spooler")
BENCHEXEC = "benchexec==3.35"

FILES = Path(__file__).parent / "files"


def recipe() -> Recipe:
    """Return the recipe of the root file system."""
    files = {str(path.relative_to(FILES)): path.read_bytes() for path in FILES.rglob("*") if path.is_file()}
    requirements = [*runtime_requirements(project.requirements()), BENCHEXEC]
    return Recipe(suite=SUITE, packages=(*PACKAGES, *PEERS), requirements=requirements, files=files)


def runtime_requirements(requirements: Sequence[str]) -> list[str]:
    """Return the requirements without those of tests: a missing package cannot be imported by mistake."""
    return [each for each in requirements if not each.startswith("pytest")]


def root_file_system() -> Path:
    """Return the folder of the root file system, which is read only; build it if the cache does not have it."""
    wanted = recipe()
    return cache.cached("bench", f"bench-{wanted.key}", lambda target: build(wanted, target))


def build(wanted: Recipe, root: Path) -> None:
    """Build the root file system in the folder `root`."""
    host.prepare()
    image.install_packages(wanted, root)
    image.install_wheels(wanted, root)
    shutil.copytree(FILES, root, dirs_exist_ok=True)
    (root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n", encoding="ascii")
    host.run(["chroot", root, "/bin/sh", "/customize.sh"])
