"""The matching engine does what a slow twin does that keeps all orders in one list and looks through it each time."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterable
from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mmcore.venue.market import NewOrder, OrderKind, Prevention, PriceRange, Side, StpMode, TimeInForce
from mmcore.venue.matching import LevelChange, MatchingEngine, Outcome, Trade

TICK_E8 = 10**6
STEP_E8 = 10**3
OTHER = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


@dataclass
class TwinOrder:
    order_id: int
    owner: str
    side: Side
    price_e8: int
    remaining_e8: int


@dataclass
class Twin:
    """All resting orders in the order in which they came to rest."""

    orders: list[TwinOrder] = field(default_factory=list)
    trades: int = 0

    def eligible(self, order: NewOrder) -> list[TwinOrder]:
        """What the order may trade with, by price, then by time (sorting keeps the order of equals)."""
        makers = [maker for maker in self.orders if maker.side is OTHER[order.side]]
        if order.kind is not OrderKind.MARKET:
            makers = [
                maker
                for maker in makers
                if (maker.price_e8 <= order.price_e8 if order.side is Side.BUY else maker.price_e8 >= order.price_e8)
            ]
        return sorted(makers, key=lambda maker: maker.price_e8 if order.side is Side.BUY else -maker.price_e8)

    def place(self, order: NewOrder, time_us: int) -> Outcome:
        makers = self.eligible(order)
        if order.kind is OrderKind.LIMIT_MAKER and makers:
            return Outcome((), 0, 0, True)
        if order.tif is TimeInForce.FOK and self.offered_to(order, makers) < order.qty_e8:
            return Outcome((), 0, order.qty_e8, False)
        left_e8 = order.qty_e8
        trades: list[Trade] = []
        preventions = []
        out_of_range = False
        for maker in makers:
            if not left_e8:
                break
            if order.allowed is not None and not order.allowed.holds(maker.price_e8):
                out_of_range = True
                break
            qty_e8 = min(left_e8, maker.remaining_e8)
            if order.stp is not StpMode.NONE and maker.owner == order.owner:
                lost = {
                    StpMode.EXPIRE_TAKER: (left_e8, 0),
                    StpMode.EXPIRE_MAKER: (0, maker.remaining_e8),
                    StpMode.EXPIRE_BOTH: (left_e8, maker.remaining_e8),
                    StpMode.DECREMENT: (qty_e8, qty_e8),
                }[order.stp]
                prevention = Prevention(
                    order.owner, order.order_id, maker.order_id, maker.price_e8, qty_e8, lost[0], lost[1]
                )
                preventions.append((len(trades), prevention))
                left_e8 -= lost[0]
                maker.remaining_e8 -= lost[1]
                continue
            left_e8 -= qty_e8
            maker.remaining_e8 -= qty_e8
            self.trades += 1
            trades.append(
                Trade(
                    trade_id=self.trades,
                    time_us=time_us,
                    price_e8=maker.price_e8,
                    qty_e8=qty_e8,
                    taker_side=order.side,
                    taker_order_id=order.order_id,
                    taker_owner=order.owner,
                    maker_order_id=maker.order_id,
                    maker_owner=maker.owner,
                )
            )
        self.orders = [maker for maker in self.orders if maker.remaining_e8]
        rests = order.kind is not OrderKind.MARKET and order.tif is TimeInForce.GTC and not out_of_range
        if rests and left_e8:
            self.orders.append(TwinOrder(order.order_id, order.owner, order.side, order.price_e8, left_e8))
        return Outcome(
            tuple(trades), left_e8 if rests else 0, 0 if rests else left_e8, False, tuple(preventions), out_of_range
        )

    def offered_to(self, order: NewOrder, makers: list[TwinOrder]) -> int:
        """What others offer, up to the first order of its own that would stop it."""
        offered_e8 = 0
        for maker in makers:
            if order.allowed is not None and not order.allowed.holds(maker.price_e8):
                break
            own = order.stp is not StpMode.NONE and maker.owner == order.owner
            if own and order.stp is not StpMode.EXPIRE_MAKER:
                break
            offered_e8 += 0 if own else maker.remaining_e8
        return offered_e8

    def reduce(self, order_id: int, remaining_e8: int) -> bool:
        for order in self.orders:
            if order.order_id == order_id:
                order.remaining_e8 = remaining_e8
                return True
        return False

    def cancel(self, order_id: int) -> int | None:
        for order in self.orders:
            if order.order_id == order_id:
                self.orders.remove(order)
                return order.remaining_e8
        return None

    def levels(self, side: Side) -> list[tuple[int, int]]:
        sums: dict[int, int] = {}
        for order in self.orders:
            if order.side is side:
                sums[order.price_e8] = sums.get(order.price_e8, 0) + order.remaining_e8
        return sorted(sums.items(), reverse=side is Side.BUY)

    def queue(self, side: Side) -> list[tuple[int, str, Side, int, int]]:
        orders = [order for order in self.orders if order.side is side]
        orders.sort(key=lambda order: -order.price_e8 if side is Side.BUY else order.price_e8)
        return [(o.order_id, o.owner, o.side, o.price_e8, o.remaining_e8) for o in orders]


def apply_changes(levels: dict[Side, dict[int, int]], changes: Iterable[LevelChange]) -> None:
    for change in changes:
        if change.qty_e8:
            levels[change.side][change.price_e8] = change.qty_e8
        else:
            del levels[change.side][change.price_e8]


def check_against_twin(engine: MatchingEngine, twin: Twin) -> None:
    """Every query gives what the twin knows."""
    bids, asks = twin.levels(Side.BUY), twin.levels(Side.SELL)
    assert engine.depth(10**6) == (engine.update_id, bids, asks)
    assert engine.depth(2)[1:] == (bids[:2], asks[:2])
    assert engine.best(Side.BUY) == (bids[0] if bids else None)
    assert engine.best(Side.SELL) == (asks[0] if asks else None)
    assert engine.queue(Side.BUY, TICK_E8) == twin.queue(Side.BUY)
    assert engine.queue(Side.SELL, 10**6 * TICK_E8) == twin.queue(Side.SELL)
    for order in twin.orders:
        assert engine.resting(order.order_id) == (
            order.order_id,
            order.owner,
            order.side,
            order.price_e8,
            order.remaining_e8,
        )


KINDS = st.sampled_from(
    [
        (OrderKind.LIMIT, TimeInForce.GTC),
        (OrderKind.LIMIT, TimeInForce.GTC),
        (OrderKind.LIMIT, TimeInForce.IOC),
        (OrderKind.LIMIT, TimeInForce.FOK),
        (OrderKind.LIMIT_MAKER, TimeInForce.GTC),
        (OrderKind.MARKET, TimeInForce.GTC),
        (OrderKind.MARKET, TimeInForce.IOC),
        (OrderKind.MARKET, TimeInForce.FOK),
    ]
)


class EngineBesideTwin(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.engine = MatchingEngine(TICK_E8, STEP_E8)
        self.twin = Twin()
        self.placed: list[NewOrder] = []
        self.gone_e8: dict[int, int] = {}
        self.traded_e8: dict[int, int] = {}
        self.undrained: list[Trade] = []
        self.levels: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        self.last_update_id = 0

    @rule(
        side=st.sampled_from(Side),
        kind=KINDS,
        ticks=st.integers(1, 12),
        steps=st.integers(1, 9),
        stp=st.sampled_from(StpMode),
        allowed=st.none() | st.tuples(st.integers(1, 8), st.integers(5, 12)),
    )
    def place(
        self,
        side: Side,
        kind: tuple[OrderKind, TimeInForce],
        ticks: int,
        steps: int,
        stp: StpMode,
        allowed: tuple[int, int] | None,
    ) -> None:
        order_id = len(self.placed) + 1
        price_e8 = 0 if kind[0] is OrderKind.MARKET else ticks * TICK_E8
        prices = None if allowed is None else PriceRange(allowed[0] * TICK_E8, allowed[1] * TICK_E8)
        order = NewOrder(order_id, f"owner {order_id % 2}", side, *kind, price_e8, steps * STEP_E8, stp, prices)
        self.placed.append(order)
        outcome = self.engine.place(order, 1000 * order_id)
        assert outcome == self.twin.place(order, 1000 * order_id)
        self.undrained += outcome.trades
        for trade in outcome.trades:
            for traded_id in (trade.taker_order_id, trade.maker_order_id):
                self.traded_e8[traded_id] = self.traded_e8.get(traded_id, 0) + trade.qty_e8
        self.gone_e8[order_id] = order.qty_e8 if outcome.would_match else outcome.expired_e8
        for _, prevention in outcome.preventions:
            self.gone_e8[order_id] += prevention.taker_e8
            self.gone_e8[prevention.maker_order_id] += prevention.maker_e8

    @precondition(lambda self: any(order.remaining_e8 > STEP_E8 for order in self.twin.orders))
    @rule(data=st.data())
    def reduce(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from([order for order in self.twin.orders if order.remaining_e8 > STEP_E8]))
        fewer_e8 = data.draw(st.integers(1, order.remaining_e8 // STEP_E8 - 1)) * STEP_E8
        self.gone_e8[order.order_id] += order.remaining_e8 - fewer_e8
        assert self.engine.reduce(order.order_id, fewer_e8)
        assert self.twin.reduce(order.order_id, fewer_e8)

    @rule(data=st.data())
    def reduce_wrongly(self, data: st.DataObject) -> None:
        assert not self.engine.reduce(len(self.placed) + 1, STEP_E8)
        if self.twin.orders:
            order = data.draw(st.sampled_from(self.twin.orders))
            for wrong_e8 in (0, -STEP_E8, STEP_E8 // 2, order.remaining_e8, order.remaining_e8 + STEP_E8):
                with pytest.raises(ValueError, match="not a smaller multiple"):
                    self.engine.reduce(order.order_id, wrong_e8)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        order_id = data.draw(st.integers(0, len(self.placed) + 1))
        remaining_e8 = self.engine.cancel(order_id)
        assert remaining_e8 == self.twin.cancel(order_id)
        assert self.engine.resting(order_id) is None
        if remaining_e8 is not None:
            self.gone_e8[order_id] += remaining_e8

    @precondition(lambda self: self.twin.orders)
    @rule(data=st.data())
    def place_with_an_id_in_use(self, data: st.DataObject) -> None:
        in_use = data.draw(st.sampled_from(self.twin.orders)).order_id
        order = NewOrder(in_use, "", Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 12 * TICK_E8, STEP_E8)
        with pytest.raises(ValueError, match="in use"):
            self.engine.place(order, 0)

    @rule()
    def drain(self) -> None:
        changes = self.engine.drain_level_changes()
        ids = [change.update_id for change in changes]
        assert ids == list(range(self.last_update_id + 1, self.engine.update_id + 1))
        self.last_update_id = self.engine.update_id
        apply_changes(self.levels, changes)
        assert [sorted(self.levels[side].items(), reverse=side is Side.BUY) for side in Side] == [
            self.twin.levels(side) for side in Side
        ]
        assert self.engine.drain_trades() == self.undrained
        self.undrained = []

    @invariant()
    def queries_agree(self) -> None:
        check_against_twin(self.engine, self.twin)

    @invariant()
    def never_crossed(self) -> None:
        bid, ask = self.engine.best(Side.BUY), self.engine.best(Side.SELL)
        assert bid is None or ask is None or bid[0] < ask[0]

    @invariant()
    def quantity_is_conserved(self) -> None:
        for order in self.placed:
            resting = self.engine.resting(order.order_id)
            resting_e8 = 0 if resting is None else resting.remaining_e8
            done_e8 = self.traded_e8.get(order.order_id, 0) + self.gone_e8[order.order_id]
            assert order.qty_e8 == done_e8 + resting_e8


TestEngineBesideTwin = EngineBesideTwin.TestCase
TestEngineBesideTwin.settings = settings(max_examples=150, stateful_step_count=50)


def limit(order_id: int, side: Side, ticks: int, steps: int, tif: TimeInForce = TimeInForce.GTC) -> NewOrder:
    return NewOrder(order_id, "", side, OrderKind.LIMIT, tif, ticks * TICK_E8, steps * STEP_E8)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_wide_book_with_many_emptied_levels_stays_equal_to_the_twin(seed: int) -> None:
    rng = random.Random(seed)
    engine, twin = MatchingEngine(TICK_E8, STEP_E8), Twin()
    levels: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
    for order_id in range(1, 2501):
        if rng.random() < 0.55:
            # Up to 700 apart, so that hundreds of levels come and go unseen behind the best.
            side = rng.choice(list(Side))
            ticks = 1000 + (-1 if side is Side.BUY else 1) * rng.randint(-10, 700)
            tif = rng.choice([TimeInForce.GTC] * 8 + [TimeInForce.IOC, TimeInForce.FOK])
            order = limit(order_id, side, ticks, rng.randint(1, 40), tif)
            assert engine.place(order, order_id) == twin.place(order, order_id)
        else:
            victim = rng.choice(twin.orders).order_id if twin.orders else 0
            assert engine.cancel(victim) == twin.cancel(victim)
        apply_changes(levels, engine.drain_level_changes())
        if order_id % 50 == 0:
            check_against_twin(engine, twin)
            assert [sorted(levels[side].items(), reverse=side is Side.BUY) for side in Side] == [
                twin.levels(side) for side in Side
            ]


def test_the_first_come_at_a_price_trades_first_and_keeps_its_place_when_filled_in_part() -> None:
    engine = MatchingEngine(TICK_E8, STEP_E8)
    for order_id in (1, 2, 3):
        engine.place(limit(order_id, Side.SELL, 100, 5), 0)
    first = engine.place(limit(4, Side.BUY, 100, 2), 0)
    second = engine.place(limit(5, Side.BUY, 100, 6), 0)
    assert [(trade.maker_order_id, trade.qty_e8 // STEP_E8) for trade in first.trades + second.trades] == [
        (1, 2),
        (1, 3),
        (2, 3),
    ]


def test_a_reduced_order_keeps_its_place() -> None:
    engine = MatchingEngine(TICK_E8, STEP_E8)
    for order_id in (1, 2):
        engine.place(limit(order_id, Side.SELL, 100, 5), 0)
    engine.drain_level_changes()
    assert engine.reduce(1, 2 * STEP_E8)
    assert engine.drain_level_changes() == [(3, Side.SELL, 100 * TICK_E8, 7 * STEP_E8)]
    trades = engine.place(limit(3, Side.BUY, 100, 3), 0).trades
    assert [(trade.maker_order_id, trade.qty_e8 // STEP_E8) for trade in trades] == [(1, 2), (2, 1)]


def test_a_prevented_match_that_leaves_the_level_as_it_is_changes_no_update_id() -> None:
    engine = MatchingEngine(TICK_E8, STEP_E8)
    engine.place(limit(1, Side.SELL, 100, 5), 0)
    engine.drain_level_changes()
    taker = NewOrder(2, "", Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 100 * TICK_E8, STEP_E8, StpMode.EXPIRE_TAKER)
    outcome = engine.place(taker, 0)
    assert (outcome.resting_e8, outcome.expired_e8, len(outcome.preventions)) == (0, 0, 1)
    assert (engine.update_id, engine.drain_level_changes()) == (1, [])


def test_trades_happen_at_the_resting_price_from_the_best_level_on() -> None:
    engine = MatchingEngine(TICK_E8, STEP_E8)
    for order_id, ticks in enumerate((103, 101, 102), start=1):
        engine.place(limit(order_id, Side.SELL, ticks, 1), 0)
    outcome = engine.place(limit(9, Side.BUY, 102, 5), 77)
    assert [(trade.price_e8 // TICK_E8, trade.time_us) for trade in outcome.trades] == [(101, 77), (102, 77)]
    assert outcome.resting_e8 == 3 * STEP_E8
    assert engine.best(Side.BUY) == (102 * TICK_E8, 3 * STEP_E8)
    assert engine.last_price_e8 == 102 * TICK_E8


def test_an_operation_changes_each_level_it_touches_once() -> None:
    engine = MatchingEngine(TICK_E8, STEP_E8)
    for order_id in range(1, 5):
        engine.place(limit(order_id, Side.SELL, 100 + order_id // 3, 1), 0)
    engine.drain_level_changes()
    engine.place(limit(9, Side.BUY, 101, 6), 0)
    assert engine.drain_level_changes() == [
        (5, Side.SELL, 100 * TICK_E8, 0),
        (6, Side.SELL, 101 * TICK_E8, 0),
        (7, Side.BUY, 101 * TICK_E8, 2 * STEP_E8),
    ]


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (limit(1, Side.BUY, 100, 0), "quantity"),
        (limit(1, Side.BUY, 100, -1), "quantity"),
        (NewOrder(1, "", Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, TICK_E8, STEP_E8 + 1), "quantity"),
        (limit(1, Side.BUY, 0, 1), "price"),
        (limit(1, Side.BUY, -1, 1), "price"),
        (NewOrder(1, "", Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, TICK_E8 + 1, STEP_E8), "price"),
        (NewOrder(1, "", Side.BUY, OrderKind.MARKET, TimeInForce.IOC, TICK_E8, STEP_E8), "MARKET"),
        (NewOrder(1, "", Side.BUY, OrderKind.LIMIT_MAKER, TimeInForce.IOC, TICK_E8, STEP_E8), "LIMIT_MAKER"),
        (NewOrder(1, "", Side.BUY, OrderKind.LIMIT_MAKER, TimeInForce.FOK, TICK_E8, STEP_E8), "LIMIT_MAKER"),
    ],
)
def test_an_impossible_order_is_refused_and_changes_nothing(order: NewOrder, reason: str) -> None:
    engine = MatchingEngine(TICK_E8, STEP_E8)
    engine.place(limit(7, Side.SELL, 100, 1), 0)
    engine.drain_level_changes()
    with pytest.raises(ValueError, match=reason):
        engine.place(order, 0)
    assert engine.drain_level_changes() == []
    assert engine.depth(10) == (1, [], [(100 * TICK_E8, STEP_E8)])


@pytest.mark.parametrize(("tick_e8", "step_e8"), [(0, 1), (1, 0), (-1, 1)])
def test_an_engine_needs_a_grid(tick_e8: int, step_e8: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        MatchingEngine(tick_e8, step_e8)


def test_levels_that_come_and_go_behind_the_best_leave_no_memory_behind() -> None:
    engine = MatchingEngine(TICK_E8, STEP_E8)
    engine.place(limit(1, Side.BUY, 100_000, 1), 0)

    def come_and_go(prices: range) -> None:
        for ticks in prices:
            engine.place(limit(2, Side.BUY, ticks, 1), 0)
            engine.cancel(2)
            engine.drain_level_changes()

    come_and_go(range(1, 1_000))
    tracemalloc.start()
    try:
        come_and_go(range(1_000, 20_000))
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()
