"""The program of --on-oom: found before the command starts, and run when the verdict is oom-kill."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.environment import given_environment
from scoperun.errors import ScoperunError
from scoperun.printable import one_line
from scoperun.process.hook import Hook
from scoperun.process.identity import identity
from scoperun.spec.request import ExecContext

if TYPE_CHECKING:
    from scoperun.report.report import Report


class OnOom:
    """The program, the user that it runs as, and the environment that it gets."""

    def __init__(self, program: str, context: ExecContext) -> None:
        """Find the program. context: the command's. Raises ScoperunError if it cannot be executed."""
        self._environment = given_environment()
        self._hook = Hook(path=_absolute(program))
        if context.changes_identity:
            user = identity(ExecContext(user=context.user, group=context.group))
            self._hook = Hook(path=self._hook.path, identity=user)
            inherited = {name: text for name, text in self._environment.items() if name not in user.not_inherited}
            self._environment = inherited | user.environment
        try:
            self._hook.check()
        except OSError as error:
            message = f"--on-oom: cannot run {program!r}: {error.strerror}"
            raise ScoperunError(message, hint="the path of a program, without arguments") from None

    def run(self, report: Report, *, report_file: str | None) -> str | None:
        """Run the program and return what went wrong, None if nothing did. Raises OSError if it cannot be started.

        report_file: the path of the report, None if it is not in a regular file.
        """
        written = None if report_file is None else os.path.abspath(report_file)
        return self._hook.run(self._environment | variables(report, report_file=written))


def variables(report: Report, *, report_file: str | None) -> dict[str, str]:
    """Return what the program learns about an OOM; an empty text is what is not known."""
    oom = report.oom
    victim = oom.victims[0] if oom and oom.victims else None
    return {
        "SCOPERUN_UNIT": report.unit,
        "SCOPERUN_VERDICT": report.verdict,
        "SCOPERUN_LIMIT_OF": oom.limit_of if oom else "",
        "SCOPERUN_VICTIM_PID": f"{victim.pid}" if victim else "",
        "SCOPERUN_VICTIM_NAME": one_line(victim.name) if victim and victim.name else "",
        "SCOPERUN_REPORT": report_file or "",
    }


def _absolute(program: str) -> str:
    try:
        return os.path.abspath(program)
    except OSError as error:  # the working directory has been removed
        raise ScoperunError(f"--on-oom: cannot find {program!r}: {error.strerror}") from None
