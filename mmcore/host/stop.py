"""How a run is asked to stop."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import FrameType


@dataclass(slots=True)
class Stop:
    """Signals so far. The first stops the run, the second changes nothing, the third gives up waiting."""

    count: int = 0
    wake: threading.Event = field(default_factory=threading.Event)

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        self.wake.set()


