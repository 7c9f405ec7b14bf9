"""What the program spares itself while it imports what it needs.

Times are in microseconds, by Debian 12's Python 3.11: a start of scoperun takes some 100,000 on the same machine.
"""

import gc
import sys

NOT_NEEDED = {
    "ssl": ("asyncio", 4200),
    "gi": ("dbus_next", 6600),  # where Debian's python3-gi is installed; 50 where only the search is spared
    "_zstd": ("shutil", 900),  # since Python 3.14, where this was scaled from a slower machine
    "lzma": ("shutil", 700),
    "bz2": ("shutil", 600),
    "_uuid": ("uuid", 250),
    "_elementtree": ("xml.etree.ElementTree", 200),
}
"""Modules that others import if they can and do without if not: the importing module, and what it saves to do without.

That is what `-X importtime` shows for the module and for what is imported only because of it.
"""

COLLECT_AFTER = 100_000
"""How many new objects there have to be before Python looks for garbage: by default it does so some fifty times while
all is imported, finds little, and takes 6000 in all."""


def spare() -> None:
    """Have the imports that follow take less time. For the program alone: it changes Python for the whole process."""
    gc.set_threshold(COLLECT_AFTER)
    for module in NOT_NEEDED:
        sys.modules[module] = None  # type: ignore[assignment]  # importing it raises ImportError
