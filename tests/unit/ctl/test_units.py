"""The unit files that are installed, and those for a wheel."""

import subprocess
import tomllib

import pytest

from scoperun.ctl.unit_texts import DELEGATION, UNITS, unit_text
from scoperun.ctl.units import unit_folder
from scoperun.errors import InvalidValue
from tests.documents import CHECKOUT


def exec_start(program: str) -> str:
    (line,) = [
        line for line in unit_text("scoperun-watch.service", program=program).splitlines() if "ExecStart" in line
    ]
    return line


def test_the_folder_for_wheels_has_the_same_units() -> None:
    texts = {file.name: file.read_text(encoding="utf-8") for file in (CHECKOUT / "units").iterdir()}
    assert texts == {name: unit_text(name, program="scopectl") for name in UNITS}


def test_a_wheel_puts_them_where_systemd_looks() -> None:
    build = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    assert build["targets"]["wheel"]["shared-data"]["units"] == "share/systemd/user"


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ("/opt/s/bin/scopectl", "ExecStart=/opt/s/bin/scopectl watch $OPTIONS"),
        ("/a b/scopectl", 'ExecStart="/a b/scopectl" watch $OPTIONS'),
        ("/100%/scopectl", "ExecStart=/100%%/scopectl watch $OPTIONS"),
        ('/a"\\/scopectl', 'ExecStart="/a\\"\\\\/scopectl" watch $OPTIONS'),
    ],
)
def test_the_path_is_quoted_for_systemd(program: str, line: str) -> None:
    assert exec_start(program) == line


@pytest.mark.parametrize("program", ["/a\nExecStartPre=x/scopectl", "/$HOME/scopectl"])
def test_a_path_that_systemd_would_read_as_something_else_is_refused(program: str) -> None:
    with pytest.raises(InvalidValue, match=r"^systemd cannot start"):
        exec_start(program)


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"HOME": "/home/u"}, "/home/u/.config/systemd/user"),
        ({"HOME": "/home/u", "XDG_CONFIG_HOME": "/c/"}, "/c/systemd/user"),
        ({"HOME": "/home/u", "XDG_CONFIG_HOME": "relative"}, "/home/u/.config/systemd/user"),
    ],
)
def test_units_are_in_the_users_own_folder(environment: dict[str, str], folder: str) -> None:
    assert unit_folder(environment) == folder


def test_without_a_home_there_is_no_folder() -> None:
    with pytest.raises(InvalidValue, match="HOME"):
        unit_folder({"HOME": ""})


def test_the_script_for_root_is_one_that_a_shell_reads() -> None:
    subprocess.run(["sh", "-n"], input=DELEGATION, text=True, check=True)
