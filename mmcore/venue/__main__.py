"""`python -m mmcore.venue`: the venue as a process of its own."""

from __future__ import annotations

import sys

from mmcore.venue.cli import main

sys.exit(main(sys.argv[1:]))
