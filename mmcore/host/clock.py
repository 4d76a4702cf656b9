"""Time, injected everywhere: the only module that calls `time`. A test gives its own clock."""

from __future__ import annotations

import time
from functools import partial
from typing import Protocol


class Clock(Protocol):
    """What the host knows of time."""

    def mono_ns(self) -> int:
        """Nanoseconds of the local monotonic clock: for every time-out, age and stamp."""

    def epoch_ns(self) -> int:
        """Nanoseconds since 1970 by the wall clock, which may step: for names and messages only."""

    def sleep(self, seconds: float) -> None:
        """Waits. Cold threads only."""


class SystemClock:
    """The machine's clocks."""

    mono_ns = staticmethod(partial(time.clock_gettime_ns, time.CLOCK_MONOTONIC))  # the core's clock, without a frame

    def epoch_ns(self) -> int:
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
