"""A path leads where the kernel leads, except through links of other users."""

import os
import stat
from pathlib import Path

import pytest

from scoperun.console.paths import Place, Trusted, others_write, walk


def led_to(path: str) -> tuple[tuple[int, int], str, bool]:
    """Return the folder that a path leads to, the name in it, and whether it exists."""
    with walk(path, Trusted.here()) as place:
        return identity(place), place.name, place.status is not None


def identity(place: Place) -> tuple[int, int]:
    status = os.fstat(place.folder)
    return status.st_dev, status.st_ino


def of(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder a/b/c with links: to a/b, to its parent, absolute, and chained."""
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").touch()
    (tmp_path / "to-b").symlink_to("a/b/")
    (tmp_path / "a" / "up").symlink_to("../a/./b/..")
    (tmp_path / "absolute").symlink_to(tmp_path / "to-b")
    (tmp_path / "to-file").symlink_to("absolute/file")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "folder", "name", "is_there"),
    [
        ("a/b/file", "a/b", "file", True),
        ("./a//b/./file", "a/b", "file", True),
        ("a/b/c/../file", "a/b", "file", True),
        ("a/missing", "a", "missing", False),
        ("missing", ".", "missing", False),
        ("to-b/file", "a/b", "file", True),
        ("to-b/../b/missing", "a/b", "missing", False),
        ("a/up/up/b/file", "a/b", "file", True),
        ("absolute/c", "a/b", "c", True),
        ("to-file", "a/b", "file", True),
        ("a/b/", "a/b", ".", True),
        ("to-b", "a/b", ".", True),
    ],
)
def test_a_path_leads_to_its_target(tree: Path, path: str, folder: str, name: str, is_there: bool) -> None:
    expected = (of(tree / folder), name, is_there)
    assert led_to(path) == expected
    assert led_to(f"{tree}/{path}") == expected


def test_the_root_folder_is_a_valid_path() -> None:
    assert led_to("/") == (of(Path("/")), ".", True)
    assert led_to("//../etc") == (of(Path("/")), "etc", True)


def test_every_folder_and_link_on_the_way_is_checked(tree: Path) -> None:
    seen: list[str] = []
    walk("to-b/file", Trusted.here(), look=lambda path, *_: seen.append(path)).close()
    assert seen == [".", "to-b", "a", "a/b", "a/b/.", "a/b/./file"]
    seen.clear()
    walk(str(tree / "absolute"), Trusted.here(), follow_last=False, look=lambda path, *_: seen.append(path)).close()
    assert seen[0] == "/"
    assert seen[-2:] == [str(tree), str(tree / "absolute")]


@pytest.mark.parametrize("links", [39, 40, 41])
def test_as_many_links_are_followed_as_by_the_kernel(tmp_path: Path, links: int) -> None:
    (tmp_path / "0").touch()
    for number in range(links):
        (tmp_path / str(number + 1)).symlink_to(str(number))
    try:
        os.stat(tmp_path / str(links))
    except OSError as error:
        with pytest.raises(OSError, match=error.strerror):
            led_to(str(tmp_path / str(links)))
    else:
        assert led_to(str(tmp_path / str(links)))[1] == "0"


def status(owner: int, mode: int = 0o755) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 1, owner, 0, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "they_do"), [(0o755, False), (0o775, True), (0o757, True), (0o1777, True), (0o700, False)]
)
def test_others_can_write_according_to_the_mode(mode: int, they_do: bool) -> None:
    assert others_write(status(0, mode)) is they_do


def test_root_and_we_are_trusted_and_strangers_are_not() -> None:
    trusted = Trusted.here()
    folder = status(0)
    assert [trusted.own(status(owner), folder) for owner in (0, os.geteuid(), 12345)] == [True, True, False]


def test_files_of_an_unmapped_root_are_recognized_by_their_folder() -> None:
    """In a user namespace the files of strangers have the same unmapped owner."""
    trusted, nobody = Trusted(users=frozenset({0}), owner_of_all=65534), 65534
    assert trusted.own(status(nobody), status(nobody, 0o755))
    assert not trusted.own(status(nobody), status(nobody, 0o1777))
    assert not trusted.own(status(12345), status(nobody, 0o755))


def test_a_hard_link_is_trusted_if_strangers_cannot_make_one_there() -> None:
    """E.g. in a store of files that links identical ones."""
    trusted = Trusted(users=frozenset({0, 1000}), owner_of_all=0)
    link = os.stat_result((stat.S_IFLNK | 0o777, 0, 0, 2, 0, 0, 0, 0, 0, 0))
    assert trusted.own(link, status(0, 0o755))
    assert not trusted.own(link, status(0, 0o1777))
    assert not trusted.own(link, status(12345, 0o755))
