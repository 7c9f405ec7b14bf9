"""What a report is worth, held against what really happened. No I/O."""

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

MARK = "truth: "
"""What stands before each score, as JSON, on a guest's standard output if $SCOPERUN_TRUTH_ROUNDS is set."""

MOST = 1 << 30
"""Bytes that a guest has at the most."""


class Mark(enum.StrEnum):
    """How a statement of a report relates to the truth; only the last two are failures.

    UNKNOWN: not known, and what would tell it was withheld. UNDUE: not known though it could be.
    """

    RIGHT = "right"
    UNKNOWN = "unknown"
    UNDUE = "unknown without need"
    WRONG = "wrong"

    @property
    def is_failure(self) -> bool:
        """The report should have said something else."""
        return self in {Mark.UNDUE, Mark.WRONG}


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What really happened.

    happened: in the words of a verdict.
    victims: whom the OOM killer killed, and the names that each may be given, by pid.
    counted: how many kills the kernel counted, where several died of one for they shared a memory.
    limit_of, limit_units: whose limit it was, and what may be said to have it.
    withheld: what may be called unknown: verdict, victims, limit, kills.
    """

    happened: str
    victims: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    counted: int | None = None
    limit_of: str | None = None
    limit_units: tuple[str | None, ...] = ()
    withheld: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Under which a story was played.

    log: the kernel log could be read. load: the processor was busy.
    logged: the victims of whom the log says that they are ours; the kernel leaves some out, and so does journald.
    unnamed: the victims of whom it says nothing.
    is_limit_told: it says at whose limit the last of them was killed.
    seen: the processes that scoperun saw while they lived; one that is born and killed at once is not among them.
    counted: scoperun saw a kill counted while the scope stood.
    may_lose_counters: the process that holds the counters may have been killed too.
    """

    kind: str
    policy: str
    log: bool
    load: bool
    logged: frozenset[int] = frozenset()
    unnamed: frozenset[int] = frozenset()
    is_limit_told: bool = False
    seen: frozenset[int] = frozenset()
    counted: bool = False
    may_lose_counters: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One run: what happened, what was said, and what that is worth; a mark is None where there is nothing to say."""

    systemd: str
    kernel: str
    kind: str
    policy: str
    log: bool
    load: bool
    happened: str
    verdict: str
    verdict_mark: Mark
    victims_mark: Mark | None
    limit_mark: Mark | None
    kills_mark: Mark | None
    complaint: str

    @property
    def marks(self) -> Mapping[str, Mark]:
        """The marks that there are."""
        marks = {what: getattr(self, f"{what}_mark") for what in WHAT}
        return {what: mark for what, mark in marks.items() if mark is not None}

    @property
    def is_failure(self) -> bool:
        """Something of the report is not as it should be."""
        return any(mark.is_failure for mark in self.marks.values()) or bool(self.complaint)

    def to_dict(self) -> dict[str, Any]:
        """Return what json.dumps takes."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the score that `to_dict` made this of."""
        marks = {f"{what}_mark" for what in WHAT}
        fields: dict[str, Any] = {
            name: Mark(value) if value and name in marks else value for name, value in values.items()
        }
        return cls(**fields)


WHAT = ("verdict", "victims", "limit", "kills")
"""What there are marks for."""


def score(report: Mapping[str, Any], truth: Truth, circumstances: Circumstances) -> Score:
    """Return what a report is worth."""
    oom = report["oom"] if truth.happened == report["verdict"] == "oom-kill" else None
    excused = truth.withheld | _taken_along(report, circumstances) | _taken_by_surprise(report, circumstances)
    return Score(
        systemd=report["systemd"],
        kernel=report["kernel"],
        kind=circumstances.kind,
        policy=circumstances.policy,
        log=circumstances.log,
        load=circumstances.load,
        happened=truth.happened,
        verdict=report["verdict"],
        verdict_mark=_mark(
            right=report["verdict"] == truth.happened,
            unknown=report["verdict"] == "unknown",
            excused="verdict" in excused,
        ),
        victims_mark=oom and _victims_mark(oom, truth, circumstances, excused="victims" in excused),
        limit_mark=oom and _limit_mark(oom, truth, excused="limit" in excused),
        kills_mark=oom and _kills_mark(oom, truth, excused="kills" in excused),
        complaint=_complaint(report, truth, circumstances),
    )


def _taken_along(report: Mapping[str, Any], circumstances: Circumstances) -> frozenset[str]:
    """Return what cannot be known without the counters: a group kill takes them along, and counts some twice.

    The kernel's log tells whose limit it was and who was in the group, but leaves that out after ten reports within
    five seconds, and of a machine that is full it lists everybody. Under OOMPolicy=kill systemd kills too: of whom it
    is the first to hit the log says nothing. Whether the process that holds them was one of those that were counted, if
    it was killed by itself, the log alone tells.
    """
    oom, events = report["oom"], report["memory"]["events"]
    log = (oom and oom["kernel_log"]) or ()
    if events is None and circumstances.may_lose_counters:
        return frozenset({"victims", "kills"} if circumstances.is_limit_told else {"limit", "victims", "kills"})
    if events is None or not events["oom_group_kill"]:
        return frozenset({"kills"} if circumstances.may_lose_counters and not circumstances.log else ())
    if any(each["tasks"] and each["oom_memcg"] for each in log):
        return frozenset({"kills"} if circumstances.unnamed else ())
    # Who had been seen may have ended otherwise before the others were killed.
    return frozenset({"kills"} if log else {"kills", "victims"})


def _taken_by_surprise(report: Mapping[str, Any], circumstances: Circumstances) -> frozenset[str]:
    """Return `verdict` if all died, the process that holds the counters too, before anybody saw that one was killed.

    The kernel takes that process where the others are as small, and systemd says nothing under this policy.
    """
    is_over = (
        report["memory"]["events"] is None and circumstances.may_lose_counters and circumstances.policy == "continue"
    )
    return frozenset({"verdict"} if is_over and not circumstances.counted and not circumstances.logged else ())


def _victims_mark(oom: Mapping[str, Any], truth: Truth, circumstances: Circumstances, *, excused: bool) -> Mark:
    named = [victim["pid"] for victim in oom["victims"] or ()]
    missing = set(truth.victims) - set(named)
    is_true = len(named) == len(set(named)) and all(
        victim["name"] in truth.victims.get(victim["pid"], ()) for victim in oom["victims"] or ()
    )
    traceless = missing - circumstances.logged - (set() if excused else circumstances.seen)
    return _mark(right=is_true and not missing, unknown=is_true, excused=missing == traceless)


def _limit_mark(oom: Mapping[str, Any], truth: Truth, *, excused: bool) -> Mark:
    is_right = oom["limit_of"] == truth.limit_of and oom["limit_unit"] in truth.limit_units
    return _mark(right=is_right, unknown=oom["limit_of"] == "unknown", excused=excused)


def _kills_mark(oom: Mapping[str, Any], truth: Truth, *, excused: bool) -> Mark:
    # Who died of another's kill is one more where it is known who that was.
    is_count = oom["kills"] == truth.counted and len(oom["victims"] or ()) < len(truth.victims)
    is_right = oom["kills"] == (len(truth.victims) or None) or is_count
    return _mark(right=is_right, unknown=oom["kills"] is None, excused=excused)


def _mark(*, right: bool, unknown: bool, excused: bool) -> Mark:
    if right:
        return Mark.RIGHT
    if not unknown:
        return Mark.WRONG
    return Mark.UNKNOWN if excused else Mark.UNDUE


def _complaint(report: Mapping[str, Any], truth: Truth, circumstances: Circumstances) -> str:
    """Return what else is not as it should be, nothing if all is."""
    oom = report["oom"]
    if (report["verdict"] == "oom-kill") != (oom is not None):
        return "oom belongs to the verdict oom-kill and to no other"
    if oom is None or truth.limit_of == "systemd-oomd":
        return ""
    by_log = {victim["pid"] for victim in oom["victims"] or () if victim["source"] == "kernel log"}
    sizes = [victim["rss"] for victim in oom["victims"] or () if victim["rss"] is not None]
    if not all(0 <= size <= MOST for size in sizes):
        return f"nobody had so much memory: {sizes}"
    if unheard := circumstances.logged - by_log:
        return f"the kernel log speaks of {sorted(unheard)}: {oom['kernel_log_reason']}"
    if not circumstances.log and (oom["kernel_log"] is not None or by_log or not oom["kernel_log_reason"]):
        return "the kernel log could not be read"
    return ""
