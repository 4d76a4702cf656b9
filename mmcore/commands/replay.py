"""`mmcore replay FILE`: an input log through the engine again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mmcore.core.log import replay
from mmcore.errors import ExitCode


def main(path: Path) -> ExitCode:
    """Prints one JSON line; INTERNAL when the actions differ from the logged ones. Raises UsageError for a file
    that is no log."""
    result = replay(path)
    line = {
        "actions_digest": result.actions_digest,
        "actions": result.actions,
        "events": result.events,
        "recorded_by": result.build,
        "mismatch": result.mismatch,
        "truncated": result.truncated,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    if result.mismatch is not None:
        sys.stderr.write(f"mmcore: error: action {result.mismatch} is not the one that was logged\n")
        return ExitCode.INTERNAL
    return ExitCode.DONE
