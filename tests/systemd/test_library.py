"""scoperun as a library."""

from pathlib import Path

import pytest

import scoperun

from .story import Story


async def test_run_returns_the_report_that_the_command_line_prints(examples: Path, story: Story) -> None:
    report = await scoperun.run([str(examples / "bigleak2")], limits=scoperun.Limits(memory_max=20 * scoperun.MiB))
    assert report.verdict is scoperun.Verdict.OOM_KILL
    assert report.memory.peak == 20 * scoperun.MiB
    printed = story.run("--mem", "20M", "--", str(examples / "bigleak2")).report
    assert printed.keys() == report.to_dict().keys()


def test_run_sync_needs_no_loop(story: Story) -> None:
    report = scoperun.run_sync(["sh", "-c", "exit 3"])
    assert (report.verdict, report.exit_code) == (scoperun.Verdict.EXIT_CODE, 3)


async def test_what_cannot_be_run_is_an_exception(story: Story) -> None:
    with pytest.raises(scoperun.CommandNotFound):
        await scoperun.run(["no-such-command"])
