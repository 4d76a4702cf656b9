"""A ring of 64-byte records between one producing and one consuming thread."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmcore._native import ffi, lib
from mmcore.core.layout import RECORD, Records
from mmcore.errors import CoreError


class Queue:
    """Events go in whole or not at all and come out whole and in order.

    An event is a row of records whose first one has the event's length in `count`. The methods say which of the two
    threads may call them; each call costs about 0.1 us and never blocks.
    """

    def __init__(self, capacity: int) -> None:
        """capacity: records, a power of two in 2 .. 2^24. Raises CoreError outside that or without memory."""
        raw = lib.mm_spsc_new(capacity)
        if raw == ffi.NULL:
            raise CoreError(lib.MM_E_ARGUMENT, f"queue of {capacity} records (a power of two in 2..2^24)")
        self.raw: Any = ffi.gc(raw, lib.mm_spsc_free)

    @property
    def capacity(self) -> int:
        """In records."""
        return int(lib.mm_spsc_capacity(self.raw))

    def push(self, event: Records) -> bool:
        """The whole event, or False when there is not enough room. Producer.

        Raises ValueError when `count` of the first record is not the number of records.
        """
        if event.dtype != RECORD or event.ndim != 1 or len(event) == 0 or int(event[0]["count"]) != len(event):
            raise ValueError("an event is a row of RECORD whose first count is its length")
        records = ffi.from_buffer("mm_record[]", np.ascontiguousarray(event))
        return bool(lib.mm_spsc_push(self.raw, records))

    def pop(self) -> Records | None:
        """The next event, copied out; None when there is none. Consumer.

        `seq` of each record is then its position in the ring since the start, plus one.
        """
        header = lib.mm_spsc_peek(self.raw)
        if header == ffi.NULL:
            return None
        event = np.empty(int(header.count), dtype=RECORD)
        lib.mm_spsc_pop(self.raw, ffi.from_buffer("mm_record[]", event, require_writable=True), len(event))
        return event

    def room(self) -> int:
        """Records a push finds room for at least. Producer."""
        return int(lib.mm_spsc_room(self.raw))

    def empty(self) -> bool:
        """Whether nothing can be taken at this moment. Any thread."""
        return bool(lib.mm_spsc_empty(self.raw))

    def valid(self) -> bool:
        """The ring's invariants; only while neither side is active."""
        return bool(lib.mm_spsc_valid(self.raw))
