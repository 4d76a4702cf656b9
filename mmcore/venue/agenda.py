"""What is to be done later: actions with their times, in order."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Agenda:
    """Actions by time, microseconds of the market's clock; those of one time run in the order they were put in."""

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Callable[[], object]]] = []
        self._count = 0

    def at(self, due_us: int, action: Callable[[], object]) -> None:
        """Do `action` at `due_us` or as soon after it as `run` is called."""
        heapq.heappush(self._heap, (due_us, self._count, action))
        self._count += 1

    def next_due_us(self) -> int | None:
        """When the first action is due."""
        return self._heap[0][0] if self._heap else None

    def run(self, now_us: int) -> None:
        """Do all that is due up to `now_us`; what an action puts in for then is done too."""
        while self._heap and self._heap[0][0] <= now_us:
            heapq.heappop(self._heap)[2]()
