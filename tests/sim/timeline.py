"""Virtual time: things to be done, in the order of their times, and the clocks that read it."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

NS_PER_US: Final = 1_000
NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
NEVER: Final = 2**63 - 1


class Timeline:
    """One heap of events. Time moves only here, from one event or deadline to the next; never backwards."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._entered = 0

    def at(self, time_ns: int, act: Callable[[], None]) -> None:
        """Has `act` called at that time, at once if it is over; of one moment's events the first entered comes
        first."""
        self._entered += 1
        heapq.heappush(self._heap, (max(time_ns, self.now_ns), self._entered, act))

    def after(self, delay_ns: int, act: Callable[[], None]) -> None:
        """Has `act` called so much later."""
        self.at(self.now_ns + delay_ns, act)

    def next_ns(self) -> int:
        """When the next event is; NEVER if there is none."""
        return self._heap[0][0] if self._heap else NEVER

    def advance(self, deadline_ns: int) -> None:
        """Moves to the next event and does it, or to `deadline_ns` if that is earlier, and does nothing."""
        if self._heap and self._heap[0][0] <= max(deadline_ns, self.now_ns):
            time_ns, _, act = heapq.heappop(self._heap)
            self.now_ns = time_ns
            act()
        else:
            self.now_ns = max(self.now_ns, deadline_ns)


class HostClock:
    """The bot's machine: a monotonic clock, and a wall clock that faults may step. A sleep lets the world go on."""

    def __init__(self, timeline: Timeline, wall_offset_ns: int, run_until: Callable[[int], None]) -> None:
        """run_until(time_ns): lets everything happen that comes before then."""
        self._timeline = timeline
        self._run_until = run_until
        self.wall_offset_ns = wall_offset_ns

    def mono_ns(self) -> int:
        return self._timeline.now_ns

    def epoch_ns(self) -> int:
        return self._timeline.now_ns + self.wall_offset_ns

    def sleep(self, seconds: float) -> None:
        self._run_until(self._timeline.now_ns + int(seconds * NS_PER_S))


class VenueClock:
    """The exchange's machine, which keeps its own time and drifts against the other."""

    def __init__(self, timeline: Timeline, offset_us: int, drift_ppm: int) -> None:
        self._timeline = timeline
        self._offset_us = offset_us
        self._scale = 1_000_000 + drift_ppm

    def now_us(self) -> int:
        return self._timeline.now_ns * self._scale // NS_PER_S + self._offset_us

    def ns_of(self, time_us: int) -> int:
        """The first moment of the timeline at which this clock shows that time."""
        return -(-(time_us - self._offset_us) * NS_PER_S // self._scale)
