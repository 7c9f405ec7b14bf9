"""Scores a report: compares it with what really happened. No I/O."""

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

MARK = "truth: "
"""The text before each score, which is JSON, in a guest's output if $SCOPERUN_TRUTH_ROUNDS is set."""

MOST = 1 << 30
"""The memory of the largest guest, in bytes."""


class Mark(enum.StrEnum):
    """How a statement of a report relates to the truth; only the last two are failures.

    UNKNOWN: the report says unknown, and no trace was left. UNDUE: it says unknown although a trace was left.
    """

    RIGHT = "right"
    UNKNOWN = "unknown"
    UNDUE = "unknown without need"
    WRONG = "wrong"

    @property
    def is_failure(self) -> bool:
        """Whether the report should have said something else."""
        return self in {Mark.UNDUE, Mark.WRONG}


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What really happened.

    happened: the right verdict.
    victims: the processes that the OOM killer killed: by pid, the names that the report can give them.
    counted: the number of kills that the kernel counted, if several processes shared their memory and died of one kill.
    limit_of, limit_units: whose limit it was, and the units that the report can name for it.
    withheld: the facts that can be unknown: verdict, victims, limit, kills.
    """

    happened: str
    victims: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    counted: int | None = None
    limit_of: str | None = None
    limit_units: tuple[str | None, ...] = ()
    withheld: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """The circumstances of a run.

    kind, policy: the kind of story and its OOM policy.
    log: the kernel log could be read. load: the processor was busy.
    logged: the victims that the log assigns to the scope; the kernel leaves some out, and so does journald.
    unnamed: the victims that the log does not mention.
    is_limit_told: the log says at whose limit the last of them was killed.
    seen: the processes that scoperun saw while they lived; one that is born and killed at once is not among them.
    counted: scoperun saw the kernel count a kill while the scope existed.
    job: the command was a job of a batch; then `seen` and `counted` are not known.
    may_lose_counters: the process that holds the counters can have been killed too.
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
    job: bool = False
    may_lose_counters: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One run: the truth, the verdict, and a mark for each fact; a mark is None if the fact does not apply.

    complaint: what else is wrong with the report, empty if nothing is.
    """

    systemd: str
    kernel: str
    kind: str
    policy: str
    log: bool
    load: bool
    job: bool
    happened: str
    verdict: str
    verdict_mark: Mark
    victims_mark: Mark | None
    limit_mark: Mark | None
    kills_mark: Mark | None
    complaint: str

    @property
    def marks(self) -> Mapping[str, Mark]:
        """The marks that are not None, by fact."""
        marks = {what: getattr(self, f"{what}_mark") for what in WHAT}
        return {what: mark for what, mark in marks.items() if mark is not None}

    @property
    def is_failure(self) -> bool:
        """Whether anything in the report is wrong."""
        return any(mark.is_failure for mark in self.marks.values()) or bool(self.complaint)

    def to_dict(self) -> dict[str, Any]:
        """Return the score as a dict for json.dumps."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the score from the result of `to_dict`."""
        marks = {f"{what}_mark" for what in WHAT}
        fields: dict[str, Any] = {
            name: Mark(value) if value and name in marks else value for name, value in values.items()
        }
        return cls(**fields)


WHAT = ("verdict", "victims", "limit", "kills")
"""The facts that have marks."""


def score(report: Mapping[str, Any], truth: Truth, circumstances: Circumstances) -> Score:
    """Return the score of a report."""
    oom = report["oom"] if truth.happened == report["verdict"] == "oom-kill" else None
    excused = truth.withheld | _taken_along(report, circumstances) | _taken_by_surprise(report, circumstances)
    excused |= _renamed(report, truth, circumstances)
    return Score(
        systemd=report["systemd"],
        kernel=report["kernel"],
        kind=circumstances.kind,
        policy=circumstances.policy,
        log=circumstances.log,
        load=circumstances.load,
        job=circumstances.job,
        happened=truth.happened,
        verdict=report["verdict"],
        verdict_mark=_mark(
            right=report["verdict"] == truth.happened,
            unknown=report["verdict"] == "unknown",
            excused="verdict" in excused,
        ),
        victims_mark=oom and _victims_mark(oom, truth, circumstances, excused=excused),
        limit_mark=oom and _limit_mark(oom, truth, excused="limit" in excused),
        kills_mark=oom and _kills_mark(oom, truth, excused="kills" in excused),
        complaint=_complaint(report, truth, circumstances),
    )


def _renamed(report: Mapping[str, Any], truth: Truth, circumstances: Circumstances) -> frozenset[str]:
    """Return `names` if the memory of a process does not prove that it was killed under the name that it had before.

    It does only at the scope's own limit, for one that has most of the memory to itself and was chosen for that. Nor
    does it prove at another limit that the process was killed, and before 6.15 the kernel does not tell.
    """
    is_group = circumstances.policy == "kill" or bool((report["memory"]["events"] or {}).get("oom_group_kill"))
    is_elsewhere = truth.limit_of != "scope" or truth.limit_units != (report["unit"],)
    names = frozenset({"names"} if is_group or is_elsewhere or len(truth.victims) > 1 else ())
    major, minor = map(int, report["kernel"].split(".")[:2])
    return names | ({"victims"} if is_elsewhere and (major, minor) < (6, 15) else set())


def _taken_along(report: Mapping[str, Any], circumstances: Circumstances) -> frozenset[str]:
    """Return the facts that are unknown without the counters: a group kill removes them, and counts some kills twice.

    The kernel's log has the limit and the members of the group, but leaves them out after ten reports within five
    seconds, and for a full machine it lists all processes. Under OOMPolicy=kill systemd kills too, and the log does not
    mention the processes that it hits first. If the process that holds the counters was killed by itself, only the log
    says whether it was one of the counted ones.
    """
    oom, events = report["oom"], report["memory"]["events"]
    log = (oom and oom["kernel_log"]) or ()
    if events is None and circumstances.may_lose_counters:
        return frozenset({"victims", "kills"} if circumstances.is_limit_told else {"limit", "victims", "kills"})
    if events is None or not events["oom_group_kill"]:
        return frozenset({"kills"} if circumstances.may_lose_counters and not circumstances.log else ())
    if any(each["tasks"] and each["oom_memcg"] for each in log):
        return frozenset({"kills"} if circumstances.unnamed else ())
    # A process that was seen can have ended in another way before the others were killed.
    return frozenset({"kills"} if log else {"kills", "victims"})


def _taken_by_surprise(report: Mapping[str, Any], circumstances: Circumstances) -> frozenset[str]:
    """Return `verdict` if all processes died, with the one that holds the counters, before scoperun saw a kill.

    The kernel chooses that process if the others are as small, and systemd reports nothing under this policy.
    """
    is_over = (
        report["memory"]["events"] is None and circumstances.may_lose_counters and circumstances.policy == "continue"
    )
    return frozenset({"verdict"} if is_over and not circumstances.counted and not circumstances.logged else ())


def _victims_mark(
    oom: Mapping[str, Any], truth: Truth, circumstances: Circumstances, *, excused: frozenset[str]
) -> Mark:
    named = [victim["pid"] for victim in oom["victims"] or ()]
    nameless = {victim["pid"] for victim in oom["victims"] or () if victim["name"] is None}
    missing = set(truth.victims) - set(named)
    is_true = len(named) == len(set(named)) and all(
        victim["pid"] in truth.victims and victim["name"] in {None, *truth.victims[victim["pid"]]}
        for victim in oom["victims"] or ()
    )
    traceless = missing - circumstances.logged - (set() if "victims" in excused else circumstances.seen)
    changeable = nameless - circumstances.logged if "names" in excused else set()
    is_right = is_true and not missing and not nameless
    return _mark(right=is_right, unknown=is_true, excused=(missing, nameless) == (traceless, changeable))


def _limit_mark(oom: Mapping[str, Any], truth: Truth, *, excused: bool) -> Mark:
    is_right = oom["limit_of"] == truth.limit_of and oom["limit_unit"] in truth.limit_units
    return _mark(right=is_right, unknown=oom["limit_of"] == "unknown", excused=excused)


def _kills_mark(oom: Mapping[str, Any], truth: Truth, *, excused: bool) -> Mark:
    # A process that died of another one's kill, because they shared memory, is one more kill if it is known.
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
    """Return what else is wrong with the report, an empty text if nothing is."""
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
