"""Weights and order counts on windows aligned to the clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from mmcore.venue.limits import Limits, Penalty, RateLimit, WindowCounter
from mmcore.venue.rest import handle_rest
from mmcore.venue.ws_api import ApiSession

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
    assert desk.visitor.weight.count(desk.clock.now) == 2
    reply = ws_call(session, "time", signed=False)
    assert reply["rateLimits"] == [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 3}
    ]
    desk.visitor.weight.add(desk.clock.now, 5_997)
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


def waits(limits: Limits) -> list[int]:
    """How many seconds each new ban lasts for a client that does not stop."""
    penalty, now_us, bans = Penalty(limits), 0, list[int]()
    while len(bans) < 14:
        before = penalty.banned_until_us(now_us)
        penalty.refuse(now_us, before or now_us + 1_000_000)
        until_us = penalty.banned_until_us(now_us)
        if until_us is not None and until_us != before:
            bans.append((until_us - now_us) // 1_000_000)
            now_us = until_us
    return bans


def test_bans_grow_from_two_minutes_to_three_days() -> None:
    assert waits(Limits()) == [120 << n for n in range(11)] + [245_760, 259_200, 259_200]


def test_who_waits_is_not_banned_and_refusals_of_an_earlier_wait_are_forgotten() -> None:
    penalty = Penalty(Limits(refusals_max=2))
    for minute in range(10):
        for _ in range(2):
            penalty.refuse(minute * 60_000_000, (minute + 1) * 60_000_000)
    assert penalty.banned_until_us(600_000_000) is None
    penalty.refuse(599_999_999, 600_000_000)
    assert penalty.banned_until_us(599_999_999) == 719_999_999
    assert penalty.banned_until_us(719_999_999) is None


def test_who_sends_on_after_429_is_banned_with_418_for_longer_each_time(make_desk: Any) -> None:
    desk = make_desk(limits=Limits(weight=RateLimit("REQUEST_WEIGHT", "MINUTE", 1, 20), refusals_max=3))
    session = ApiSession(desk.exchange)
    statuses = [desk.call("GET", "/api/v3/time").status for _ in range(18 + 4)]
    assert statuses == [200] * 18 + [429] * 4
    until_ms = desk.clock.now // 1000 + 120_000
    reply = desk.call("GET", "/api/v3/time")
    assert (reply.status, reply.headers["Retry-After"]) == (418, "120")
    assert json.loads(reply.body) == {
        "code": -1003,
        "msg": f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans.",
    }
    on_api = json.loads(session.handle('{"id":1,"method":"ping"}')[0])
    assert (on_api["status"], on_api["error"]["code"]) == (418, -1003)
    assert on_api["error"]["data"] == {"serverTime": desk.clock.now // 1000, "retryAfter": until_ms}
    assert on_api["rateLimits"][0]["rateLimitType"] == "REQUEST_WEIGHT"
    other = handle_rest(desk.exchange, "GET", "/api/v3/time", None, b"", address="127.0.0.2")
    assert other.status == 200, "another address is not banned"
    longer = [desk.call("GET", "/api/v3/time").headers["Retry-After"] for _ in range(3)]
    assert longer == ["120", "240", "240"], "a ban that is not waited for grows"
    desk.clock.now += 240_000_000
    assert desk.call("GET", "/api/v3/time").status == 200


def test_orders_placed_on_after_1015_lead_to_a_ban_as_well(make_desk: Any) -> None:
    limits = Limits(orders=(RateLimit("ORDERS", "SECOND", 10, 2), RateLimit("ORDERS", "DAY", 1, 99)), refusals_max=2)
    desk = make_desk(limits=limits)
    statuses = [desk.call("POST", "/api/v3/order", MAKER, signed=True).status for _ in range(6)]
    assert statuses == [200, 200, 429, 429, 429, 418]
    desk.clock.now += 120_000_000
    assert desk.call("POST", "/api/v3/order", MAKER, signed=True).status == 200


def test_raw_requests_are_limited_whatever_they_weigh(make_desk: Any) -> None:
    desk = make_desk(limits=Limits(raw_requests=RateLimit("RAW_REQUESTS", "MINUTE", 5, 3)))
    statuses = [desk.call("POST", "/api/v3/order", MAKER, signed=True).status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    reply = desk.call("GET", "/api/v3/nothing")
    assert (reply.status, json.loads(reply.body)["code"]) == (429, -1003)
    assert "3 raw requests per 5 MINUTE" in json.loads(reply.body)["msg"]
    desk.clock.now += 300_000_000
    assert desk.call("GET", "/api/v3/ping").status == 200


def test_market_streams_stay_open_to_who_is_over_the_weight_and_the_api_does_not(serve: Any, desk: Any) -> None:
    async def body(server: Any, url: str) -> None:
        async with aiohttp.ClientSession() as http:
            for _ in range(2):
                await (await http.ws_connect(f"{url}/ws-api/v3")).close()
            async with http.get(f"{url}/api/v3/ping") as reply:
                assert (reply.status, reply.headers["X-MBX-USED-WEIGHT-1M"]) == (200, "5"), "connecting weighs 2"
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(f"{url}/ws-api/v3")
            assert refused.value.status == 429
            await (await http.ws_connect(f"{url}/ws")).close()

    limits = Limits(weight=RateLimit("REQUEST_WEIGHT", "MINUTE", 1, 6))
    serve(body, desk.market, limits=limits, clock=desk.clock)


def test_exchange_info_tells_the_limits_in_force_and_connections_on_the_websocket_api_only(
    make_desk: Any,
) -> None:
    limits = Limits(
        weight=RateLimit("REQUEST_WEIGHT", "MINUTE", 1, 1200),
        orders=(RateLimit("ORDERS", "SECOND", 10, 50), RateLimit("ORDERS", "DAY", 1, 160_000)),
    )
    desk = make_desk(limits=limits)
    rows = desk.ok("GET", "/api/v3/exchangeInfo", signed=False)["rateLimits"]
    told = [(row["rateLimitType"], row["interval"], row["intervalNum"], row["limit"]) for row in rows]
    assert told == [
        ("REQUEST_WEIGHT", "MINUTE", 1, 1200),
        ("ORDERS", "SECOND", 10, 50),
        ("ORDERS", "DAY", 1, 160_000),
        ("RAW_REQUESTS", "MINUTE", 5, 300_000),
    ]
    reply = json.loads(ApiSession(desk.exchange).handle('{"id":1,"method":"exchangeInfo"}')[0])
    connections = {"rateLimitType": "CONNECTIONS", "interval": "MINUTE", "intervalNum": 5, "limit": 300}
    assert reply["result"]["rateLimits"] == [*rows, connections]


def test_too_many_attempts_to_connect_are_refused_then_banned_for_streams_and_api_each(serve: Any, desk: Any) -> None:
    limits = Limits(connections=RateLimit("CONNECTIONS", "MINUTE", 5, 2), refusals_max=3)

    async def attempt(http: aiohttp.ClientSession, url: str) -> tuple[int, int]:
        try:
            await (await http.ws_connect(url)).close()
        except aiohttp.WSServerHandshakeError as refused:
            headers = refused.headers or {}
            return refused.status, int(headers["Retry-After"])
        return 101, 0

    async def body(server: Any, url: str) -> None:
        async with aiohttp.ClientSession() as http:
            assert [(await attempt(http, f"{url}/ws"))[0] for _ in range(3)] == [101, 101, 429]
            assert [(await attempt(http, f"{url}/ws-api/v3"))[0] for _ in range(3)] == [101, 101, 429]
            assert (await attempt(http, f"{url}/stream?streams=a@trade"))[0] == 429
            assert [await attempt(http, f"{url}/ws") for _ in range(3)] == [(429, 100), (429, 100), (418, 120)]
            async with http.get(f"{url}/api/v3/ping") as reply:
                assert reply.status == 200, "who is banned from streams is not banned from the API"
            statuses = [(await attempt(http, f"{url}/ws-api/v3"))[0] for _ in range(4)]
            assert statuses == [429, 429, 429, 418]
            async with http.get(f"{url}/api/v3/ping") as reply:
                assert (reply.status, reply.headers["Retry-After"]) == (418, "120")
        elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
        async with aiohttp.ClientSession(connector=elsewhere) as http:
            assert (await attempt(http, f"{url}/ws"))[0] == 101

    serve(body, desk.market, limits=limits, clock=desk.clock)
