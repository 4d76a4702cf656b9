"""The streams say what the engine did: a client that follows them by Binance's rules has the engine's book."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from mmcore.venue.market import Feed, NewOrder, OrderKind, Side, StreamMessage, TimeInForce, Wire
from mmcore.venue.matching import MatchingEngine
from mmcore.venue.publisher import Publisher, decimal

TICK_E8 = 10**6
STEP_E8 = 10**3
FEEDS = {Feed(f"btcusdt@{kind}", Wire.JSON) for kind in ("depth@100ms", "bookTicker", "trade")}
Levels = list[tuple[int, int]]


class Client:
    """Keeps a book by the documented rules; texts stay texts so that their form is part of the promise."""

    def __init__(self, update_id: int, bids: Levels, asks: Levels) -> None:
        self.update_id = update_id
        self.synced = False
        self.sides = {
            "b": {decimal(price): decimal(qty) for price, qty in bids},
            "a": {decimal(price): decimal(qty) for price, qty in asks},
        }

    def apply(self, diff: dict[str, Any]) -> bool:
        """False if the diff is older than the snapshot."""
        if not self.synced and diff["u"] <= self.update_id:
            return False
        if self.synced:
            assert diff["U"] == self.update_id + 1
        else:
            assert diff["U"] <= self.update_id + 1
            self.synced = True
        for side, levels in self.sides.items():
            for price, qty in diff[side]:
                if qty == "0.00000000":
                    levels.pop(price, None)
                else:
                    levels[price] = qty
        self.update_id = diff["u"]
        return True

    def book(self) -> tuple[int, Levels, Levels]:
        bids, asks = ([(e8(price), e8(qty)) for price, qty in self.sides[side].items()] for side in ("b", "a"))
        return self.update_id, sorted(bids, reverse=True), sorted(asks)


def e8(text: str) -> int:
    whole, fraction = text.split(".")
    assert len(fraction) == 8
    return int(whole) * 10**8 + int(fraction)


class Session:
    """An engine under random orders, its publisher, and everything published so far."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.engine = MatchingEngine(TICK_E8, STEP_E8)
        self.publisher = Publisher("BTCUSDT", self.engine, TICK_E8, STEP_E8)
        self.publisher.want(FEEDS)
        self.orders = 0
        self.time_us = 1_700_000_000_000_000

    def act(self) -> list[StreamMessage]:
        """One random operation and what was published of it."""
        self.time_us += self.rng.randrange(3000)
        if self.rng.random() < 0.6:
            self.orders += 1
            side = self.rng.choice(list(Side))
            ticks = 1000 + self.rng.randint(-30, 10) * (1 if side is Side.BUY else -1)
            tif = self.rng.choice([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC])
            steps = self.rng.randint(1, 50)
            order = NewOrder(self.orders, "", side, OrderKind.LIMIT, tif, ticks * TICK_E8, steps * STEP_E8)
            self.engine.place(order, self.time_us)
        elif self.orders:
            self.engine.cancel(self.rng.randint(1, self.orders))
        self.publisher.collect(self.time_us)
        return self.publisher.drain()

    def close_window(self) -> list[StreamMessage]:
        self.publisher.close_windows(100_000, self.time_us)
        return self.publisher.drain()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_diffs_rebuild_the_engines_book_from_snapshots_taken_inside_windows(seed: int) -> None:
    session = Session(seed)
    clients: list[Client] = []
    inside = 0
    for _ in range(100):
        operations = session.rng.randrange(25)
        snapshot_after = session.rng.randrange(25)
        before_id = session.engine.update_id
        for i in range(operations):
            session.act()
            if i == snapshot_after:
                clients.append(Client(*session.engine.depth(10**6)))
        published = session.close_window()
        assert len(published) == (session.engine.update_id > before_id)
        for message in published:
            assert message.stream == "btcusdt@depth@100ms"
            diff = json.loads(message.data)
            assert diff["u"] == session.engine.update_id
            assert diff["U"] == before_id + 1
            for client in clients:
                inside += not client.synced and diff["U"] <= client.update_id < diff["u"]
                client.apply(diff)
        for client in clients:
            if client.synced:
                assert client.book() == session.engine.depth(10**6)
    assert inside > 20
    assert sum(client.synced for client in clients) >= inside


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_diff_gives_each_level_touched_once_with_its_last_quantity_best_first(seed: int) -> None:
    session = Session(seed)
    vanished = 0
    for _ in range(40):
        touched: dict[str, set[int]] = {"b": set(), "a": set()}
        start = {"b": set[int](), "a": set[int]()}
        _, start_bids, start_asks = session.engine.depth(10**6)
        start["b"], start["a"] = {price for price, _ in start_bids}, {price for price, _ in start_asks}
        before = {"b": dict(start_bids), "a": dict(start_asks)}
        for _ in range(15):
            session.act()
            now = dict(zip(("b", "a"), map(dict, session.engine.depth(10**6)[1:]), strict=True))
            for side in ("b", "a"):
                touched[side] |= {price for price, _ in before[side].items() ^ now[side].items()}
            before = now
        for message in session.close_window():
            diff = json.loads(message.data)
            for side in ("b", "a"):
                prices = [e8(price) for price, _ in diff[side]]
                assert prices == sorted(touched[side], reverse=side == "b")
                assert {e8(price): e8(qty) for price, qty in diff[side]} == {p: before[side].get(p, 0) for p in prices}
                vanished += sum(p not in start[side] and p not in before[side] for p in prices)
    assert vanished, "levels that came and went within a window are reported as gone"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_book_ticker_comes_exactly_when_an_operation_changed_the_best(seed: int) -> None:
    session = Session(seed)
    before = session.engine.best(Side.BUY), session.engine.best(Side.SELL)
    tickers = 0
    for _ in range(1500):
        published = [json.loads(m.data) for m in session.act() if m.stream == "btcusdt@bookTicker"]
        now = session.engine.best(Side.BUY), session.engine.best(Side.SELL)
        assert len(published) == (now != before)
        for ticker in published:
            tickers += 1
            bid, ask = now[0] or (0, 0), now[1] or (0, 0)
            assert [e8(ticker[key]) for key in "bBaA"] == [*bid, *ask]
            assert ticker["u"] == session.engine.update_id
        before = now
    assert tickers > 200


@pytest.mark.parametrize("seed", [1, 2])
def test_there_is_one_trade_message_per_match_with_contiguous_ids_before_the_new_best(seed: int) -> None:
    session = Session(seed)
    last_id = 0
    for _ in range(1500):
        messages = session.act()
        streams = [message.stream for message in messages]
        assert streams == sorted(streams, reverse=True), "trades before the bookTicker"
        for message in messages:
            if message.stream == "btcusdt@trade":
                trade = json.loads(message.data)
                assert trade["t"] == last_id + 1
                assert trade["T"] == trade["E"] == session.time_us // 1000
                last_id = trade["t"]
    assert last_id > 200


def test_the_texts_are_binances() -> None:
    engine = MatchingEngine(TICK_E8, STEP_E8)
    publisher = Publisher("BTCUSDT", engine, TICK_E8, STEP_E8)
    publisher.want(FEEDS)

    def limit(order_id: int, side: Side, price_e8: int, qty_e8: int) -> None:
        engine.place(
            NewOrder(order_id, "", side, OrderKind.LIMIT, TimeInForce.GTC, price_e8, qty_e8), 1_700_000_000_123_456
        )
        publisher.collect(1_700_000_000_123_456)

    limit(1, Side.BUY, 6_700_000_000_000, 150_000_000)
    limit(2, Side.SELL, 6_700_001_000_000, 1_000)
    limit(3, Side.SELL, 6_700_000_000_000, 25_000_000)
    limit(4, Side.BUY, 6_700_001_000_000, 2_000)
    publisher.close_windows(100_000, 1_700_000_000_200_000)
    publisher.close_windows(100_000, 1_700_000_000_300_000)
    trade = '{"e":"trade","E":1700000000123,"s":"BTCUSDT","t":%d,"p":"%s","q":"%s","T":1700000000123,"m":%s,"M":true}'
    ticker = '{"u":%d,"s":"BTCUSDT","b":"%s","B":"%s","a":"%s","A":"%s"}'
    assert publisher.drain() == [
        StreamMessage("btcusdt@bookTicker", ticker % (1, "67000.00000000", "1.50000000", "0.00000000", "0.00000000")),
        StreamMessage(
            "btcusdt@bookTicker", ticker % (2, "67000.00000000", "1.50000000", "67000.01000000", "0.00001000")
        ),
        StreamMessage("btcusdt@trade", trade % (1, "67000.00000000", "0.25000000", "true")),
        StreamMessage(
            "btcusdt@bookTicker", ticker % (3, "67000.00000000", "1.25000000", "67000.01000000", "0.00001000")
        ),
        StreamMessage("btcusdt@trade", trade % (2, "67000.01000000", "0.00001000", "false")),
        StreamMessage("btcusdt@bookTicker", ticker % (5, "67000.01000000", "0.00001000", "0.00000000", "0.00000000")),
        StreamMessage(
            "btcusdt@depth@100ms",
            '{"e":"depthUpdate","E":1700000000200,"s":"BTCUSDT","U":1,"u":5,'
            '"b":[["67000.01000000","0.00001000"],["67000.00000000","1.25000000"]],'
            '"a":[["67000.01000000","0.00000000"]]}',
        ),
    ]


def test_what_was_done_before_a_restart_is_not_published() -> None:
    session = Session(4)
    for _ in range(50):
        session.act()
    session.publisher.restart()
    book = session.engine.depth(10**6)
    assert not session.publisher.has_messages()
    assert session.close_window() == []
    client = Client(*book)
    for _ in range(50):
        session.act()
    (message,) = session.close_window()
    assert json.loads(message.data)["U"] == book[0] + 1
    assert client.apply(json.loads(message.data))
    assert client.book() == session.engine.depth(10**6)
