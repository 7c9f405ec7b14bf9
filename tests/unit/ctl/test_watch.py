"""What `scopectl watch` says, and when it shows a notification."""

import re
from typing import Any

import pytest

from scoperun.ctl.watch_notices import INTERVAL, Notices
from scoperun.ctl.watch_texts import MESSAGE_ID, Told
from scoperun.evidence.kernel_report import KernelVictim
from scoperun.evidence.session_kills import SessionKill
from tests.documents import manual, section
from tests.schema import told_by

MIB = 1 << 20


def victim(name: str = "leak", pid: int = 7) -> KernelVictim:
    return KernelVictim(pid=pid, name=name, total_vm=0, anon_rss=19 * MIB, file_rss=0, record="")


def told(*, app: str | None = None, **kill: Any) -> Told:
    return Told(kill=SessionKill(**({"unit": "a.scope"} | kill)), app=app)


@pytest.mark.parametrize(
    ("kill", "sentence"),
    [
        (
            told(kills=1, victims=(victim(),), limit_of="unit", limit_unit="a.scope", limit=20 * MIB),
            "a.scope: OOM kill of leak[7] (19M) at its limit of 20M",
        ),
        (
            told(kills=5, victims=tuple(victim(pid=pid) for pid in range(5)), limit_of="slice", limit_unit="b.slice"),
            "a.scope: 5 OOM kills of leak[0] (19M), leak[1] (19M), leak[2] (19M) and 2 more at the limit of b.slice",
        ),
        (
            told(app="A\x1b[2J", limit_of="host"),
            "a.scope (A\\x1b[2J): OOM kill of an unknown process, because the machine ran out of memory",
        ),
        (
            told(unit=None, kills=2, candidates=("b.scope", "c.scope")),
            "b.scope or c.scope: 2 OOM kills of unknown processes; whose limit was reached is unknown",
        ),
        (
            told(unit=None, kills=2, candidates=tuple(f"{number}.scope" for number in range(4))),
            "some of 4 units that have ended: 2 OOM kills of unknown processes; whose limit was reached is unknown",
        ),
        (
            told(unit=None, kills=1, candidates=tuple(f"{number}.scope" for number in range(4)), limit_of="host"),
            "one of 4 units that have ended: OOM kill of an unknown process, because the machine ran out of memory",
        ),
        (
            told(limit_of="systemd-oomd"),
            "a.scope: processes were killed by systemd-oomd, because memory or swap was short",
        ),
        (
            told(unit=None, kills=1, limit_of="sysrq"),
            "a unit that is not known: OOM kill of an unknown process, because SysRq asked for it",
        ),
    ],
)
def test_a_kill_is_one_sentence(kill: Told, sentence: str) -> None:
    assert kill.sentence == sentence


def test_a_notification_has_the_name_of_the_application_without_markup() -> None:
    body = told(app="<b>Web & Mail</b>", kills=1, victims=(victim("<i>"),), limit_of="host").body
    assert body.startswith("&lt;b&gt;Web &amp; Mail&lt;/b&gt;: OOM kill of &lt;i&gt;[7] (19M), because")


def test_a_name_in_a_notification_has_at_most_64_characters() -> None:
    name, _, _ = told(app="x" * 65).body.partition(":")
    assert name == "x" * 63 + "…"
    assert told(app="x" * 64).body.startswith("x" * 64 + ":")
    assert told(app="&" * 64).body.startswith("&amp;" * 64 + ":")


def test_an_entry_of_the_journal_leaves_out_what_is_not_known() -> None:
    assert told(kills=1).fields() == {
        "MESSAGE": told(kills=1).sentence,
        "MESSAGE_ID": MESSAGE_ID,
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "scopectl",
        "USER_UNIT": "a.scope",
        "SCOPERUN_UNIT": "a.scope",
        "SCOPERUN_OOM_KILLS": "1",
        "SCOPERUN_LIMIT_OF": "unknown",
    }


def test_an_entry_about_a_session_is_not_about_a_unit_of_the_users_systemd() -> None:
    beside = Told(kill=SessionKill(unit="session-2.scope"), invocation_id="1" * 32, is_users=False)
    assert {"USER_UNIT", "USER_INVOCATION_ID"} & set(beside.fields()) == set()
    assert beside.fields()["SCOPERUN_UNIT"] == "session-2.scope"


def test_the_manual_has_the_fields_of_an_entry() -> None:
    known = SessionKill(
        unit="a.scope", kills=1, victims=(victim(),), limit_of="unit", limit_unit="a.scope", limit=20 * MIB
    )
    fields = {*Told(kill=known, app="A", invocation_id="1" * 32).fields()}
    explained = section("SUBCOMMANDS", manual("scopectl")).partition(".BR watch ")[2].partition("\n.TP")[0]
    assert {*re.findall(r"[A-Z_]{4,}(?==)", explained)} == fields - {"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER"}


def test_the_json_is_what_the_schema_says() -> None:
    import json  # noqa: PLC0415

    known = told(kills=1, victims=(victim(),), limit_of="unit", limit_unit="a.scope", limit=20 * MIB)
    assert told_by("watch", json.dumps(known.to_json(at=5.0)))["victims"] == [
        {"pid": 7, "name": "leak", "anon": 19 * MIB}
    ]
    assert told_by("watch", json.dumps(told(unit=None).to_json(at=5.0)))["kills"] is None


def test_a_unit_has_at_most_one_notification_in_half_a_minute() -> None:
    notices = Notices()
    assert notices.is_due("a.scope", None, 0.0)
    assert not notices.is_due("a.scope", None, INTERVAL - 1)
    assert notices.is_due("b.scope", None, INTERVAL - 1)
    assert notices.is_due("a.scope", None, INTERVAL)
    assert not notices.is_due("b.scope", None, INTERVAL)


@pytest.mark.parametrize("mute", ["app-web-1.scope", "app-web-1", "app-web-*", "web browser", "Web*"])
def test_a_program_can_be_muted(mute: str) -> None:
    notices = Notices([mute])
    assert not notices.is_due("app-web-1.scope", "Web Browser", 0.0)
    assert notices.is_due("app-mail-1.scope", "Mail", 0.0)
    assert notices.is_due(None, None, 0.0)
