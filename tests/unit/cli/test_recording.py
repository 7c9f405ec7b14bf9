"""A run is recorded once its report is out, and what goes wrong then is a warning."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from scoperun.cli.afterwards import Afterwards
from scoperun.cli.options import Output, parse
from scoperun.errors import InvalidValue
from scoperun.history.database import FILE
from scoperun.process.patience import Patience
from scoperun.spec.request import RunRequest
from tests.unit.stories import STARTED, STORIES, told

REPORT = told([*STARTED, *STORIES[0].events])


def recorded(said: list[str], **output: object) -> None:
    """Do what follows a run with these outputs; what it says is added to `said`."""
    request = RunRequest(command=("true",))
    with Afterwards(Output(**output), request, say=said.append, patience=Patience()) as afterwards:  # type: ignore[arg-type]
        afterwards.record(REPORT)


def reports(base: Path) -> list[dict[str, object]]:
    connection = sqlite3.connect(base / "scoperun" / FILE)
    rows = connection.execute("SELECT report FROM run ORDER BY id").fetchall()
    connection.close()
    return [json.loads(text) for (text,) in rows]


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def test_the_whole_report_is_recorded(base: Path) -> None:
    said: list[str] = []
    recorded(said, record="job")
    assert (reports(base), said) == ([json.loads(REPORT.to_json())], [])


def test_the_options_say_how_many_are_kept(base: Path) -> None:
    for _ in range(3):
        recorded([], record="job", record_keep=2)
    assert len(reports(base)) == 2
    recorded([], record="job", record_keep=None, record_keep_for=1e-9)
    assert len(reports(base)) == 1


@pytest.mark.parametrize("quiet", [0, 1, 2])
def test_what_goes_wrong_is_a_warning_and_none_with_q(base: Path, quiet: int) -> None:
    said: list[str] = []
    base.chmod(0o707)
    recorded(said, record="job", quiet=quiet)
    reason = f"{base} is writable by others (chmod o-w {base})"
    warning = f"scoperun: warning: --record job: the run is not in the history: {reason}"
    assert said == ([] if quiet else [warning])


def test_a_database_that_cannot_be_used_is_named(base: Path) -> None:
    said: list[str] = []
    (base / "scoperun").mkdir(0o700)
    (base / "scoperun" / FILE).write_text("a file of another kind\n" * 100)
    recorded(said, record="job")
    reason = f"{base}/scoperun/{FILE}: file is not a database"
    assert said == [f"scoperun: warning: --record job: the run is not in the history: {reason}"]


def test_a_newline_in_a_variable_makes_no_second_line(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    (base / "a\nb" / "scoperun").mkdir(parents=True, mode=0o700)
    (base / "a\nb" / "scoperun" / FILE).write_text("a file of another kind\n" * 100)
    for folder in ("a\nb", "a\nb/scoperun/history.db"):
        monkeypatch.setenv("XDG_STATE_HOME", str(base / folder))
        recorded(said, record="job")
    assert len(said) == 2
    assert all(line.isprintable() for line in said)


WITHOUT_SQLITE = """
import sys
sys.modules["sqlite3"] = None
from scoperun.cli.options import Output
from scoperun.cli.recording import record
print(record(None, Output(record="job")))
"""


def test_a_python_without_sqlite_is_a_warning_too(base: Path) -> None:
    """Some distributions have it in a package of its own."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_SQLITE], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("the run is not in the history: ModuleNotFoundError: ")
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    "name", ["", "a b", "a\n", "a\x1b[2J", "\u202egnol", "a/b", "*", "a?", "[a]", "-x", "run.json", "x" * 65, "\udcff"]
)
def test_a_name_that_is_not_one_is_refused_before_the_start(name: str) -> None:
    with pytest.raises(InvalidValue, match=r"--record"):
        parse([f"--record={name}", "true"])


@pytest.mark.parametrize("words", [["--record-keep", "0"], ["--record-keep", "-1"], ["--record-keep", "1" * 19],
                                   ["--record-keep", "1.5"], ["--record-keep-for", "0"]])  # fmt: skip
def test_a_number_that_keeps_nothing_is_refused(words: list[str]) -> None:
    with pytest.raises(InvalidValue, match=words[0]):
        parse([*words, "true"])


def test_a_profile_can_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "scoperun").mkdir()
    text = '[profiles.build]\nrecord = "build"\nrecord-keep = 50\nrecord-keep-for = "90d"\n'
    (tmp_path / "scoperun" / "config.toml").write_text(text)
    asked = parse(["-P", "build", "true"])
    assert asked is not None
    assert (asked.output.record, asked.output.record_keep, asked.output.record_keep_for) == ("build", 50, 90 * 86400)
    (tmp_path / "scoperun" / "config.toml").write_text('[defaults]\nrecord = "a b"\n')
    with pytest.raises(InvalidValue, match=r"config\.toml:2: record: 'a b' is not a valid name"):
        parse(["true"])


@pytest.mark.parametrize("option", ["--record-keep=5", "--record-keep-for=5d"])
def test_what_is_to_be_kept_has_to_be_recorded(option: str) -> None:
    name = option.partition("=")[0]
    with pytest.raises(InvalidValue, match=f"^{name} has no effect "):
        parse(["--no-config", option, "true"])
    assert parse(["--no-config", option, "--record", "x", "true"]) is not None
