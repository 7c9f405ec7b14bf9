"""Where the bus is: from the environment, in systemd-logind's folder, and from a D-Bus address."""

import os
from pathlib import Path

import pytest

from scoperun.errors import BusUnavailable
from scoperun.systemd.bus_address import Address, Surroundings, addresses

UID = os.getuid()


@pytest.fixture
def run_user(tmp_path: Path) -> Path:
    """Return a folder in which this user's folder has a bus."""
    (tmp_path / str(UID)).mkdir()
    (tmp_path / str(UID) / "bus").touch()
    return tmp_path


def surroundings(run_user: Path, runtime_dir: str | Path = "", session_bus: str = "") -> Surroundings:
    environment = {"XDG_RUNTIME_DIR": str(runtime_dir), "DBUS_SESSION_BUS_ADDRESS": session_bus}
    return Surroundings.of(environment, runtime_dirs=str(run_user))


def test_without_variables_systemd_loginds_folder_is_used(run_user: Path) -> None:
    assert Surroundings.of({}, runtime_dirs=str(run_user)).bus() == f"unix:path={run_user}/{UID}/bus"
    assert surroundings(run_user).bus() == f"unix:path={run_user}/{UID}/bus"  # empty variables count as not set


def test_the_variables_come_first(run_user: Path, tmp_path: Path) -> None:
    assert surroundings(run_user, "/nowhere").bus() == "unix:path=/nowhere/bus"
    assert surroundings(run_user, session_bus="unix:path=/a").bus() == "unix:path=/a"
    assert surroundings(run_user, "/nowhere", "unix:path=/a").bus() == "unix:path=/a"
    (tmp_path / "bus").touch()
    assert surroundings(run_user, tmp_path, "unix:path=/a").bus() == f"unix:path={tmp_path}/bus"


def test_the_managers_folder_is_that_of_the_bus(run_user: Path, tmp_path: Path) -> None:
    """In a snap $XDG_RUNTIME_DIR names a folder without a bus."""
    usual = f"{run_user}/{UID}"
    assert surroundings(run_user).folder == usual
    assert surroundings(run_user, "/nowhere").folder == "/nowhere"
    assert surroundings(run_user, f"{usual}/snap.code", f"unix:path={usual}/bus").folder == usual
    (tmp_path / "bus").touch()
    assert surroundings(run_user, tmp_path, "unix:path=/a").folder == str(tmp_path)


def test_a_folder_with_any_name_can_be_connected_to() -> None:
    name = os.fsdecode(b"/run/\xff ;,=%\n")
    (address,) = addresses(surroundings(Path("/nowhere"), name).bus())
    assert address.socket_name() == b"/run/\xff ;,=%\n/bus"


def test_the_error_without_a_bus_names_the_variables_the_folder_and_a_check(tmp_path: Path) -> None:
    with pytest.raises(BusUnavailable) as caught:
        surroundings(tmp_path).bus()
    words = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", f"{tmp_path}/{UID}/bus", "systemctl --user")
    assert [word for word in words if word not in str(caught.value)] == []


def test_a_user_without_a_bus_is_told_to_log_in_and_root_to_use_system(tmp_path: Path) -> None:
    of_a_user = Surroundings(runtime_dir=None, session_bus=None, uid=1234, usual=f"{tmp_path}/1234")
    of_root = Surroundings(runtime_dir=None, session_bus=None, uid=0, usual=f"{tmp_path}/0")
    assert "loginctl enable-linger" in of_a_user.remedy()
    assert of_root.remedy().startswith("`system=True` asks")


def test_the_error_about_another_users_folder_names_the_owner_and_the_right_folder(run_user: Path) -> None:
    of_another = Surroundings(runtime_dir="/", session_bus=None, uid=1234, usual=f"{run_user}/{UID}")
    assert of_another.remedy().startswith(f"XDG_RUNTIME_DIR belongs to user root; export XDG_RUNTIME_DIR={run_user}")


def test_if_everything_is_right_there_is_only_the_check(run_user: Path) -> None:
    assert surroundings(run_user, run_user / str(UID)).remedy().startswith("check: ")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("unix:path=/run/user/1000/bus", b"/run/user/1000/bus"),
        ("unix:path=/a%20b%3b%2C,guid=0123", b"/a b;,"),
        ("unix:guid=0123,path=/a", b"/a"),
        ("unix:path=/%ff\udcfe", b"/\xff\xfe"),
        ("unix:abstract=/tmp/dbus-x%41,guid=9", b"\0/tmp/dbus-xA"),
    ],
)
def test_an_address_names_a_socket(text: str, name: bytes) -> None:
    assert Address(text).socket_name() == name


@pytest.mark.parametrize(
    "text",
    ["", "unix", "unix:", "unix:path=", "unix:abstract=", "unix:path=/a,abstract=b", "tcp:host=a,port=1", "=",
     "unix:path=/%", "unix:path=/%4", "unix:path=/%zz", "unix:path=/%é0", "unix:path=/%00", "unix:tmpdir=/tmp"],
)  # fmt: skip
def test_an_address_without_a_socket_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"understood|escape|NUL"):
        Address(text).socket_name()


def test_a_list_of_addresses_is_tried_in_order() -> None:
    assert list(map(str, addresses("a:;;unix:path=/b;"))) == ["a:", "unix:path=/b"]


@pytest.mark.parametrize("text", [";", ";;", ""])
def test_an_empty_list_is_an_error(text: str) -> None:
    with pytest.raises(BusUnavailable):
        addresses(text)
