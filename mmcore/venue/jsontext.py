"""JSON text as the exchange writes it, with every time in the unit that the reader asked for."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from typing import Any


class TimeUnit(enum.Enum):
    """What the times of a reply or an event count; the value is how many microseconds that is."""

    MILLISECOND = 1000
    MICROSECOND = 1

    def of(self, time_us: int) -> int:
        """A time in microseconds, in this unit."""
        return time_us // self.value


@dataclass(frozen=True, slots=True)
class Stamp:
    """A time inside an answer, in microseconds, until the answer becomes text."""

    time_us: int


def time_unit(name: str) -> TimeUnit | None:
    """MILLISECOND or MICROSECOND, in upper or lower case; None for any other text."""
    return _UNITS.get(name)


def compact_json(value: Any, unit: TimeUnit = TimeUnit.MILLISECOND) -> str:
    """JSON without spaces; each `Stamp` in it becomes a whole number of `unit`."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_WRITERS[unit])


def _milliseconds(stamp: Stamp) -> int:
    return stamp.time_us // 1000


def _microseconds(stamp: Stamp) -> int:
    return stamp.time_us


_WRITERS = {TimeUnit.MILLISECOND: _milliseconds, TimeUnit.MICROSECOND: _microseconds}
_UNITS = {spelled: unit for unit in TimeUnit for spelled in (unit.name, unit.name.lower())}
