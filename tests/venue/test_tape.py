"""What is told of past trades: one by one, by taker, by the minute, against plain sums over the trades themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.venue.market import Feed, Wire
from mmcore.venue.recorded import RecordedMarket
from mmcore.venue.synthetic import SyntheticMarket
from mmcore.venue.tape import MINUTE_US, Print, Tape
from mmcore.venue.ws_api import ApiSession

UNIT = 100_000_000
SYMBOL = {"symbol": "BTCUSDT"}
HOUR_US = 60 * MINUTE_US


@given(
    st.lists(
        st.tuples(
            st.integers(0, 9 * MINUTE_US),
            st.lists(st.tuples(st.integers(99, 102), st.integers(1, 50)), min_size=1, max_size=4),
            st.booleans(),
        ),
        max_size=25,
    ),
    st.sampled_from([1, 3, 15, 60]),
)
def test_candles_and_windows_are_the_sums_of_the_trades(
    takers: list[tuple[int, list[tuple[int, int]], bool]], minutes: int
) -> None:
    tape, told, now_us = Tape(), [], 7 * HOUR_US
    for wait_us, legs, buyer_is_maker in takers:
        now_us += wait_us
        prints = [
            Print(len(told) + number, now_us, price * UNIT, qty * 1_000, buyer_is_maker)
            for number, (price, qty) in enumerate(legs, start=1)
        ]
        tape.note(prints)
        told += prints
    span_us = minutes * MINUTE_US
    candles = tape.candles(minutes)
    opens = [candle.open_us for candle in candles]
    assert opens == list(range(opens[0], opens[-1] + 1, span_us)) if opens else told == []
    for candle in candles:
        inside = [one for one in told if candle.open_us <= one.time_us < candle.open_us + span_us]
        assert candle.count == len(inside)
        assert candle.volume_e8 == sum(one.qty_e8 for one in inside)
        assert candle.taker_buy_e8 == sum(one.qty_e8 for one in inside if not one.buyer_is_maker)
        if inside:
            prices = [one.price_e8 for one in inside]
            assert (candle.open_e8, candle.high_e8, candle.low_e8, candle.close_e8) == (
                prices[0],
                max(prices),
                min(prices),
                prices[-1],
            )
            assert (candle.first_id, candle.last_id) == (inside[0].trade_id, inside[-1].trade_id)
        else:
            assert candle.open_e8 == candle.high_e8 == candle.low_e8 == candle.close_e8
    window = tape.since(minutes)
    assert (window is None) is (not told)
    if window is not None:
        first_us = told[-1].time_us // MINUTE_US * MINUTE_US - (minutes - 1) * MINUTE_US
        inside = [one for one in told if one.time_us >= first_us]
        assert (window.volume_e8, window.quote_e8) == (
            sum(one.qty_e8 for one in inside),
            sum(one.qty_e8 * one.price_e8 // UNIT for one in inside),
        )


def test_a_tape_is_bounded() -> None:
    tape = Tape()
    for number in range(3_000):
        tape.note([Print(number, number * MINUTE_US, 100 * UNIT, UNIT, True)])
    assert (len(tape.trades), len(tape.aggregates), len(tape.candles(1))) == (1_000, 1_000, 1_500)


@pytest.fixture
def busy(desk: Any, make_exchange: Callable[..., Any]) -> Any:
    """Two minutes of the synthetic market, and what its streams said meanwhile in `messages`."""
    desk.market = SyntheticMarket(3)
    desk.exchange = make_exchange(desk.market, desk.clock)
    desk.market.want({Feed("btcusdt@trade", Wire.JSON), Feed("btcusdt@aggTrade", Wire.JSON)})
    desk.exchange.start()
    desk.messages = []
    for _ in range(1_200):
        desk.clock.now += 100_000
        desk.messages += desk.exchange.advance()
    return desk


def said(desk: Any, kind: str) -> list[Any]:
    return [json.loads(one.data) for one in desk.messages if one.stream == f"btcusdt@{kind}"]


def test_requests_tell_the_trades_that_the_streams_told(busy: Any) -> None:
    streamed = said(busy, "trade")[-500:]
    rows = busy.ok("GET", "/api/v3/trades", SYMBOL, signed=False)
    assert [(row["id"], row["price"], row["qty"], row["time"], row["isBuyerMaker"]) for row in rows] == [
        (one["t"], one["p"], one["q"], one["T"], one["m"]) for one in streamed
    ]
    assert Decimal(rows[0]["quoteQty"]) == Decimal(rows[0]["price"]) * Decimal(rows[0]["qty"])
    later = busy.ok("GET", "/api/v3/historicalTrades", {**SYMBOL, "fromId": rows[100]["id"], "limit": 3}, signed=False)
    assert later == rows[100:103]


def test_requests_tell_the_aggregates_that_the_stream_told(busy: Any) -> None:
    names = ("a", "p", "q", "f", "l", "T", "m", "M")
    streamed = [{name: one[name] for name in names} for one in said(busy, "aggTrade")][-500:]
    path = "/api/v3/aggTrades"
    assert busy.ok("GET", path, SYMBOL, signed=False) == streamed
    one = streamed[50]
    assert busy.ok("GET", path, {**SYMBOL, "fromId": one["a"], "limit": 2}, signed=False) == streamed[50:52]
    since = busy.ok("GET", path, {**SYMBOL, "startTime": one["T"], "endTime": one["T"]}, signed=False)
    assert since == [row for row in streamed if row["T"] == one["T"]]
    assert busy.error("GET", path, {**SYMBOL, "fromId": 1, "startTime": 1}, signed=False)[1] == -1128


def test_candles_and_statistics_agree_with_the_stream(busy: Any) -> None:
    streamed = said(busy, "trade")
    rows = busy.ok("GET", "/api/v3/klines", {**SYMBOL, "interval": "1m"}, signed=False)
    by_minute = {minute: list(group) for minute, group in groupby(streamed, key=lambda one: one["T"] // 60_000)}
    assert [row[0] for row in rows] == [minute * 60_000 for minute in by_minute]
    for row, group in zip(rows, by_minute.values(), strict=True):
        prices = [one["p"] for one in group]
        assert row[1:5] == [prices[0], max(prices, key=Decimal), min(prices, key=Decimal), prices[-1]]
        assert Decimal(row[5]) == sum(Decimal(one["q"]) for one in group)
        assert (row[6], row[8], row[11]) == (row[0] + 59_999, len(group), "0")
    day = busy.ok("GET", "/api/v3/ticker/24hr", SYMBOL, signed=False)
    assert (day["openPrice"], day["lastPrice"], day["count"]) == (streamed[0]["p"], streamed[-1]["p"], len(streamed))
    assert (day["firstId"], day["lastId"]) == (streamed[0]["t"], streamed[-1]["t"])
    assert Decimal(day["priceChange"]) == Decimal(streamed[-1]["p"]) - Decimal(streamed[0]["p"])
    percent = 100 * Decimal(day["priceChange"]) / Decimal(day["openPrice"])
    assert abs(Decimal(day["priceChangePercent"]) - percent) <= Decimal("0.0005")
    assert (day["closeTime"], day["openTime"]) == (streamed[-1]["T"], streamed[-1]["T"] - 86_400_000)
    book = busy.ok("GET", "/api/v3/ticker/bookTicker", SYMBOL, signed=False)
    assert all(day[name] == book[name] for name in ("bidPrice", "bidQty", "askPrice", "askQty"))
    window = busy.ok("GET", "/api/v3/ticker", {**SYMBOL, "windowSize": "1m"}, signed=False)
    assert window["count"] == len(by_minute[streamed[-1]["T"] // 60_000])
    price = busy.ok("GET", "/api/v3/ticker/price", {"symbols": '["BTCUSDT"]'}, signed=False)
    assert price == [{"symbol": "BTCUSDT", "price": streamed[-1]["p"]}]
    average = busy.ok("GET", "/api/v3/avgPrice", SYMBOL, signed=False)
    worth = sum(Decimal(one["p"]) * Decimal(one["q"]) for one in streamed)
    volume = sum(Decimal(one["q"]) for one in streamed)
    assert (average["mins"], average["closeTime"]) == (5, streamed[-1]["T"])
    assert abs(Decimal(average["price"]) - worth / volume) <= Decimal("0.00000001")
    mini = busy.ok("GET", "/api/v3/ticker/24hr", {"type": "MINI"}, signed=False)[0]
    assert "bidPrice" not in mini
    assert mini["volume"] == day["volume"]


def test_without_a_trade_there_are_prices_all_the_same(desk: Any) -> None:
    assert desk.ok("GET", "/api/v3/trades", SYMBOL, signed=False) == []
    assert desk.ok("GET", "/api/v3/klines", {**SYMBOL, "interval": "1h"}, signed=False) == []
    day = desk.ok("GET", "/api/v3/ticker/24hr", SYMBOL, signed=False)
    assert (day["lastPrice"], day["priceChangePercent"], day["count"]) == ("100.00000000", "0.000", 0)
    assert desk.ok("GET", "/api/v3/avgPrice", SYMBOL, signed=False)["price"] == "100.00000000"
    assert desk.error("GET", "/api/v3/klines", {**SYMBOL, "interval": "2d"}, signed=False)[1:] == (
        -1120,
        "Invalid interval.",
    )
    assert desk.error("GET", "/api/v3/ticker", {**SYMBOL, "windowSize": "60m"}, signed=False)[1] == -1130


def test_the_reference_price_is_null_until_one_is_set(
    desk: Any, session: ApiSession, ws_call: Callable[..., Any]
) -> None:
    now_ms = desk.clock.now // 1000
    first = desk.ok("GET", "/api/v3/referencePrice", SYMBOL, signed=False)
    assert first == {"symbol": "BTCUSDT", "referencePrice": None, "timestamp": now_ms}
    desk.exchange.reference_e8 = 99 * UNIT
    reply = ws_call(session, "referencePrice", signed=False, **SYMBOL)
    assert reply["result"]["referencePrice"] == "99.00000000"
    assert desk.ok("GET", "/api/v3/executionRules", SYMBOL, signed=False) == {"symbolRules": []}


@pytest.mark.parametrize(
    ("path", "params", "weight"),
    [
        ("trades", SYMBOL, 25),
        ("aggTrades", SYMBOL, 4),
        ("klines", {**SYMBOL, "interval": "1m"}, 2),
        ("avgPrice", SYMBOL, 2),
        ("ticker/price", SYMBOL, 2),
        ("ticker/price", {}, 4),
        ("ticker/24hr", SYMBOL, 2),
        ("ticker/24hr", {}, 80),
        ("referencePrice", SYMBOL, 2),
        ("executionRules", {}, 40),
    ],
)
def test_each_request_has_its_weight(desk: Any, path: str, params: dict[str, str], weight: int) -> None:
    desk.ok("GET", f"/api/v3/{path}", params, signed=False)
    assert desk.visitor.weight.count(desk.clock.now) == weight


def test_a_recordings_tape_has_its_trades_with_their_times(data_dir: Path) -> None:
    market = RecordedMarket([data_dir / "hftbacktest/spot/btcusdt_20240808.gz"])
    market.start(0)
    market.want({Feed("btcusdt@trade", Wire.JSON)})
    messages, _ = market.advance(20_000_000)
    streamed = [json.loads(one.data) for one in messages if one.stream.endswith("@trade")]
    assert streamed
    assert [(one.trade_id, one.time_us // 1000, one.buyer_is_maker) for one in market.tape.trades] == [
        (one["t"], one["T"], one["m"]) for one in streamed
    ][-1_000:]
