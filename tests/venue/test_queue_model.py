"""The queue model's rules one by one, and against a plain recomputation from its own log."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mmcore.venue.market import NewOrder, OrderKind, Side, TimeInForce
from mmcore.venue.queue_model import UNKNOWN_FRONT_E8, QueueModel

UNIT = 100_000_000


def order(order_id: int, side: Side, price: int, qty: int) -> NewOrder:
    return NewOrder(order_id, "a", side, OrderKind.LIMIT_MAKER, TimeInForce.GTC, price, qty)


def taker(side: Side, price: int) -> NewOrder:
    return NewOrder(99, "b", side, OrderKind.LIMIT, TimeInForce.IOC, price * UNIT, 1)


def filled(fills: list[Any]) -> list[tuple[int, int]]:
    return [(fill.order_id, fill.qty_e8) for fill in fills]


def resting(front: int, *, side: Side = Side.BUY, price: int = 100, qty: int = 10, seen: int = 5) -> QueueModel:
    model = QueueModel()
    model.place(order(1, side, price, qty), qty, front, seen)
    return model


def test_prints_at_the_price_first_use_up_the_front_and_only_the_excess_fills() -> None:
    model = resting(25)
    assert filled(model.trade(100, 20, Side.SELL)) == []
    assert filled(model.trade(100, 8, Side.SELL)) == [(1, 3)]
    assert filled(model.trade(100, 100, Side.SELL)) == [(1, 7)]
    assert filled(model.trade(100, 100, Side.SELL)) == []


def test_a_print_of_exactly_the_front_fills_nothing() -> None:
    model = resting(25)
    assert filled(model.trade(100, 25, Side.SELL)) == []
    assert filled(model.trade(100, 1, Side.SELL)) == [(1, 1)]


def test_a_print_through_the_price_fills_all_and_one_short_of_it_nothing() -> None:
    assert filled(resting(UNKNOWN_FRONT_E8).trade(99, 1, Side.SELL)) == [(1, 10)]
    assert filled(resting(0).trade(101, 50, Side.SELL)) == []
    assert filled(resting(0, side=Side.SELL).trade(101, 1, Side.BUY)) == [(1, 10)]
    assert filled(resting(0, side=Side.SELL).trade(99, 50, Side.BUY)) == []


def test_prints_by_an_aggressor_on_our_own_side_are_not_ours() -> None:
    assert filled(resting(0).trade(99, 50, Side.BUY)) == []
    assert filled(resting(0, side=Side.SELL).trade(101, 50, Side.SELL)) == []


def test_a_level_update_can_only_shorten_the_queue() -> None:
    model = resting(25)
    model.level(Side.BUY, 100, 4, 6)
    model.level(Side.BUY, 100, 400, 7)
    model.level(Side.SELL, 100, 0, 8)
    model.level(Side.BUY, 99, 0, 9)
    assert filled(model.trade(100, 6, Side.SELL)) == [(1, 2)]


def test_updates_older_than_the_placing_do_not_count() -> None:
    model = resting(25, seen=5)
    model.level(Side.BUY, 100, 1, 4)
    assert filled(model.trade(100, 20, Side.SELL)) == []
    model.level(Side.BUY, 100, 1, 5)
    assert filled(model.trade(100, 2, Side.SELL)) == [(1, 1)]


def test_the_opposite_best_reaching_the_price_fills_all() -> None:
    model = resting(UNKNOWN_FRONT_E8)
    assert filled(model.best(Side.SELL, 101)) == []
    assert filled(model.best(Side.BUY, 99)) == []
    assert filled(model.best(Side.SELL, 100)) == [(1, 10)]


def test_own_orders_at_one_price_share_a_print_in_the_order_placed() -> None:
    model = QueueModel()
    model.place(order(1, Side.BUY, 100, 10), 10, 5, 0)
    model.place(order(2, Side.BUY, 100, 10), 10, 5, 0)
    assert filled(model.trade(100, 12, Side.SELL)) == [(1, 7)]
    assert filled(model.trade(100, 20, Side.SELL)) == [(1, 3), (2, 10)]


def test_a_cancelled_order_is_gone() -> None:
    model = resting(0)
    model.trade(100, 4, Side.SELL)
    assert model.cancel(1) == 6
    assert model.cancel(1) is None
    assert filled(model.trade(99, 50, Side.SELL)) == []


def test_a_reduced_order_keeps_its_front() -> None:
    model = resting(25)
    assert model.reduce(1, 4)
    assert filled(model.trade(100, 26, Side.SELL)) == [(1, 1)]
    assert not model.reduce(7, 1)
    assert model.cancel(1) == 3


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["place", "cancel", "reduce", "use", "trade", "level", "best"]),
        st.sampled_from([Side.BUY, Side.SELL]),
        st.integers(98, 102),
        st.integers(0, 30),
        st.integers(0, 3),
    ),
    max_size=60,
)


@given(EVENTS)
def test_the_log_alone_gives_the_same_fills(
    recompute_fills: Callable[[list[dict[str, Any]]], list[tuple[int, str, int]]],
    events: list[tuple[str, Side, int, int, int]],
) -> None:
    model, fills = QueueModel(), []
    for number, (name, side, price, qty, choice) in enumerate(events, start=1):
        model.message = number
        if name == "place":
            front = UNKNOWN_FRONT_E8 if choice == 0 else qty
            model.place(order(number, side, price * UNIT, qty + 1), qty + 1, front, number - choice)
        elif name == "cancel":
            model.cancel(qty)
        elif name == "reduce":
            left = next((one.remaining_e8 for one in model.facing(taker(side, price)) if one.order_id == qty), 0)
            if left > 1:
                model.reduce(qty, max(1, left * choice // 4))
        elif name == "use":
            for one in list(model.facing(taker(side, price)))[:1]:
                model.use(one, max(1, one.remaining_e8 * choice // 3))
        elif name == "trade":
            fills += model.trade(price * UNIT, qty + 1, side)
        elif name == "level":
            model.level(side, price * UNIT, qty, number - 2)
        else:
            fills += model.best(side, price * UNIT)
    log = json.loads(json.dumps(model.log))
    given_fills = [(fill.order_id, fill.qty_e8) for fill in fills]
    assert [(order_id, qty) for order_id, _, qty in recompute_fills(log)] == given_fills
    assert [row["order_id"] for row in log if row["event"] == "fill"] == [order_id for order_id, _ in given_fills]
