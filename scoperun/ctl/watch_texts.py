"""What `scopectl watch` says about OOM kills: a sentence, a notification, an entry of the journal, JSON. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scoperun.printable import one_line
from scoperun.record import dataclass
from scoperun.spec.sizes import format_size

if TYPE_CHECKING:
    from scoperun.evidence.kernel_report import KernelVictim
    from scoperun.evidence.session_kills import SessionKill

MESSAGE_ID = "5d6ab8a1a2a84cf69d1ad0a7d8c7a7cf"
"""The kind of the journal's entry, for `journalctl MESSAGE_ID=...`; it was made for this and does not change."""

SUMMARY = "Out of memory"

_WARNING = "4"  # as in syslog(3)
_LONGEST_NAME = 64
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """OOM kills, and what is known of their unit.

    app: the name of the desktop application that it is. invocation_id: None if it is not known.
    is_users: the unit belongs to the user's manager. log_reason: why the kernel's log said nothing, None if it did.
    """

    kill: SessionKill
    app: str | None = None
    invocation_id: str | None = None
    is_users: bool = True
    log_reason: str | None = None

    @property
    def sentence(self) -> str:
        """All of it in one line, e.g. `x.scope: OOM kill of leak[829] (19.9M) at its limit of 20M`."""
        app = f" ({one_line(self.app)})" if self.app else ""
        return f"{self._where}{app}: {self._kills}{self._limit}"

    @property
    def body(self) -> str:
        """The body of a notification, in which the server can see markup."""
        name = _short(self.app or self._where)
        return _without_markup(f"{name}: {self._kills}{self._limit}")

    @property
    def _where(self) -> str:
        if self.kill.unit is not None:
            return one_line(self.kill.unit)
        candidates = self.kill.candidates
        if len(candidates) > _MOST_NAMED:
            return f"{'one' if self.kill.kills == 1 else 'some'} of {len(candidates)} units that have ended"
        return " or ".join(map(one_line, candidates)) or "a unit that is not known"

    @property
    def _kills(self) -> str:
        if self.kill.limit_of == "systemd-oomd":
            return "processes were killed by systemd-oomd"
        number, victims = self.kill.kills or 1, self.kill.victims
        kills = "OOM kill" if number == 1 else f"{number} OOM kills"
        if not victims:
            return f"{kills} of {'an unknown process' if number == 1 else 'unknown processes'}"
        more = len(victims) - _MOST_NAMED
        named = ", ".join(map(_victim, victims[:_MOST_NAMED]))
        return f"{kills} of {named}{f' and {more} more' if more > 0 else ''}"

    @property
    def _limit(self) -> str:
        kill = self.kill
        size = "" if kill.limit is None else f" of {format_size(kill.limit)}"
        match kill.limit_of:
            case "unit":
                return f" at its limit{size}"
            case "slice":
                return f" at the limit{size} of {one_line(kill.limit_unit or 'a slice')}"
            case "host":
                return ", because the machine ran out of memory"
            case "systemd-oomd":
                return ", because memory or swap was short"
            case "sysrq":
                return ", because SysRq asked for it"
        return "; whose limit was reached is unknown"

    def fields(self) -> dict[str, str]:
        """Return the fields of the journal's entry; what is not known is left out."""
        kill = self.kill
        victim = kill.victims[0] if kill.victims else None
        fields: dict[str, str | None] = {
            "MESSAGE": self.sentence,
            "MESSAGE_ID": MESSAGE_ID,
            "PRIORITY": _WARNING,
            "SYSLOG_IDENTIFIER": "scopectl",
            "USER_UNIT": kill.unit if self.is_users else None,
            "USER_INVOCATION_ID": self.invocation_id if self.is_users else None,
            "SCOPERUN_UNIT": kill.unit,
            "SCOPERUN_APP": self.app,
            "SCOPERUN_OOM_KILLS": None if kill.kills is None else f"{kill.kills}",
            "SCOPERUN_LIMIT_OF": kill.limit_of,
            "SCOPERUN_LIMIT_UNIT": kill.limit_unit,
            "SCOPERUN_MEMORY_MAX": None if kill.limit is None else f"{kill.limit}",
            "SCOPERUN_VICTIM_PID": f"{victim.pid}" if victim else None,
            "SCOPERUN_VICTIM_NAME": one_line(victim.name) if victim else None,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def to_json(self, *, at: float) -> dict[str, Any]:
        """Return an object for JSON. at: seconds since the epoch."""
        kill = self.kill
        return {
            "at": at,
            "unit": kill.unit,
            "candidates": list(kill.candidates),
            "app": self.app,
            "invocation_id": self.invocation_id,
            "kills": kill.kills,
            "victims": [{"pid": each.pid, "name": each.name, "anon": each.anon_rss} for each in kill.victims],
            "limit_of": kill.limit_of,
            "limit_unit": kill.limit_unit,
            "limit": kill.limit,
            "kernel_log_reason": self.log_reason,
        }


def _victim(victim: KernelVictim) -> str:
    return f"{_short(victim.name)}[{victim.pid}] ({format_size(victim.anon_rss)})"


def _short(name: str) -> str:
    shown = one_line(name)
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[: _LONGEST_NAME - 1]}…"


def _without_markup(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
