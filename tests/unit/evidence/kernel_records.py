"""Records of the kernel log on an OOM kill, as the kernel writes them."""

from scoperun.evidence.kernel_report import KernelRecord
from tests.unit.stories import START

OURS = str(START.cgroup)


def killed(pid: int, name: str = "leak", *, at: float | None = 101.9) -> KernelRecord:
    """Return everything that the kernel says about a kill after ten reports in five seconds."""
    sizes = "total-vm:53736kB, anon-rss:20388kB, file-rss:1436kB, shmem-rss:12kB"
    last = "UID:1000 pgtables:80kB oom_score_adj:0"
    return KernelRecord(f"Memory cgroup out of memory: Killed process {pid} ({name}) {sizes}, {last}", at)


def summary(pid: int, cgroup: str = OURS, *, name: str = "leak", at: float | None = 101.9) -> KernelRecord:
    """Return the record before it that names the cgroup."""
    cgroups = f"oom_memcg={cgroup},task_memcg={cgroup}"
    text = f"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),{cgroups},task={name},pid={pid},uid=1000"
    return KernelRecord(text, at)
