"""The book through its handle against a twin of dicts: every query after every operation."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mmcore._native import ffi, lib
from mmcore.core.book import ALL, LEVEL, Book, Crossed, Levels, Series, Side, Step, Sync, levels_of
from mmcore.errors import CoreError
from tests.model.book_twin import BookTwin

T = TypeVar("T")
INT64_MAX = 2**63 - 1
Pairs = list[tuple[int, int]]


class Draw(Protocol):
    """Hypothesis's draw of a data object."""

    def __call__(self, strategy: st.SearchStrategy[T], /) -> T: ...


quantities = st.one_of(st.just(0), st.integers(1, 10**11), st.integers(0, INT64_MAX))
ticks = st.sampled_from((1, 3, 10**6, 1 << 20, 7 << 40, INT64_MAX))
capacities = st.sampled_from((1, 2, 5, 40, 1000))


def pairs_of(levels: Levels) -> Pairs:
    return [(int(level["price_e8"]), int(level["qty_e8"])) for level in levels]


class BookAgainstTwin(RuleBasedStateMachine):
    """Any messages, single levels and snapshots around a price that creeps and jumps."""

    @initialize(levels_max=capacities, tick=ticks, centre=st.one_of(st.integers(1, INT64_MAX), st.just(67_000 * 10**8)))
    def begin(self, levels_max: int, tick: int, centre: int) -> None:
        self.book = Book(levels_max, tick)
        self.twin = BookTwin(levels_max)
        self.tick = tick
        self.centre = centre

    def price(self, draw: Draw, side: int) -> int:
        """Near the centre, at a level that is there, between ticks, or anywhere in int64."""
        kind = draw(st.integers(0, 9))
        there = self.twin.dump(side)
        if kind < 3 and there:
            return there[draw(st.integers(0, len(there) - 1))][0]
        if kind == 9:
            return draw(st.one_of(st.integers(1, INT64_MAX), st.sampled_from((1, 2, INT64_MAX - 1, INT64_MAX))))
        reach = draw(st.sampled_from((3, 70, 40_000)))
        price = (self.centre // self.tick + draw(st.integers(-reach, reach))) * self.tick
        price += draw(st.integers(0, 5)) if kind == 8 else 0
        return min(max(price, 1), INT64_MAX)

    def levels(self, draw: Draw, side: int, most: int) -> Pairs:
        count = draw(st.integers(0, most))
        return [(self.price(draw, side), draw(quantities)) for _ in range(count)]

    @rule(data=st.data())
    def message(self, data: Any) -> None:
        bids, asks = self.levels(data.draw, 0, 12), self.levels(data.draw, 1, 12)
        self.twin.apply(bids, asks)
        self.book.apply(levels_of(bids), levels_of(asks))

    @rule(data=st.data(), side=st.sampled_from(Side))
    def level(self, data: Any, side: Side) -> None:
        price, qty = self.price(data.draw, side), data.draw(quantities)
        self.twin.apply(*(([(price, qty)], []) if side is Side.BID else ([], [(price, qty)])))
        self.book.set(side, price, qty)

    @rule(data=st.data(), asked=st.sampled_from((1, 10, ALL)))
    def snapshot(self, data: Any, asked: int) -> None:
        bids, asks = self.levels(data.draw, 0, 30), self.levels(data.draw, 1, 30)
        self.twin.snapshot(bids, asks, asked)
        self.book.snapshot(levels_of(bids), levels_of(asks), asked)

    @rule(data=st.data(), side=st.integers(0, 1), bad=st.sampled_from(((0, 1), (-5, 1), (-(2**63), 0), (7, -1))))
    def message_that_is_not_valid(self, data: Any, side: int, bad: tuple[int, int]) -> None:
        sides = [self.levels(data.draw, 0, 3), self.levels(data.draw, 1, 3)]
        sides[side].insert(data.draw(st.integers(0, len(sides[side]))), bad)
        self.twin.apply(*sides)
        with pytest.raises(CoreError):
            self.book.apply(*map(levels_of, sides))

    @rule()
    def clear(self) -> None:
        self.twin.clear()
        self.book.clear()

    @rule(steps=st.integers(-9, 9), unit=st.sampled_from((1, 100, 3_000, 500_000)))
    def move(self, steps: int, unit: int) -> None:
        self.centre = min(max(self.centre + steps * unit * self.tick, 1), INT64_MAX)

    @precondition(lambda self: self.twin.dump(0) or self.twin.dump(1))
    @rule(count=st.integers(1, 4))
    def take_away_the_best(self, count: int) -> None:
        for side in Side:
            gone = [(price, 0) for price, _ in self.twin.dump(side)[:count]]
            self.twin.apply(*((gone, []) if side is Side.BID else ([], gone)))
            self.book.apply(*map(levels_of, (gone, []) if side is Side.BID else ([], gone)))

    @invariant()
    def every_query_agrees(self) -> None:
        if not hasattr(self, "book"):
            return
        book, twin = self.book, self.twin
        assert book.mid_e8() == twin.mid()
        assert book.spread_e8() == twin.spread()
        assert book.crossed() == twin.crossed()
        for count in (0, 1, 5, 64, 257, ALL):
            assert book.imbalance(count) == twin.imbalance(count)
        for side in Side:
            self.side_agrees(side)
        stats = book.statistics()
        assert (stats.updates, stats.deletes) == (twin.updates, twin.deletes)
        assert (stats.deletes_absent, stats.evicted) == (twin.deletes_absent, twin.evicted)
        assert book.valid()

    def side_agrees(self, side: Side) -> None:
        book, twin = self.book, self.twin
        best = twin.best(side)
        assert book.best(side) == best
        assert tuple(book.top()[2 * side : 2 * side + 2]) == (best or (0, 0))
        assert book.count(side) == len(twin.sides[side])
        assert pairs_of(book.dump(side)) == twin.dump(side)
        assert book.horizon_e8(side) == twin.horizons[side]
        for count in (1, 7, 64, 257, ALL):
            assert pairs_of(book.depth(side, count)) == twin.depth(side, count)
            assert book.qty_sum_e8(side, count) == twin.qty_sum(side, count)
            assert book.vwap_e8(side, count) == twin.vwap(side, count)
        for qty in (1, 12_345_678_901, INT64_MAX):
            assert book.fill_price_e8(side, qty) == twin.fill_price(side, qty)
        for price, qty in twin.dump(side)[:3]:
            assert book.qty_e8(side, price) == qty


TestBook = BookAgainstTwin.TestCase
TestBook.settings = settings(max_examples=100, stateful_step_count=25)


def test_a_slow_trend_of_many_thousand_ticks_keeps_every_level() -> None:
    tick, rng = 10**6, np.random.default_rng(5)
    book, twin = Book(300, tick), BookTwin(300)
    centre = 5_000_000
    for step in range(1_500):
        centre += int(rng.integers(-20, 140)) if step < 800 else int(rng.integers(-140, 20))
        sides: list[Pairs] = [[], []]
        for side in Side:
            away = rng.integers(0, 60_000, 3) // rng.integers(1, 2_000, 3)
            prices = [(centre + (int(a) + 1 if side else -int(a))) * tick for a in away]
            sides[side] = [(price, int(rng.integers(0, 3)) * 10**8) for price in prices]
            wrong = [price for price, _ in twin.dump(side) if (price > centre * tick) != bool(side)]
            sides[side] += [(price, 0) for price in wrong]
        twin.apply(*sides)
        book.apply(*map(levels_of, sides))
        assert book.best(Side.BID) == twin.best(0)
        assert book.best(Side.ASK) == twin.best(1)
        if step % 50 == 0:
            assert book.valid()
            assert [pairs_of(book.dump(side)) for side in Side] == [twin.dump(0), twin.dump(1)]


def test_a_side_is_read_without_copying_the_top() -> None:
    book = Book(10, 100)
    top = book.top()
    book.set(Side.BID, 500, 3)
    book.set(Side.ASK, 700, 4)
    assert list(top) == [500, 3, 700, 4]
    assert book.crossed() is Crossed.NORMAL


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(CoreError):
        Book(0, 1)
    with pytest.raises(CoreError):
        Book(-1, 1)
    with pytest.raises(CoreError):
        Book(1_000_001, 1)
    with pytest.raises(CoreError):
        Book(10, 0)
    book = Book(10, 1)
    with pytest.raises(ValueError, match="not a valid Side"):
        book.count(2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="negative"):
        book.depth(Side.BID, -1)
    with pytest.raises(ValueError, match="not > 0"):
        book.fill_price_e8(Side.BID, 0)
    with pytest.raises(ValueError, match="LEVEL"):
        book.apply(np.zeros(3), levels_of([]))  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        levels_of([(2**63, 1)])


# ---- Sync ------------------------------------------------------------------------------------------------------------


def event_of(kind: int, first_id: int, last_id: int, bids: Pairs) -> Any:
    records = ffi.new("mm_record[]", 1 + (len(bids) + 2) // 3)
    records[0].kind = kind
    records[0].count = len(records)
    body = records[0].body.depth
    body.first_id, body.last_id, body.prev_id, body.bid_count = first_id, last_id, -1, len(bids)
    for i, (price, qty) in enumerate(bids):
        level = records[1 + i // 3].body.levels[i % 3]
        level.price_e8, level.qty_e8 = price, qty
    return records


def test_sync_buffers_replays_and_collects_the_tops() -> None:
    book = Book(100, 1)
    sync, series = Sync(book), Series(book, 4)
    sync.observe(series)
    assert sync.depth(event_of(lib.MM_KIND_DEPTH, 5, 6, [(60, 1)])) is Step.BUFFERED
    assert sync.depth(event_of(lib.MM_KIND_DEPTH, 7, 8, [(80, 2), (60, 3)])) is Step.BUFFERED
    assert (sync.synced, sync.last_id) == (False, -1)
    assert sync.snapshot(event_of(lib.MM_KIND_SNAPSHOT, 3, 3, [(10, 1)]), 100) is Step.STALE_SNAPSHOT
    four = [(10, 1), (20, 1), (30, 1), (40, 5)]
    assert sync.snapshot(event_of(lib.MM_KIND_SNAPSHOT, 6, 6, four), 100) is Step.REPLAYED
    assert sync.depth(event_of(lib.MM_KIND_DEPTH, 9, 9, [(80, 0)])) is Step.APPLIED
    assert (sync.synced, sync.last_id) == (True, 9)
    rows = series.take()
    assert rows[["update_id", "bid_price_e8", "bid_qty_e8"]].tolist() == [(8, 80, 2), (9, 60, 3)]
    assert len(series.take()) == 0
    assert sync.depth(event_of(lib.MM_KIND_DEPTH, 11, 11, [(80, 0)])) is Step.GAP
    assert book.count(Side.BID) == 0
    stats = sync.statistics()
    assert (stats.dropped_before_snapshot, stats.applied, stats.gaps, stats.snapshots) == (1, 2, 1, 1)


def test_rows_that_had_no_room_are_an_error() -> None:
    book = Book(100, 1)
    sync, series = Sync(book), Series(book, 1)
    sync.observe(series)
    sync.snapshot(event_of(lib.MM_KIND_SNAPSHOT, 3, 3, []), 100)
    for number in (4, 5):
        sync.depth(event_of(lib.MM_KIND_DEPTH, number, number, [(number, 1)]))
    with pytest.raises(OverflowError):
        series.take()
    sync.observe(None)
    sync.depth(event_of(lib.MM_KIND_DEPTH, 6, 6, [(6, 1)]))
    assert len(series.take()) == 0


def test_a_diff_that_is_not_valid_makes_the_book_wait() -> None:
    sync = Sync(Book(100, 1))
    sync.snapshot(event_of(lib.MM_KIND_SNAPSHOT, 3, 3, [(5, 1)]), 100)
    with pytest.raises(CoreError, match="diff"):
        sync.depth(event_of(lib.MM_KIND_DEPTH, 4, 4, [(5, -1)]))
    assert not sync.synced
    sync.reset()
    with pytest.raises(CoreError, match="buffer"):
        Sync(Book(1, 1), 0)


def test_levels_are_sixteen_bytes_on_both_sides() -> None:
    assert ffi.sizeof("mm_level") == LEVEL.itemsize
    assert LEVEL.fields is not None
    assert ffi.offsetof("mm_level", "qty_e8") == LEVEL.fields["qty_e8"][1]
