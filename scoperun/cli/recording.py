"""Adds a run to the history, once its report is out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.console.state_folder import state_folder, state_path
from scoperun.environment import given_environment
from scoperun.errors import ScoperunError
from scoperun.printable import one_line
from scoperun.process.streams import occupy_closed_streams

if TYPE_CHECKING:
    from scoperun.cli.options import Output
    from scoperun.report.report import Report


def record(report: Report, output: Output) -> str | None:
    """Add the run under the name of --record; return why that was not possible, None if it was.

    Whatever goes wrong here must not change how the run ends, so no exception leaves this function.
    """
    try:
        _record(report, output)
    except (OSError, ScoperunError) as error:
        reason = error.message if isinstance(error, ScoperunError) else error.strerror or str(error)
        return f"the run is not in the history: {one_line(reason)}"
    except Exception as error:  # e.g. a Python without sqlite3
        return f"the run is not in the history: {type(error).__name__}: {one_line(str(error))}"
    return None


def _record(report: Report, output: Output) -> None:
    from scoperun.history.database import FILE  # noqa: PLC0415  only for a run that is recorded
    from scoperun.history.set_aside import Aside  # noqa: PLC0415
    from scoperun.history.store import add  # noqa: PLC0415

    occupy_closed_streams()  # otherwise the folder gets the number of one
    environment = given_environment()
    folder = state_folder(environment, create=True)
    assert folder is not None  # noqa: S101  it was to be created
    try:
        run = Aside.now(f"{output.record}", report, keep=output.record_keep, keep_for=output.record_keep_for)
        add(folder, run)
    except ScoperunError as error:
        raise ScoperunError(f"{state_path(environment)}/{FILE}: {error.message}") from None
    finally:
        os.close(folder)
