"""Weights and order counts on windows aligned to the clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mmcore.venue.limits import RateLimit, WindowCounter

MAKER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "price": "90", "quantity": "0.1"}
PUBLIC: list[tuple[str, dict[str, str], int]] = [
    ("/api/v3/ping", {}, 1),
    ("/api/v3/time", {}, 1),
    ("/api/v3/exchangeInfo", {}, 20),
    ("/api/v3/depth", {"symbol": "BTCUSDT"}, 5),
    ("/api/v3/depth", {"symbol": "BTCUSDT", "limit": "101"}, 25),
    ("/api/v3/depth", {"symbol": "BTCUSDT", "limit": "501"}, 50),
    ("/api/v3/depth", {"symbol": "BTCUSDT", "limit": "5000"}, 250),
    ("/api/v3/ticker/bookTicker", {"symbol": "BTCUSDT"}, 2),
    ("/api/v3/ticker/bookTicker", {}, 4),
    ("/api/v3/nothing", {}, 1),
]
SIGNED: list[tuple[str, str, dict[str, str], int]] = [
    ("GET", "/api/v3/account", {}, 20),
    ("GET", "/api/v3/account/commission", {"symbol": "BTCUSDT"}, 20),
    ("GET", "/api/v3/openOrders", {"symbol": "BTCUSDT"}, 6),
    ("GET", "/api/v3/openOrders", {}, 80),
    ("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT"}, 20),
    ("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT", "orderId": "1"}, 5),
    ("GET", "/api/v3/rateLimit/order", {}, 40),
    ("GET", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": "1"}, 4),
    ("POST", "/api/v3/order", MAKER, 0),
    ("POST", "/api/v3/order", {**MAKER, "price": "101"}, 1),
    ("POST", "/api/v3/order/test", MAKER, 1),
    ("DELETE", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": "1"}, 1),
]


@pytest.mark.parametrize(("path", "params", "weight"), PUBLIC)
def test_public_requests_weigh_what_the_exchange_says(
    desk: Any, path: str, params: dict[str, str], weight: int
) -> None:
    assert desk.call("GET", path, params).headers == {"X-MBX-USED-WEIGHT-1M": str(weight)}


@pytest.mark.parametrize(("method", "path", "params", "weight"), SIGNED)
def test_signed_requests_weigh_what_the_exchange_says(
    desk: Any, method: str, path: str, params: dict[str, str], weight: int
) -> None:
    headers = desk.call(method, path, params, signed=True).headers
    assert headers["X-MBX-USED-WEIGHT-1M"] == str(weight)


def test_order_counts_are_told_with_every_placed_order(desk: Any) -> None:
    headers = desk.call("POST", "/api/v3/order", MAKER, signed=True).headers
    assert (headers["X-MBX-ORDER-COUNT-10S"], headers["X-MBX-ORDER-COUNT-1D"]) == ("1", "1")
    headers = desk.call("POST", "/api/v3/order", MAKER, signed=True).headers
    assert headers["X-MBX-ORDER-COUNT-10S"] == "2"
    assert [row["count"] for row in desk.ok("GET", "/api/v3/rateLimit/order")] == [2, 2]
    desk.clock.now += 10_000_000
    assert [row["count"] for row in desk.ok("GET", "/api/v3/rateLimit/order")] == [0, 2]


def test_the_101st_order_in_ten_seconds_is_one_too_many(desk: Any) -> None:
    for _ in range(100):
        desk.place("BUY", "90", "0.1", kind="LIMIT_MAKER")
    reply = desk.call("POST", "/api/v3/order", MAKER, signed=True)
    assert reply.status == 429
    assert json.loads(reply.body) == {
        "code": -1015,
        "msg": "Too many new orders; current limit is 100 orders per 10 SECOND.",
    }
    assert reply.headers["Retry-After"] == "10"
    assert len(desk.account.open_orders) == 100
    desk.clock.now += 10_000_000
    assert desk.place("BUY", "90", "0.1", kind="LIMIT_MAKER")["status"] == "NEW"


def test_a_first_fill_gives_orders_back_five_as_maker_one_as_taker(desk: Any) -> None:
    placed = [desk.place("BUY", "90", "0.1", kind="LIMIT_MAKER")["orderId"] for _ in range(7)]
    desk.market.fill(placed[0], 5_000_000)
    desk.exchange.advance()
    assert desk.ok("GET", "/api/v3/rateLimit/order")[0]["count"] == 2
    desk.market.fill(placed[0], 5_000_000)
    desk.exchange.advance()
    assert desk.ok("GET", "/api/v3/rateLimit/order")[0]["count"] == 2
    desk.place("BUY", "101", "0.1")
    assert desk.ok("GET", "/api/v3/rateLimit/order")[0]["count"] == 2


def test_too_much_weight_is_429_until_the_minute_is_over(desk: Any) -> None:
    deep = {"symbol": "BTCUSDT", "limit": "5000"}
    for _ in range(24):
        assert desk.call("GET", "/api/v3/depth", deep).status == 200
    reply = desk.call("GET", "/api/v3/ping")
    assert reply.status == 429
    assert json.loads(reply.body)["code"] == -1003
    assert json.loads(reply.body)["msg"] == (
        "Too much request weight used; current limit is 6000 request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
    seconds = int(reply.headers["Retry-After"])
    assert 0 < seconds <= 60
    desk.clock.now += seconds * 1_000_000
    assert desk.call("GET", "/api/v3/ping").status == 200


def test_the_websocket_api_shares_the_weight_and_says_until_when(
    desk: Any, session: Any, ws_call: Callable[..., Any]
) -> None:
    assert desk.exchange.weight.count(desk.clock.now) == 2
    reply = ws_call(session, "time", signed=False)
    assert reply["rateLimits"] == [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 3}
    ]
    desk.exchange.weight.add(desk.clock.now, 5_997)
    refused = ws_call(session, "time", signed=False)
    data = refused["error"]["data"]
    assert refused["status"] == 429
    assert data["serverTime"] == desk.clock.now // 1000
    assert data["retryAfter"] == (desk.clock.now // 60_000_000 + 1) * 60_000


def test_order_replies_carry_all_rate_limits_unless_unwanted(session: Any, ws_call: Callable[..., Any]) -> None:
    kinds = [row["interval"] for row in ws_call(session, "order.place", **MAKER)["rateLimits"]]
    assert kinds == ["SECOND", "DAY", "MINUTE"]
    failed = ws_call(session, "order.place", **{**MAKER, "price": "101"})
    assert [row["count"] for row in failed["rateLimits"]][:2] == [2, 2]
    assert "rateLimits" not in ws_call(session, "time", signed=False, returnRateLimits=False)


def test_windows_begin_where_their_length_divides_the_time() -> None:
    counter = WindowCounter(RateLimit("ORDERS", "SECOND", 10, 3))
    counter.add(19_999_999, 3)
    assert counter.exceeded_by(19_999_999, 1)
    assert counter.resets_at_us(19_999_999) == 20_000_000
    assert not counter.exceeded_by(20_000_000, 3)
    counter.add(20_000_000, -5)
    assert counter.count(20_000_000) == 0
