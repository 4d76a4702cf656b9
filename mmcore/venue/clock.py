"""The venue's time. Nothing else in `mmcore.venue` reads a clock."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A source of microseconds since 1970-01-01 UTC that never runs backwards."""

    def now_us(self) -> int:
        """Now, in microseconds."""


class SystemClock:
    """Wall-clock time at construction, carried on by the monotonic clock.

    So a step of the host's clock never reorders the market.
    """

    __slots__ = ("_offset_ns",)

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def now_us(self) -> int:
        """Now, in microseconds."""
        return (time.monotonic_ns() + self._offset_ns) // 1000
