"""Sums of times, by the package of the code."""

from collections import Counter
from collections.abc import Iterable

PACKAGES = {"scoperun": "scoperun", "dbus_next": "dbus-next", "typer": "typer", "asyncio": "asyncio"}
REST = "Python and its other modules"


def by_package(times: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the sum of times for each package; each time comes with the name or the file of its module."""
    sums: Counter[str] = Counter()
    for where, seconds in times:
        parts = where.replace(".", "/").split("/")
        sums[next((name for part, name in PACKAGES.items() if part in parts), REST)] += seconds
    return dict(sums.most_common())
