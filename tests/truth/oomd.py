"""Kills by the real systemd-oomd. It takes some seconds for each; deaths.py has its marks without it."""

from scoperun import Limits, MiB
from tests.guest.oomd import monitored_slice, quick_oomd
from tests.guest.pages import drop_from_page_cache
from tests.lab.needs import Needs

from .kinds import killed, kind
from .stage import SLICE, Claim, Stage

OOMD = Needs(user="root", kernel="stock", swap="512M")


@kind("systemd-oomd kills the scope because of a slice's memory pressure", guest=OOMD, may_lose_counters=True)
async def pressed_slice(stage: Stage) -> Claim:
    drop_from_page_cache(stage.pages)
    with quick_oomd(), monitored_slice(SLICE):
        words = (stage.actor, "say", "victim", "thrash", stage.pages)
        async with stage.scope(*words, slice=SLICE, limits=Limits(memory_high=6 * MiB)) as scope:
            victim = await stage.pid("victim")
            report = await stage.report(scope)
    twice = len(report["oom"]["oomd"]["log"] or ()) > 1  # it counts processes again that have not ended yet
    withheld = frozenset({"victims", "kills"} if twice else {"victims"})
    return killed(report, victim, limit_of="systemd-oomd", units=(SLICE,), withheld=withheld)
