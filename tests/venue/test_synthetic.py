"""The synthetic market: a function of seed and orders, exact in its streams, and lively enough for a market maker."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest

from mmcore.venue.market import Execution, Feed, NewOrder, OrderKind, Side, StreamMessage, TimeInForce, Wire
from mmcore.venue.synthetic import SyntheticMarket

OPENING_US = 1_700_000_000_000_000
S = 1_000_000
MS = 1_000
E8 = 10**8
FEEDS = {Feed(f"btcusdt@{kind}", Wire.JSON) for kind in ("depth@100ms", "bookTicker", "trade")}


def limit(
    order_id: int,
    side: Side,
    price_e8: int,
    qty_e8: int = 100_000,
    kind: OrderKind = OrderKind.LIMIT,
    owner: str = "me",
) -> NewOrder:
    return NewOrder(order_id, owner, side, kind, TimeInForce.GTC, price_e8, qty_e8)


def opened(seed: int = 1) -> SyntheticMarket:
    market = SyntheticMarket(seed)
    market.want(FEEDS)
    market.start(OPENING_US)
    return market


def best(market: SyntheticMarket) -> tuple[int, int]:
    _, bids, asks = market.depth(1)
    return bids[0][0], asks[0][0]


def fixed_steps(step_us: int, until_us: int) -> Iterator[int]:
    yield from range(OPENING_US, OPENING_US + until_us, step_us)
    yield OPENING_US + until_us


def digest(messages: list[StreamMessage]) -> str:
    return hashlib.sha256("\n".join(f"{m.stream} {m.data}" for m in messages).encode()).hexdigest()


def run_with_orders(seed: int, step_us: int | None) -> tuple[list[StreamMessage], list[Execution], list[int]]:
    """Ten seconds with orders of an account at fixed times, advanced in fixed steps or as the market asks to be."""
    market = opened(seed)
    messages: list[StreamMessage] = []
    executions: list[Execution] = []
    remains: list[int] = []

    def advance(now_us: int) -> None:
        new_messages, new_executions = market.advance(now_us)
        messages.extend(new_messages)
        executions.extend(new_executions)

    def advance_to(now_us: int, last_us: int) -> None:
        if step_us is not None:
            for step in range(last_us, now_us, step_us):
                advance(step)
        else:
            while (due_us := market.next_due_us()) is not None and due_us < now_us:
                advance(due_us)
        advance(now_us)

    last_us = OPENING_US
    for order_id in range(1, 40):
        now_us = OPENING_US + order_id * 250_013
        advance_to(now_us, last_us)
        last_us = now_us
        bid_e8, ask_e8 = best(market)
        side = Side.BUY if order_id % 2 else Side.SELL
        touch_e8 = bid_e8 if side is Side.BUY else ask_e8
        result = market.place(limit(order_id, side, touch_e8, 5_000_000), now_us)
        executions += result.executions
        remains.append(result.resting_e8)
        remains.append(market.cancel(order_id - 2, now_us) or 0)
    return messages, executions, remains


@pytest.mark.parametrize("seed", [1, 7])
def test_how_often_it_is_advanced_makes_no_difference(seed: int) -> None:
    as_asked = run_with_orders(seed, None)
    assert len(as_asked[0]) > 800
    assert len(as_asked[1]) > 5
    for step_us in (999, 37 * MS, 10 * S):
        assert run_with_orders(seed, step_us) == as_asked


def test_a_seed_is_the_same_market_in_every_run_python_and_machine() -> None:
    messages, _ = opened(1).advance(OPENING_US + 5 * S)
    assert digest(messages) == "d0320129d3b4d92133580eb6c242844cfe41866b48b6d0984a96acb8a13e7b7f"


def test_another_seed_is_another_market() -> None:
    digests = {digest(opened(seed).advance(OPENING_US + S)[0]) for seed in (1, 2, -1, -2, 0)}
    assert len(digests) == 5


def test_the_time_of_opening_changes_stamps_alone() -> None:
    first, _ = opened(3).advance(OPENING_US + S)
    later = SyntheticMarket(3)
    later.want(FEEDS)
    later.start(OPENING_US + 77_000 * MS)
    second, _ = later.advance(OPENING_US + 78 * S)
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        a, b = json.loads(one.data), json.loads(other.data)
        for stamp in {"E", "T"} & a.keys():
            assert b.pop(stamp) - a.pop(stamp) == 77_000
        assert a == b


def test_it_opens_with_over_a_thousand_levels_a_side_around_67000_and_a_spread_of_a_tick() -> None:
    for seed in range(5):
        market = SyntheticMarket(seed)
        _, bids, asks = market.depth(10_000)
        assert min(len(bids), len(asks)) > 1000
        assert bids[0][0] == 67_000 * E8
        assert asks[0][0] == bids[0][0] + market.tick_e8
        assert market.reference_price_e8() == 67_000 * E8


def test_it_stands_still_until_it_is_opened() -> None:
    market = SyntheticMarket(1, OPENING_US)
    market.want(FEEDS)
    book = market.depth(10_000)
    assert market.next_due_us() is None
    assert market.advance(OPENING_US + S) == ([], [])
    assert market.depth(10_000) == book
    market.start(OPENING_US + 2 * S)
    messages, _ = market.advance(OPENING_US + 3 * S)
    assert min(json.loads(m.data).get("E", 10**18) for m in messages) >= (OPENING_US + 2 * S) // 1000


def test_it_does_not_open_before_its_first_time_nor_twice() -> None:
    market = SyntheticMarket(1, OPENING_US)
    market.want(FEEDS)
    market.start(OPENING_US - 5 * S)
    assert market.advance(OPENING_US)[0] == []
    assert market.advance(OPENING_US + S)[0] != []
    with pytest.raises(ValueError, match="open"):
        market.start(OPENING_US + S)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_client_that_syncs_within_a_window_follows_the_book_exactly(seed: int) -> None:
    market = opened(seed)
    book_id, sides = 0, {"b": dict[str, str](), "a": dict[str, str]()}
    synced = False
    for now_us in fixed_steps(37 * MS, 15 * S):
        messages, _ = market.advance(now_us)
        for message in messages:
            if message.stream != "btcusdt@depth@100ms" or not book_id:
                continue
            diff = json.loads(message.data)
            if not synced:
                assert diff["U"] <= book_id < diff["u"], "the snapshot is from inside the window"
                synced = True
            else:
                assert diff["U"] == book_id + 1
            for side, levels in sides.items():
                levels.update(map(tuple, diff[side]))
                for price, qty in diff[side]:
                    if qty == "0.00000000":
                        del levels[price]
            book_id = diff["u"]
        if not book_id and now_us > OPENING_US + S:
            book_id, bids, asks = market.depth(10_000)
            sides = {name: {text(p): text(q) for p, q in levels} for name, levels in (("b", bids), ("a", asks))}
    assert synced
    now_us = OPENING_US + 15 * S
    assert (now_us - OPENING_US) % (100 * MS) == 0, "a window ends now"
    update_id, bids, asks = market.depth(10_000)
    assert book_id == update_id
    assert sides == {name: {text(p): text(q) for p, q in levels} for name, levels in (("b", bids), ("a", asks))}


def text(value_e8: int) -> str:
    return f"{value_e8 // E8}.{value_e8 % E8:08d}"


def test_the_streams_are_continuous_and_in_the_order_of_what_happened() -> None:
    market = opened(5)
    messages = [message for now_us in fixed_steps(1 * MS, 20 * S) for message in market.advance(now_us)[0]]
    last_trade = last_u = last_ticker_u = last_ms = 0
    for message in messages:
        payload = json.loads(message.data)
        if "E" in payload:
            assert payload["E"] >= last_ms
            last_ms = payload["E"]
        if message.stream == "btcusdt@trade":
            assert payload["t"] == last_trade + 1
            last_trade = payload["t"]
        elif message.stream == "btcusdt@bookTicker":
            assert payload["u"] > max(last_ticker_u, last_u)
            last_ticker_u = payload["u"]
        else:
            assert message.stream == "btcusdt@depth@100ms"
            assert payload["U"] == last_u + 1 or not last_u
            assert payload["u"] >= last_ticker_u
            assert payload["E"] % 100 == OPENING_US // 1000 % 100
            last_u = payload["u"]
    assert last_trade > 300
    assert last_ticker_u > 1000


def test_an_account_takes_from_the_agents_and_gets_its_own_side_alone() -> None:
    market = opened()
    market.advance(OPENING_US + S)
    _, (bid, *_), (ask, *_) = market.depth(1)
    result = market.place(NewOrder(1, "me", Side.BUY, OrderKind.MARKET, TimeInForce.IOC, 0, ask[1]), OPENING_US + S)
    assert sum(execution.qty_e8 for execution in result.executions) == ask[1]
    assert {(e.order_id, e.owner, e.side, e.price_e8, e.maker, e.time_us) for e in result.executions} == {
        (1, "me", Side.BUY, ask[0], False, OPENING_US + S)
    }
    assert (result.resting_e8, result.expired_e8, result.would_match) == (0, 0, False)
    assert market.reference_price_e8() == ask[0]
    messages, executions = market.advance(OPENING_US + S)
    assert executions == []
    trades = [json.loads(m.data) for m in messages if m.stream == "btcusdt@trade"]
    assert [trade["t"] for trade in trades] == [execution.trade_id for execution in result.executions]
    assert json.loads(messages[len(trades)].data)["a"] == text(best(market)[1])
    assert bid[0] == best(market)[0]


def test_a_trade_between_accounts_gives_both_sides() -> None:
    market = opened()
    bid_e8 = best(market)[0]
    assert market.place(limit(1, Side.BUY, bid_e8, 50_000_000 * 1000, owner="one"), OPENING_US).resting_e8
    bid_qty_e8 = market.depth(1)[1][0][1]
    result = market.place(limit(2, Side.SELL, bid_e8, bid_qty_e8, owner="other"), OPENING_US)
    maker, taker = result.executions[-2:]
    assert (maker.trade_id, maker.price_e8, maker.qty_e8) == (taker.trade_id, taker.price_e8, taker.qty_e8)
    assert (maker.order_id, maker.owner, maker.side, maker.maker) == (1, "one", Side.BUY, True)
    assert (taker.order_id, taker.owner, taker.side, taker.maker) == (2, "other", Side.SELL, False)


def test_a_resting_order_at_the_best_price_is_filled_by_the_agents_and_told_once() -> None:
    market = opened()
    bid_e8 = best(market)[0]
    assert market.place(limit(1, Side.BUY, bid_e8), OPENING_US).resting_e8 == 100_000
    executions = [e for now_us in fixed_steps(10 * MS, 10 * S) for e in market.advance(now_us)[1]]
    assert sum(execution.qty_e8 for execution in executions) == 100_000
    for execution in executions:
        assert (execution.order_id, execution.owner, execution.side) == (1, "me", Side.BUY)
        assert execution.maker
        assert execution.price_e8 == bid_e8
    assert market.cancel(1, OPENING_US + 10 * S) is None


def test_executions_on_the_way_to_an_order_or_a_cancel_come_with_the_next_advance() -> None:
    for late_call in ("place", "cancel"):
        market = opened()
        market.place(limit(1, Side.BUY, best(market)[0]), OPENING_US)
        if late_call == "place":
            assert market.place(limit(2, Side.BUY, E8), OPENING_US + 10 * S).executions == ()
        else:
            assert market.cancel(1, OPENING_US + 10 * S) is None
        assert market.next_due_us() == OPENING_US + 10 * S
        _, executions = market.advance(OPENING_US + 10 * S)
        assert sum(execution.qty_e8 for execution in executions) == 100_000


def test_a_cancel_gives_back_what_was_left_and_knows_only_account_orders() -> None:
    market = opened()
    market.place(limit(1, Side.BUY, 60_000 * E8), OPENING_US)
    assert market.cancel(1, OPENING_US) == 100_000
    assert market.cancel(1, OPENING_US) is None
    assert market.cancel(99, OPENING_US) is None
    book = market.depth(10_000)
    assert [market.cancel(order_id, OPENING_US) for order_id in range(-3000, 1)] == [None] * 3001
    assert market.depth(10_000) == book


def test_a_post_only_order_that_would_trade_is_refused_and_changes_nothing() -> None:
    market = opened()
    bid_e8, ask_e8 = best(market)
    book = market.depth(10_000)
    for side, price_e8 in ((Side.BUY, ask_e8), (Side.SELL, bid_e8)):
        result = market.place(limit(1, side, price_e8, kind=OrderKind.LIMIT_MAKER), OPENING_US)
        assert result.would_match
        assert (result.executions, result.resting_e8, result.expired_e8) == ((), 0, 0)
    assert market.depth(10_000) == book


@pytest.mark.parametrize("order_id", [0, -1])
def test_ids_of_account_orders_are_positive(order_id: int) -> None:
    market = opened()
    with pytest.raises(ValueError, match="positive"):
        market.place(limit(order_id, Side.BUY, E8), OPENING_US)


def test_a_clock_that_steps_back_does_not_turn_the_market_back() -> None:
    market = opened()
    market.advance(OPENING_US + S)
    book = market.depth(10_000)
    assert market.advance(OPENING_US) == ([], [])
    assert market.depth(10_000) == book
    ask_e8 = best(market)[1]
    (execution, *_) = market.place(limit(1, Side.BUY, ask_e8, 1_000), OPENING_US).executions
    assert execution.time_us == OPENING_US + S


def test_it_asks_to_be_advanced_only_when_something_is_due() -> None:
    market = opened()
    wakeups = 0
    while (due_us := market.next_due_us()) is not None and due_us < OPENING_US + 5 * S:
        book_id = market.depth(1)[0]
        assert market.advance(due_us - 2 * MS)[0] == []
        assert market.depth(1)[0] == book_id
        market.advance(due_us)
        wakeups += 1
    assert 500 < wakeups < 2500


class Quoter:
    """Rests one order a side, 10 bps from the mid, moved with the mid at most every 100 ms."""

    def __init__(self, market: SyntheticMarket) -> None:
        self.market = market
        self.resting: dict[Side, NewOrder] = {}
        self.last_id = 0
        self.first_fill_us: dict[Side, int] = {}

    def take_fills(self, executions: list[Execution]) -> None:
        for execution in executions:
            assert execution.maker
            self.first_fill_us.setdefault(execution.side, execution.time_us)
            self.resting.pop(execution.side, None)

    def quote(self, now_us: int) -> None:
        mid_e8 = sum(best(self.market)) // 2
        for side, sign in ((Side.BUY, -1), (Side.SELL, 1)):
            price_e8 = mid_e8 * (10_000 + sign * 10) // 10_000 // self.market.tick_e8 * self.market.tick_e8
            resting = self.resting.get(side)
            if resting is not None and resting.price_e8 == price_e8:
                continue
            if resting is not None:
                self.market.cancel(resting.order_id, now_us)
            self.last_id += 1
            self.resting[side] = limit(self.last_id, side, price_e8, kind=OrderKind.LIMIT_MAKER)
            assert self.market.place(self.resting[side], now_us).resting_e8 == 100_000


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_a_quoter_10_bps_from_mid_is_filled_on_both_sides_within_20_s(seed: int) -> None:
    market = opened(seed)
    quoter = Quoter(market)
    for now_us in fixed_steps(100 * MS, 20 * S):
        quoter.take_fills(market.advance(now_us)[1])
        quoter.quote(now_us)
    assert quoter.first_fill_us.keys() == {Side.BUY, Side.SELL}
