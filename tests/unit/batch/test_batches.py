"""Which batch is meant, and what is said if there is none."""

from pathlib import Path

import pytest

from scoperun.batch.batches import meant
from scoperun.batch.columns import OFFERED
from scoperun.errors import InvalidValue


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "scoperun" / "batch"


@pytest.mark.parametrize("is_running", [True, False])
def test_an_id_that_no_batch_has_is_named(*, is_running: bool) -> None:
    with pytest.raises(InvalidValue, match=r"^no batch has the ID 'abc234' \(scopectl batch status lists them\)$"):
        meant("abc234", is_running=is_running)


def test_a_word_with_a_slash_is_a_folder(state_home: Path) -> None:
    (state_home / "abc234").mkdir(parents=True)
    assert meant("./state", is_running=True) == "./state"
    assert meant("abc234", is_running=True) == str(state_home / "abc234")


@pytest.mark.parametrize(
    ("is_running", "message"),
    [
        (True, r"^no batch runs \(.*named by that folder\)$"),
        (False, r"^no batch is left to resume \(--state DIR .*\)$"),
    ],
)
def test_without_a_word_and_a_batch_it_says_how_to_name_one(*, is_running: bool, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        meant(None, is_running=is_running)


def test_the_help_of_no_option_speaks_of_a_command_that_batch_does_not_have() -> None:
    assert [option.name for option in OFFERED if "COMMAND" in option.help] == []
