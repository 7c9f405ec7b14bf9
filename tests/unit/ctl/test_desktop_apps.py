r"""A unit of a desktop application has the Name= of its .desktop file."""

import os
from pathlib import Path

import pytest

from scoperun.ctl.desktop_apps import app_name

ENTRY = "# comment\n[Desktop Action new]\nName=New Window\n[Desktop Entry]\nName[de]=Rechner\nName = {}\nExec=x\n"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    for folder, file, name in (
        ("home", "org.gnome.Calc.desktop", "Calculator"),
        ("dirs", "org.gnome.Calc.desktop", "of the system"),
        ("dirs", "code-insiders.desktop", "Code"),
        ("dirs", "kde/konsole.desktop", "Konsole"),
    ):
        path = tmp_path / folder / "applications" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ENTRY.format(name))
    return {"XDG_DATA_HOME": f"{tmp_path}/home", "XDG_DATA_DIRS": f"relative:{tmp_path}/none:{tmp_path}/dirs"}


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("app-org.gnome.Calc-1234.scope", "Calculator"),
        ("app-gnome-org.gnome.Calc-1234.scope", "Calculator"),
        ("app-gnome-org.gnome.Calc@autostart.service", "Calculator"),
        ("app-org.gnome.Calc@77.service", "Calculator"),
        ("app-org.gnome.Calc.service", "Calculator"),
        ("app-KDE-org.gnome.Calc.service", "Calculator"),
        (r"app-code\x2dinsiders.service", "Code"),
        (r"app-code\x2dinsiders-1.scope", "Code"),
        ("app-code-insiders-1.scope", "Code"),
        (r"app-kde\x2dkonsole-1.scope", "Konsole"),
        ("app-unknown-1.scope", None),
        ("app-org.gnome.Calc.scope", None),
        ("org.gnome.Calc-1.scope", None),
        ("app-org.gnome.Calc-1.service", None),
    ],
)
def test_its_name_is_found(unit: str, name: str | None, environment: dict[str, str]) -> None:
    assert app_name(unit, environment) == name


def test_an_identifier_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "applications").mkdir()
    (tmp_path / "secret.desktop").write_text(ENTRY.format("Secret"))
    (tmp_path / "applications" / "kde").mkdir()
    for unit in (r"app-\x2e\x2e\x2fsecret-1.scope", "app-kde-..-..-secret-1.scope"):
        assert app_name(unit, {"XDG_DATA_HOME": str(tmp_path)}) is None


def test_a_pipe_in_the_folder_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "applications").mkdir()
    os.mkfifo(tmp_path / "applications" / "x.desktop")
    assert app_name("app-x-1.scope", {"XDG_DATA_HOME": str(tmp_path), "XDG_DATA_DIRS": "/nonexistent"}) is None


def test_a_name_that_is_not_utf8_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "applications").mkdir()
    (tmp_path / "applications" / "x.desktop").write_bytes(b"[Desktop Entry]\nName=Caf\xe9\n")
    environment = {"XDG_DATA_HOME": str(tmp_path), "XDG_DATA_DIRS": "/nonexistent"}
    assert app_name("app-x-1.scope", environment) == "Caf\\xe9"
