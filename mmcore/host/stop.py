"""How a run is asked to stop."""

from __future__ import annotations

from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class Stop:
    """Signals so far. The first stops the run, the second changes nothing, the third gives up waiting.

    The main thread looks at the count every few milliseconds. A handler that woke it would need a lock, and it runs in
    the midst of whatever the main thread does: with that very lock taken, it would wait for itself for good."""

    count: int = 0

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        self.count += 1


