"""Whether what reads our output takes UTF-8, by the locale that the program was started with. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def takes_utf8(environment: Mapping[str, str]) -> bool:
    """Tell whether the locale's character set is UTF-8.

    environment: as given to the program; Python changes its own in the C locale. See locale(7) for the order.
    """
    names = (environment.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    chosen = next((name for name in names if name), "")
    return chosen.partition("@")[0].lower().replace("-", "").endswith("utf8")
