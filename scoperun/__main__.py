"""python -m scoperun."""

import sys

from scoperun.cli import main

sys.exit(main())
