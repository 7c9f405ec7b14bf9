"""Whose code time goes into."""

from collections import Counter
from collections.abc import Iterable

PACKAGES = {"scoperun": "scoperun", "dbus_next": "dbus-next", "typer": "typer", "asyncio": "asyncio"}
REST = "Python and its other modules"


def by_package(times: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the sums of times that are given with a module's name, or with the file that it is in."""
    sums: Counter[str] = Counter()
    for where, seconds in times:
        parts = where.replace(".", "/").split("/")
        sums[next((name for part, name in PACKAGES.items() if part in parts), REST)] += seconds
    return dict(sums.most_common())
