"""A kill by systemd-oomd in words. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.evidence.oomd_log import OomdCause
from scoperun.report.layout import quoted

if TYPE_CHECKING:
    from scoperun.report.oom_report import Oom
    from scoperun.report.oomd_report import OomdReport
    from scoperun.report.report import Report


def killed_by_oomd(report: Report, oom: Oom) -> str:
    """Return what systemd-oomd killed and why.

    E.g. `this scope (2 processes), by systemd-oomd because of the memory pressure of app.slice, which this scope is in
    (12.34%, more than 10.00% for more than 20s)`.
    """
    count = "" if oom.kills is None else f" ({oom.kills} process{'' if oom.kills == 1 else 'es'})"
    why = _why(report, oom, oom.oomd) if oom.oomd is not None else ""
    return f"{_what(report, oom.oomd)}{count}, by systemd-oomd{why}"


def _what(report: Report, oomd: OomdReport | None) -> str:
    cgroup = oomd.cgroup if oomd is not None else None
    if cgroup is not None and cgroup != report.cgroup:
        return f"{quoted(cgroup.removeprefix(f'{report.cgroup}/'))} inside this scope"
    is_whole = cgroup is not None or report.exit_code is None
    return "this scope" if is_whole else "a cgroup in this scope"


def _why(report: Report, oom: Oom, oomd: OomdReport) -> str:
    match oomd.cause:
        case OomdCause.MEMORY_PRESSURE:
            much = f"{oomd.pressure}, more than {oomd.limit} for more than {oomd.time}"
            return f" because of the memory pressure of {_whose(report, oom.limit_unit)} ({much})"
        case OomdCause.MEMORY_USED:
            return f" because more than {oomd.limit} of the machine's memory and of its swap were in use"
        case _:
            return ""


def _whose(report: Report, unit: str | None) -> str:
    if unit == report.unit:
        return "this scope"
    return f"{quoted(unit or '')}, which this scope is in"
