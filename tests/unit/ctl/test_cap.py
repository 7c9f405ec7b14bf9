"""Which units a cap binds, what its file says, and who has changed it."""

import errno
import os
import stat
from pathlib import Path

import pytest

from scoperun.console.files import Destination
from scoperun.console.own_files import signed
from scoperun.ctl import cap_names
from scoperun.ctl.cap_drafts import Drafts
from scoperun.ctl.cap_files import CapFolder
from scoperun.ctl.cap_over import over
from scoperun.ctl.cap_text import FILE, Cap, as_in_file, cap_in, file_text, settings_of
from scoperun.ctl.capping import above
from scoperun.ctl.desktop_apps import identifiers, likely_id
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.kernel.cgroup import Cgroup
from scoperun.spec.limits import Limits
from scoperun.spec.properties import Property, parse_setting
from scoperun.spec.sizes import INFINITY

from .fake_cgroups import MANAGER, MIB, FakeCgroups

CAP = Cap("firefox", ("MemoryMax=4294967296", "MemorySwapMax=0"))


def write(folder: CapFolder, *names: cap_names.Names, cap: Cap = CAP) -> None:
    with Drafts(folder, names) as drafts:
        drafts.write(cap)


@pytest.mark.parametrize(
    ("app", "unit"),
    [
        ("firefox", "app-firefox-42.scope"),
        ("firefox", "app-gnome-firefox-42.scope"),
        ("firefox", "app-KDE-firefox-42.scope"),
        ("firefox", "app-firefox@0a1b.service"),
        ("firefox", "app-firefox.service"),
        ("firefox", "app-gnome-firefox@0a1b.service"),
        ("firefox", "app-KDE-firefox.service"),
        ("firefox", "snap.firefox.firefox-8f1b-4e.scope"),
        ("code_url-handler", "snap.code.url-handler-8f1b.scope"),
        ("google-chrome", r"app-gnome-google\x2dchrome-42.scope"),
        ("org.gnome.Maps", "flatpak-org.gnome.Maps-42.scope"),
        ("org.gnome.Maps", "app-flatpak-org.gnome.Maps-42.scope"),
        ("ä", r"app-\xc3\xa4-42.scope"),
    ],
)
def test_a_cap_binds_the_names_that_desktops_give(app: str, unit: str) -> None:
    assert any(each.bind(unit) for each in cap_names.names(app))


@pytest.mark.parametrize(
    "unit",
    [
        "app-firefox.scope",
        "app-firefox-.scope",
        "app-firefox-42.service",
        r"app-firefox\x2desr-42.scope",
        "app-niri-firefox-42.scope",
        "app-firefoxy-42.scope",
        "app-firefox@.service",
        "snap.firefox.geckodriver-42.scope",
    ],
)
def test_it_binds_no_others(unit: str) -> None:
    assert not any(each.bind(unit) for each in cap_names.names("firefox"))


def test_launchers_are_learnt_from_what_runs() -> None:
    running = [
        *("app-niri-firefox-42.scope", "app-gnome-firefox-1.scope", "app-x-y-1.scope"),
        *("app-xfce-firefox@1.service", "app-KDE-firefox@1.service", "app-lxqt-firefox.service"),
    ]
    names = cap_names.names_with("firefox", running)
    assert [each.folder for each in names if each not in cap_names.names("firefox")] == [
        *("app-lxqt-firefox.service.d", "app-niri-firefox-.scope.d", "app-xfce-firefox@.service.d")
    ]


def test_launchers_are_known_from_the_files_of_a_cap_too(tmp_path: Path) -> None:
    folder = CapFolder(str(tmp_path), system=False)
    niri = cap_names.Names("app-niri-firefox-", ".scope")
    write(folder, niri)
    write(folder, cap_names.Names("app-niri-foot-", ".scope"), cap=Cap("foot", CAP.settings))
    assert folder.names_of("firefox") == [niri]


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("app-firefox@.service.d", cap_names.Names("app-firefox@", ".service")),
        ("app.slice.d", cap_names.SESSION[0]),
        ("scope.d", None),
        (".scope.d", None),
        ("x.mount.d", None),
    ],
)
def test_a_folder_tells_its_names(folder: str, names: cap_names.Names | None) -> None:
    assert cap_names.Names.of_folder(folder) == names


def test_a_launcher_is_known_by_what_it_has_started() -> None:
    names = cap_names.names("niri")
    units = ["app-niri-firefox-42.scope", "app-niri-7.scope", "app-niri@1-2.service", "snap.firefox.firefox-1-2.scope"]
    assert cap_names.of_others(names, units) == ["app-niri-firefox-42.scope"]


@pytest.mark.parametrize(
    ("unit", "is_of_another"),
    [
        ("snap.foo.foo-bar-1.scope", True),
        ("snap.foo.foo-bar-8a1b9c00-1111-2222-3333-44445555abcd.scope", True),
        ("snap.foo.foo-8a1b9c00-1111-2222-3333-44445555abcd.scope", False),
        ("snap.foo.foo-42.scope", False),
        ("flatpak-foo-42.scope", False),
        ("flatpak-foo-bar-42.scope", True),
        ("snap.bar.foo-bar-1.scope", False),
    ],
)
def test_other_programs_of_a_snap_are_others(unit: str, is_of_another: bool) -> None:
    assert cap_names.of_others(cap_names.names("foo"), [unit]) == [unit] * is_of_another


def test_the_session_and_users_are_slices() -> None:
    (session,), (users,) = cap_names.SESSION, cap_names.USERS
    assert (session.folder, users.folder) == ("app.slice.d", "user-.slice.d")
    assert (session.bind("app.slice"), session.bind(r"app-x.slice"), users.bind("user-0.slice")) == (True, False, True)


@pytest.mark.parametrize(
    "app", ["", "--session", "a/b", "50%", "a\nb", "a\0b", "gnome", "kde", "flatpak", "x.scope", "x" * 250]
)
def test_what_cannot_be_an_application_is_refused(app: str) -> None:
    with pytest.raises(InvalidValue):
        cap_names.checked(app)


def test_an_id_can_have_its_ending() -> None:
    assert cap_names.checked("org.gnome.Maps.desktop") == "org.gnome.Maps"


def test_systemd_escape_is_followed() -> None:
    assert cap_names.escaped(".a-b c:_.\\") == r"\x2ea\x2db\x20c:_.\x5c"


def test_a_file_has_its_cap_in_it() -> None:
    text = file_text(CAP, "Scope")
    assert cap_in(signed(text)) == CAP
    assert "[Scope]\nMemoryMax=4294967296\nMemorySwapMax=0\n" in text
    assert cap_in("[Scope]\nMemoryMax=1G\n") is None


def test_the_limits_are_written_as_systemd_reads_them() -> None:
    limits = Limits(memory_max=INFINITY, memory_high=1 << 30, cpu_quota=0.125, cpu_weight=5, tasks_max=7)
    assert settings_of(limits.properties()) == (
        "MemoryMax=infinity",
        "MemoryHigh=1073741824",
        "CPUQuota=12.5%",
        "CPUWeight=5",
        "TasksMax=7",
    )


@pytest.mark.parametrize("processors", [1e-4, 1 / 3, 0.666666, 12.34567, 10_000.0])
def test_a_share_of_a_processor_is_what_the_file_can_say_of_it(processors: float) -> None:
    """Systemd refuses a third decimal of a percent."""
    (wanted,) = as_in_file(Limits(cpu_quota=processors).properties())
    (line,) = settings_of([wanted])
    assert parse_setting(*line.split("=")) == wanted
    assert abs(int(str(wanted.value)) - processors * 1e6) <= 50


def test_no_limit_stays_none_in_a_file() -> None:
    none = Property(name="CPUQuotaPerSecUSec", signature="t", value=INFINITY)
    assert as_in_file([none]) == [none]


def test_files_are_written_listed_and_removed_with_their_folders(tmp_path: Path) -> None:
    folder = CapFolder(str(tmp_path / "new" / "systemd" / "user"), system=False)
    assert folder.all() == []
    (names, *_) = cap_names.names("firefox")
    write(folder, names)
    path = tmp_path / "new/systemd/user/app-firefox-.scope.d" / FILE
    (file,) = folder.all()
    assert (file.path, file.cap) == (str(path), CAP)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o077 == 0
    folder.remove(file)
    assert not path.parent.exists()
    assert path.parent.parent.is_dir()
    folder.remove(file)


def test_what_a_system_reads_is_for_all_to_read(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        folder = CapFolder(str(tmp_path), system=True)
        write(folder, cap_names.USERS[0], cap=Cap("--users", ("MemoryMax=1G",)))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "user-.slice.d" / FILE).stat().st_mode) == 0o644


def test_a_folder_with_other_files_stays_and_a_link_is_a_persons(tmp_path: Path) -> None:
    folder = CapFolder(str(tmp_path), system=False)
    (names, *_) = cap_names.names("firefox")
    write(folder, names)
    path = tmp_path / names.folder / FILE
    (path.parent / "50-mine.conf").touch()
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    (file,) = folder.all()
    assert file.cap is None
    folder.remove(file)
    assert (tmp_path / "elsewhere").exists()
    assert sorted(each.name for each in path.parent.iterdir()) == [FILE, "50-mine.conf"]
    path.unlink()
    (tmp_path / "elsewhere").rename(path)
    (file,) = folder.all()
    folder.remove(file)
    assert [each.name for each in path.parent.iterdir()] == ["50-mine.conf"]


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "app-firefox-.scope.d").touch()
    with pytest.raises(ScoperunError, match="cannot write"):
        write(CapFolder(str(tmp_path), system=False), cap_names.names("firefox")[0])


def test_the_folder_is_the_one_that_systemd_searches() -> None:
    run = "/run/user/1000/systemd"
    searched = ["/home/a/.config/systemd/user.control", f"{run}/user.control", "/home/a/.config/systemd/user"]
    assert CapFolder.among(searched, system=False).path == "/home/a/.config/systemd/user"
    assert CapFolder.among(["/etc/systemd/system"], system=True).path == "/etc/systemd/system"
    for nothing in ([], [f"{run}/user.control"], ["/etc/systemd/user"]):
        with pytest.raises(ScoperunError):
            CapFolder.among(nothing, system=False)


def test_installed_applications_are_found_in_subfolders_too(tmp_path: Path) -> None:
    top = tmp_path / "applications"
    (top / "kde").mkdir(parents=True)
    for name in ("firefox.desktop", "kde/kate.desktop", "mimeinfo.cache"):
        (top / name).touch()
    found = identifiers({"XDG_DATA_HOME": str(tmp_path), "XDG_DATA_DIRS": str(tmp_path / "none"), "HOME": ""})
    assert {"firefox", "kde-kate"} <= set(found)
    assert "mimeinfo.cache" not in found


def test_the_likely_id_of_a_unit() -> None:
    assert likely_id(r"app-gnome-google\x2dchrome-42.scope") == "google-chrome"
    assert likely_id("app-gnome-org.gnome.Maps.service") == "org.gnome.Maps"
    assert likely_id("app-@1.service") is None
    assert likely_id("build.scope") is None


@pytest.mark.parametrize(
    ("memory", "swap", "limits", "told"),
    [
        (
            20,
            40,
            Limits(memory_max=30 * MIB),
            "20M and 40M of swap that the cap does not allow, more than MemoryMax=30M",
        ),
        (20, 40, Limits(memory_max=30 * MIB, memory_swap_max=28 * MIB), "20M and 12M of swap"),
        (20, 40, Limits(memory_max=30 * MIB, memory_swap_max=30 * MIB), None),
        (20, 40, Limits(memory_max=30 * MIB, memory_swap_max=INFINITY), None),
        (40, 0, Limits(memory_max=30 * MIB), "40M, more than MemoryMax=30M"),
        (40, 40, Limits(memory_high=1), None),
    ],
)
def test_swap_that_a_cap_does_not_allow_has_to_fit_into_memory(
    memory: int, swap: int, limits: Limits, told: str | None, tmp_path: Path
) -> None:
    cgroups = FakeCgroups(tmp_path)
    cgroups.unit("app.slice/a.scope", memory=memory, **{"memory.swap.current": swap * MIB})
    path = f"{MANAGER}/app.slice/a.scope"
    more = over(Cgroup(path, f"{tmp_path}{path}"), limits.properties())
    assert more is None if told is None else more and above(more).startswith(told)


def test_a_cap_without_a_limit_on_swap_leaves_it_as_it_is(tmp_path: Path) -> None:
    FakeCgroups(tmp_path).unit("app.slice/a.scope", memory=20)
    path = f"{MANAGER}/app.slice/a.scope"
    Path(f"{tmp_path}{path}/memory.swap.current").write_text(str(40 * MIB))
    cap = [each for each in Limits(memory_max=30 * MIB).properties() if each.name == "MemoryMax"]
    assert over(Cgroup(path, f"{tmp_path}{path}"), cap) is None


def test_nothing_is_made_if_one_of_the_files_cannot_be_written(tmp_path: Path) -> None:
    names = cap_names.names("firefox")
    (tmp_path / names[1].folder).mkdir()  # it is empty, and not ours
    (tmp_path / names[2].folder).touch()
    with pytest.raises(ScoperunError, match=names[2].folder):
        Drafts(CapFolder(str(tmp_path), system=False), names)
    assert {each.name for each in tmp_path.iterdir()} == {each.folder for each in names[1:3]}


def test_an_error_in_the_middle_puts_back_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = CapFolder(str(tmp_path), system=False)
    old, new, broken, *_ = cap_names.names("firefox")
    write(folder, old)
    full = 2  # files, before the disk is full

    def write_until_full(destination: Destination, text: str) -> None:
        nonlocal full
        if not full and "MemoryMax=1" in text:
            raise OSError(errno.ENOSPC, "No space left on device")
        full -= "MemoryMax=1" in text
        write_file(destination, text)

    write_file = Destination.write
    monkeypatch.setattr(Destination, "write", write_until_full)
    with pytest.raises(ScoperunError, match=rf"cannot write .*{broken.folder}.*: No space left on device$"):
        write(folder, old, new, broken, cap=Cap("firefox", ("MemoryMax=1",)))
    assert [(each.path, each.cap) for each in folder.all()] == [(folder.file(old), CAP)]
    assert [each.name for each in tmp_path.iterdir()] == [old.folder]


def test_what_cannot_be_put_back_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = CapFolder(str(tmp_path), system=False)
    first, second, *_ = cap_names.names("firefox")
    with Drafts(folder, [first, second]) as drafts:
        (tmp_path / second.folder).rmdir()
        (tmp_path / second.folder).touch()
        monkeypatch.setattr("scoperun.console.own_files.remove", lambda _: False)
        with pytest.raises(ScoperunError) as caught:
            drafts.write(CAP)
    assert str(caught.value).endswith(f"still there: {folder.file(first)}")
