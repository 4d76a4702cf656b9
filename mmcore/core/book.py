"""The exact order book of one symbol and the sequence rules that keep it exact, in C.

Prices and quantities are ints that count 1e-8. Levels in bulk are NumPy arrays of LEVEL. A handle may be used by one
thread at a time; no call blocks. Wrong sides and negative counts are programmers' mistakes (ValueError).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mmcore._native import ffi, lib
from mmcore.errors import CoreError

Levels = npt.NDArray[np.void]

LEVEL: Final = np.dtype([("price_e8", "<i8"), ("qty_e8", "<i8")])
ROW: Final = np.dtype(
    [(name, "<i8") for name in ("update_id", "bid_price_e8", "bid_qty_e8", "ask_price_e8", "ask_qty_e8")]
)
"""The top of the book after one diff."""
ALL: Final = 2**63 - 1
"""As a number of levels: every one."""

DEPTH: Final[int] = lib.MM_KIND_DEPTH
SNAPSHOT: Final[int] = lib.MM_KIND_SNAPSHOT
TICKER: Final[int] = lib.MM_KIND_TICKER
FUTURES: Final[int] = lib.MM_FLAG_FUTURES
"""Kinds of event a book has to do with, and the flag of diffs that carry the id before them."""


class Side(enum.IntEnum):
    """Side of the book."""

    BID = lib.MM_BID
    ASK = lib.MM_ASK


class Crossed(enum.IntEnum):
    """How the two sides stand to each other."""

    NORMAL = 0
    """Bid below ask, or one-sided."""
    LOCKED = 1
    """Bid equals ask."""
    CROSSED = 2
    """Bid above ask."""


class Step(enum.IntEnum):
    """What a diff or a snapshot did."""

    BUFFERED = lib.MM_SYNC_BUFFERED
    """It waits for a snapshot."""
    APPLIED = lib.MM_SYNC_APPLIED
    DROPPED = lib.MM_SYNC_DROPPED
    """It is older than the book."""
    GAP = lib.MM_SYNC_GAP
    """Something between it and the book is missing: the book is empty and needs a new snapshot."""
    STALE_SNAPSHOT = lib.MM_SYNC_STALE_SNAPSHOT
    """The snapshot is too old to reach the buffered diffs."""
    REPLAYED = lib.MM_SYNC_REPLAYED
    """The snapshot was accepted and the buffered diffs were applied."""
    OVERFLOW = lib.MM_SYNC_OVERFLOW
    """The buffer was full: the oldest diffs are lost, and the snapshot must be newer than they."""


@dataclass(frozen=True, slots=True)
class BookStats:
    """Counts since the book was made."""

    updates: int
    """Levels applied, deletes included."""
    deletes: int
    deletes_absent: int
    """Deletes of a level that was not there; 9 % on real data."""
    evicted: int
    """Farthest levels dropped at capacity."""


@dataclass(frozen=True, slots=True)
class SyncStats:
    """Counts since the sync was made."""

    dropped_before_snapshot: int
    applied: int
    gaps: int
    """Breaks after a sync."""
    snapshots: int
    """Accepted ones."""


def levels_of(pairs: Iterable[tuple[int, int]]) -> Levels:
    """(price_e8, qty_e8) pairs as an array of LEVEL. Raises OverflowError outside int64."""
    return np.array(list(pairs), dtype=LEVEL)


class Book:
    """An order book.

    levels_max: levels a side, 1..1,000,000; at capacity the farthest goes. tick_e8: what most prices are a multiple of,
    > 0; it only speeds up. Raises CoreError outside these ranges or without memory.
    """

    def __init__(self, levels_max: int = 10_000, tick_e8: int = 1) -> None:
        raw = lib.mm_book_new(levels_max, tick_e8) if levels_max > 0 else ffi.NULL
        if raw == ffi.NULL:
            raise CoreError(lib.MM_E_ARGUMENT, f"book of {levels_max} levels with tick {tick_e8}")
        self.raw: Any = ffi.gc(raw, lib.mm_book_free)
        self._level = ffi.new("mm_level *")
        self._int64 = ffi.new("int64_t *")
        self._double = ffi.new("double *")
        self._bool = ffi.new("bool *")

    # ---- Change --------------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Empties the book; statistics stay."""
        lib.mm_book_clear(self.raw)

    def snapshot(self, bids: Levels, asks: Levels, levels_asked: int = ALL) -> None:
        """Replaces the book; a side with at least levels_asked levels is known no farther than it reaches.

        Raises CoreError for a price <= 0 or a quantity < 0; the book is then empty.
        """
        self._check(
            lib.mm_book_snapshot(self.raw, _pointer(bids), len(bids), _pointer(asks), len(asks), levels_asked),
            "snapshot",
        )

    def apply(self, bids: Levels, asks: Levels) -> None:
        """One message: absolute quantities, 0 deletes. Raises CoreError as `snapshot` does."""
        self._check(lib.mm_book_apply(self.raw, _pointer(bids), len(bids), _pointer(asks), len(asks)), "message")

    def set(self, side: Side, price_e8: int, qty_e8: int) -> None:
        """One level. Raises CoreError as `snapshot` does."""
        self._check(lib.mm_book_set(self.raw, Side(side), price_e8, qty_e8), "level")

    # ---- Reading: nothing but count, qty and dump goes past the horizon ------------------------------------------

    def top(self) -> npt.NDArray[np.int64]:
        """Bid price, bid quantity, ask price, ask quantity, sharing memory; quantity and price 0 = side is empty."""
        return np.frombuffer(ffi.buffer(lib.mm_book_top(self.raw), 32), dtype=np.int64)

    def best(self, side: Side) -> tuple[int, int] | None:
        """(price_e8, qty_e8) of the best level; None when there is none."""
        there = lib.mm_book_best(self.raw, Side(side), self._level)
        return (self._level.price_e8, self._level.qty_e8) if there else None

    def mid_e8(self) -> int | None:
        """(bid + ask) / 2 rounded down; None without both."""
        return int(self._int64[0]) if lib.mm_book_mid(self.raw, self._int64) else None

    def spread_e8(self) -> int | None:
        """ask - bid, negative when crossed; None without both."""
        return int(self._int64[0]) if lib.mm_book_spread(self.raw, self._int64) else None

    def crossed(self) -> Crossed:
        return Crossed(lib.mm_book_crossed(self.raw))

    def count(self, side: Side) -> int:
        """Levels held, those past the horizon included."""
        return int(lib.mm_book_count(self.raw, Side(side)))

    def qty_e8(self, side: Side, price_e8: int) -> int:
        """Quantity held at exactly this price; 0 when there is none."""
        return int(lib.mm_book_qty(self.raw, Side(side), price_e8))

    def depth(self, side: Side, level_count: int = ALL) -> Levels:
        """The first levels, best first, copied."""
        return self._levels(lib.mm_book_depth, side, level_count)

    def dump(self, side: Side) -> Levels:
        """All levels held, best first, those past the horizon included: to print or compare, not to decide by."""
        return self._levels(lib.mm_book_dump, side, ALL)

    def imbalance(self, level_count: int) -> float | None:
        """(bids - asks) / (bids + asks) of the first levels' quantities; None when all are 0."""
        some = lib.mm_book_imbalance(self.raw, _natural(level_count), self._double)
        return float(self._double[0]) if some else None

    def qty_sum_e8(self, side: Side, level_count: int) -> tuple[int, bool]:
        """Sum of the first levels' quantities, and whether it was cut to int64."""
        total = lib.mm_book_qty_sum(self.raw, Side(side), _natural(level_count), self._bool)
        return int(total), bool(self._bool[0])

    def vwap_e8(self, side: Side, level_count: int) -> int | None:
        """Volume-weighted price of the first levels, exact, rounded down; None when there are none."""
        some = lib.mm_book_vwap(self.raw, Side(side), _natural(level_count), self._int64)
        return int(self._int64[0]) if some else None

    def fill_price_e8(self, side: Side, qty_e8: int) -> int | None:
        """Average price to take qty_e8 > 0 from a side, rounded against the taker; None when it is not there."""
        if qty_e8 <= 0:
            raise ValueError(f"quantity {qty_e8} is not > 0")
        filled = lib.mm_book_fill_price(self.raw, Side(side), qty_e8, self._int64)
        return int(self._int64[0]) if filled else None

    def horizon_e8(self, side: Side) -> int | None:
        """The farthest price up to which the side is known; None when all of it is."""
        return int(self._int64[0]) if lib.mm_book_horizon(self.raw, Side(side), self._int64) else None

    def statistics(self) -> BookStats:
        stats = lib.mm_book_statistics(self.raw)
        return BookStats(stats.updates, stats.deletes, stats.deletes_absent, stats.evicted)

    def valid(self) -> bool:
        """The invariants, in time proportional to the levels."""
        return bool(lib.mm_book_valid(self.raw))

    def _levels(self, read: Any, side: Side, level_count: int) -> Levels:
        out = np.empty(min(_natural(level_count), self.count(side)), dtype=LEVEL)
        pointer = ffi.from_buffer("mm_level[]", out, require_writable=True)
        return out[: read(self.raw, Side(side), len(out), pointer)]

    def _check(self, status: int, what: str) -> None:
        if status < 0:
            raise CoreError(status, f"{what} with a price <= 0 or a quantity < 0: the book was emptied")


class Sync:
    """Makes one exact book of a snapshot and the diffs around it.

    An event is what a feed makes of a message: an array of records, or a `mm_record *` with continuations behind it.

    buffer_records: room for diffs that wait for a snapshot, > 0. Raises CoreError without memory.
    """

    def __init__(self, book: Book, buffer_records: int = 1 << 16) -> None:
        raw = lib.mm_sync_new(buffer_records) if buffer_records > 0 else ffi.NULL
        if raw == ffi.NULL:
            raise CoreError(lib.MM_E_ARGUMENT, f"sync with a buffer of {buffer_records} records")
        self.raw: Any = ffi.gc(raw, lib.mm_sync_free)
        self.book = book

    def depth(self, event: Any) -> Step:
        """A diff. Raises CoreError when it is not valid; the book then waits for a snapshot."""
        return self._step(lib.mm_sync_depth(self.raw, self.book.raw, _event(event)), "diff")

    def snapshot(self, event: Any, levels_asked: int) -> Step:
        """A snapshot for which levels_asked levels a side were asked. Raises CoreError when it is not valid."""
        result = lib.mm_sync_snapshot(self.raw, self.book.raw, _event(event), levels_asked)
        return self._step(result, "snapshot")

    def reset(self) -> None:
        """Empties book and buffer and waits for a snapshot."""
        lib.mm_sync_reset(self.raw, self.book.raw)

    def observe(self, series: Series | None) -> None:
        """From now on the series gets a row for every diff that is applied."""
        if series is None:
            lib.mm_sync_observe(self.raw, ffi.NULL, ffi.NULL)
        else:
            lib.mm_sync_observe(self.raw, ffi.addressof(lib, "mm_sync_collect"), series.raw)
        self._series = series  # keeps its memory alive

    @property
    def synced(self) -> bool:
        """Whether the book is exact."""
        return bool(lib.mm_sync_state(self.raw) == lib.MM_SYNC_SYNCED)

    @property
    def last_id(self) -> int:
        """The update id of the book, -1 while it waits."""
        return int(lib.mm_sync_last_id(self.raw))

    def statistics(self) -> SyncStats:
        stats = lib.mm_sync_statistics(self.raw)
        return SyncStats(stats.dropped_before_snapshot, stats.applied, stats.gaps, stats.snapshots)

    def _step(self, result: int, what: str) -> Step:
        if result < 0:
            raise CoreError(result, f"{what} with levels or ids that are not valid")
        return Step(result)


class Series:
    """Rows of the book's top, one for every applied diff, collected in C without a call back into Python."""

    def __init__(self, book: Book, capacity: int) -> None:
        """capacity: rows between two calls of `take`, > 0."""
        self._rows = ffi.new("mm_sync_row[]", capacity)
        self.raw: Any = ffi.new("mm_sync_series *", {"book": book.raw, "rows": self._rows, "capacity": capacity})
        self._book = book

    def take(self) -> npt.NDArray[np.void]:
        """The rows since the last call, copied, as an array of ROW. Raises OverflowError when some had no room."""
        count, self.raw.count = int(self.raw.count), 0
        if count > self.raw.capacity:
            raise OverflowError(f"{count} rows since the last call, {self.raw.capacity} have room")
        return np.frombuffer(ffi.buffer(self._rows), dtype=ROW, count=count).copy()


def _pointer(levels: Levels) -> Any:
    if levels.dtype != LEVEL or levels.ndim != 1:
        raise ValueError("levels are a one-dimensional array of LEVEL")
    return ffi.from_buffer("mm_level[]", np.ascontiguousarray(levels))


def _event(event: Any) -> Any:
    return ffi.from_buffer("mm_record[]", event) if isinstance(event, np.ndarray) else event


def _natural(count: int) -> int:
    if count < 0:
        raise ValueError(f"number of levels {count} is negative")
    return count
