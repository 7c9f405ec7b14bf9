"""The cost grows linearly with the number of properties: a generated file can have thousands."""

import gc
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scoperun.cli.options import parse
from scoperun.cli.preview import preview
from scoperun.spec.properties import Property, combined

pytestmark = pytest.mark.usefixtures("config")

TOO_MUCH = 20
"""Ten times the entries cost ten times the processor time, plus noise; quadratic cost would be a hundred times."""


def cost(work: Callable[[], object]) -> float:
    """Return the shortest processor time that `work` took, without looks for garbage that other tests have left."""

    def once() -> float:
        before = time.process_time()
        work()
        return time.process_time() - before

    gc.disable()
    try:
        return min(once() for _ in range(3))
    finally:
        gc.enable()


def shown(*argv: str) -> str:
    parsed = parse([*argv, "true"])
    assert parsed is not None
    return preview(parsed.request, parsed.sources).to_text()


def wants(count: int) -> list[str]:
    return [f"Wants=a{number}.service" for number in range(count)]


def in_a_config_file(config: Path, count: int) -> Callable[[], object]:
    lines = "".join(f'  "{each}",\n' for each in wants(count))
    text = f"[profiles.few]\nmem = '1M'\n[defaults]\nproperty = [\n{lines}]\n"

    def work() -> None:
        config.write_text(text)
        assert shown().count("Wants=") == 2 * count

    return work


def in_a_file_of_properties(config: Path, count: int) -> Callable[[], object]:
    file = config.with_name("properties")

    def work() -> None:
        file.write_text("\n".join(wants(count)))
        assert shown("-p", f"@{file}").count("Wants=") == 2 * count

    return work


def on_the_command_line(_: Path, count: int) -> Callable[[], object]:
    return lambda: shown(*(f"-p{each}" for each in wants(count)))


@pytest.mark.parametrize("asked", [in_a_config_file, in_a_file_of_properties, on_the_command_line])
def test_ten_times_the_properties_cost_ten_times_as_much(
    config: Path, asked: Callable[[Path, int], Callable[[], object]]
) -> None:
    assert cost(asked(config, 2000)) < TOO_MUCH * cost(asked(config, 200))


def test_a_list_adds_up_in_time_proportional_to_its_entries() -> None:
    def adding_up(count: int) -> Callable[[], object]:
        each = Property(name="Wants", signature="as", value=["a.service"])
        return lambda: combined([each] * count)

    assert cost(adding_up(20_000)) < TOO_MUCH * cost(adding_up(2000))
