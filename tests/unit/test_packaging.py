"""Installations are pinned with hashes in CI, and complete when a distribution builds them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.documents import CHECKOUT

PYPROJECT: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
GROUPS = PYPROJECT["dependency-groups"]
TEST = [*PYPROJECT["project"]["dependencies"], *GROUPS["test"]]
DEV = [*TEST, *(each for each in GROUPS["dev"] if isinstance(each, str))]


def locked(lock: Path) -> dict[str, tuple[str, int]]:
    """Return the release of each package in a lock file, and its number of hashes."""
    entries = re.findall(
        r"^([\w.-]+)==(\S+)([^\n]*\n(?:    --hash=sha256:[0-9a-f]{64}.*\n)*)", lock.read_text(), re.MULTILINE
    )
    return {canonicalize_name(name): (version, more.count("--hash=")) for name, version, more in entries}


@pytest.mark.parametrize(("lock", "requirements"), [("requirements.lock", DEV), ("tests/lab/requirements.lock", TEST)])
def test_a_lock_has_a_release_with_hashes_for_each_requirement(lock: str, requirements: list[str]) -> None:
    entries = locked(CHECKOUT / lock)
    assert [name for name, (_, hashes) in entries.items() if not hashes] == []
    for requirement in map(Requirement, requirements):
        version, _ = entries[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{lock}: make lock"


def test_both_locks_have_the_same_releases() -> None:
    dev, test = locked(CHECKOUT / "requirements.lock"), locked(CHECKOUT / "tests/lab/requirements.lock")
    assert {name: dev[name][0] for name in test} == {name: version for name, (version, _) in test.items()}


def test_the_source_distribution_contains_every_folder() -> None:
    included = PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    folders = {each.name for each in CHECKOUT.iterdir() if each.is_dir() and not each.name.startswith(".")}
    assert folders - {"dist"} <= set(included)
