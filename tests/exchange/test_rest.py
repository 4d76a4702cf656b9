"""The REST client against real servers: bytes sent, outcomes, limits, clocks, and servers that behave badly."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

from mmcore.errors import CredentialsError, ExchangeError, ExitCode, UnreachableError
from mmcore.exchange import http
from mmcore.exchange.base import Cause, Operation, OrderRequest, OrderResponse, Outcome, Side, SymbolError
from mmcore.exchange.binance.protocol import (
    NS_PER_S,
    ClockOffset,
    LimitedError,
    LimitState,
    Sender,
    endpoints_at,
)
from mmcore.exchange.binance.rest import Counts, RestClient, RestOrders
from mmcore.exchange.binance.signing import Ed25519Signer, HmacSigner, Signer

if TYPE_CHECKING:
    from conftest import Peer, Script, Server, Servers

SECRET = "terces-yranac"[::-1]
API_KEY = "yek-yranac"[::-1]
CANARY = "yranac"[::-1]  # so that no line of source in a traceback holds it
PEM = "MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u"
SERVER_MS = 1_784_592_000_000
OWN_ID = "mA1-0k3f9zq-00001c4-b0"
WIRE = b"symbol=BTCUSDT&side=BUY&type=LIMIT_MAKER&newClientOrderId=" + OWN_ID.encode() + b"&signature=abc%2Bd"


def request(client_id: str = OWN_ID, exchange_id: int | None = None, wire: bytes | memoryview = b"") -> OrderRequest:
    return OrderRequest(client_id, "BTCUSDT", Side.BUY, 5_000_000_000_000, 100_000, exchange_id, wire)


def order_json(status: str = "NEW", client_id: str = OWN_ID, **more: Any) -> bytes:
    return json.dumps({"symbol": "BTCUSDT", "orderId": 28, "clientOrderId": client_id, "transactTime": SERVER_MS,
                       "price": "50000.00", "origQty": "0.00100000", "executedQty": "0.00000000",
                       "cummulativeQuoteQty": "0.00000000", "status": status, "side": "BUY", **more}).encode()


def error_json(code: int, message: str) -> bytes:
    return json.dumps({"code": code, "msg": message}).encode()


class Bench:
    """A client with its shared state."""

    def __init__(self, url: str, servers: Servers, signer: Signer | None, *, clock_known: bool = True,
                 speed: int = 1) -> None:
        """speed: how much faster than real time the client's clock runs."""
        self.clock, self.limits = ClockOffset(), LimitState()
        self._servers, self._speed = servers, speed
        if clock_known:
            now = self.now_ns()
            self.clock.add(now, now, SERVER_MS)
        self.rest = RestClient(endpoints_at(url), tag="A1", now_ns=self.now_ns, clock=self.clock,
                               limits=self.limits, api_key=API_KEY, signer=signer, authorities=servers.authorities)

    def now_ns(self) -> int:
        return self._servers.now_ns() * self._speed


@contextmanager
def answering(servers: Servers, answer: Callable[[str, bytes], bytes], signer: Signer | None = None,
              *, clock_known: bool = True) -> Iterator[tuple[Bench, Server]]:
    with servers.http(answer) as server:
        bench = Bench(f"http://127.0.0.1:{server.port}", servers, signer or HmacSigner(SECRET), clock_known=clock_known)
        try:
            yield bench, server
        finally:
            bench.rest.close()


def always(servers: Servers, status: int = 200, body: bytes = b"{}", **headers: str) -> Callable[[str, bytes], bytes]:
    return lambda line, sent: servers.reply(status, body, **headers)


# --------------------------------------------------------------------------------------------------------------------
# What is sent


def test_public_calls_are_unsigned_and_name_no_key(servers: Servers) -> None:
    with answering(servers, always(servers, body=b'{"serverTime":1784592000000}')) as (bench, server):
        assert bench.rest.server_time() == SERVER_MS
    head = server.heads[0]
    assert head[0] == "GET /api/v3/time HTTP/1.1"
    assert not any("MBX-APIKEY" in line or "signature" in line for line in head)
    assert "Accept-Encoding: identity" in head


def test_a_server_time_is_a_sample_of_the_clock(servers: Servers) -> None:
    with answering(servers, always(servers, body=b'{"serverTime":1784592000000}'), clock_known=False) as (bench, _):
        assert not bench.clock.known
        bench.rest.server_time()
        assert abs(bench.clock.server_ms(servers.now_ns()) - SERVER_MS) < 3000


def test_a_mid_price_is_between_the_best_and_0_where_a_side_is_empty(servers: Servers) -> None:
    for bid, expected in (("600.10", 60_015_000_000), ("0.00000000", 0)):
        body = json.dumps({"symbol": "BNBUSDT", "bidPrice": bid, "bidQty": "1", "askPrice": "600.20", "askQty": "1"})
        with answering(servers, always(servers, body=body.encode())) as (bench, server):
            assert bench.rest.mid_price("BNBUSDT") == expected
        assert server.heads[0][0] == "GET /api/v3/ticker/bookTicker?symbol=BNBUSDT HTTP/1.1"
    with answering(servers, always(servers, 400, error_json(-1121, "Invalid symbol."))) as (bench, _), \
            pytest.raises(SymbolError, match="NOSUCH is not listed"):
        bench.rest.mid_price("NOSUCH")


def test_trades_are_read_page_by_page_to_the_last(servers: Servers) -> None:
    """2,500 trades with gaps in their numbers, a thousand to a page. The account made the one at the end of the first
    page with itself: its second row is on the next."""
    ids = sorted([7 + 3 * i for i in range(2500)] + [7 + 3 * 999])
    second = 1000
    asked: list[int] = []

    def page(line: str, sent: bytes) -> bytes:
        query = dict(parse_qsl(line.partition("?")[2].split(" ")[0]))
        asked.append(int(query["fromId"]))
        found = [row for row in enumerate(ids) if row[1] >= int(query["fromId"])][:int(query["limit"])]
        rows = [{"id": one, "orderId": one, "isBuyer": at != second, "price": "1", "qty": "1", "quoteQty": "1",
                 "commission": "0", "commissionAsset": "BNB", "isMaker": True, "time": SERVER_MS} for at, one in found]
        return servers.reply(200, json.dumps(rows).encode())

    with answering(servers, page) as (bench, _):
        trades = list(bench.rest.own_trades_from("BTCUSDT", 1))
        assert [trade.trade_id for trade in trades] == ids
        assert [at for at, trade in enumerate(trades) if trade.side is Side.SELL] == [second]
        assert asked == [1, ids[999], ids[1998]]
        assert list(bench.rest.own_trades_from("BTCUSDT", ids[-1] + 1)) == []


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_a_signed_call_carries_a_signature_over_exactly_the_bytes_sent(servers: Servers, kind: str) -> None:
    signer: Signer = HmacSigner(SECRET) if kind == "hmac" else Ed25519Signer(PEM)
    with answering(servers, always(servers, body=b"[]"), signer) as (bench, server):
        assert bench.rest.open_orders("BTCUSDT") == ()
        assert bench.rest.own_trades("BTCUSDT", from_id=7) == ()
        assert bench.rest.own_trades("BTCUSDT", exchange_id=9) == ()
    for head, path, names in zip(
        server.heads, ("openOrders", "myTrades", "myTrades"),
        (["symbol"], ["symbol", "limit", "fromId"], ["symbol", "limit", "orderId"]), strict=True,
    ):
        target = head[0].split(" ")[1]
        where, _, query = target.partition("?")
        assert where == f"/api/v3/{path}"
        payload, _, signature = query.rpartition("&signature=")
        assert dict(parse_qsl(f"s={signature}"))["s"].replace(" ", "+") == signer.sign(payload.encode())
        sent = parse_qsl(payload)
        assert [name for name, _ in sent] == [*names, "recvWindow", "timestamp"]
        assert abs(int(dict(sent)["timestamp"]) - SERVER_MS) < 60_000
        assert f"X-MBX-APIKEY: {API_KEY}" in head


def test_an_order_goes_out_as_the_gates_bytes_and_nothing_else(servers: Servers) -> None:
    with answering(servers, always(servers, body=order_json())) as (bench, server):
        response = bench.rest.place_order(request(wire=memoryview(bytearray(WIRE))))
    assert server.bodies == [b""]
    assert server.heads[0][0] == f"POST /api/v3/order?{WIRE.decode()} HTTP/1.1"
    assert response == OrderResponse(
        Outcome.ACKED, OWN_ID, Operation.PLACE, 28, side=Side.BUY, price_e8=5_000_000_000_000, qty_e8=100_000,
        executed_e8=0, executed_quote_e8=0, time_ms=SERVER_MS)


@pytest.mark.parametrize(("call", "line"), [
    ("place_order", "POST /api/v3/order?"),
    ("amend_order", "PUT /api/v3/order/amend/keepPriority?"),
    ("replace_order", "POST /api/v3/order/cancelReplace?"),
])
def test_it_is_told_once_when_the_kernel_has_the_bytes_and_before_there_is_an_answer(
    servers: Servers, call: str, line: str
) -> None:
    told: list[int] = []

    def answer(head: str, sent: bytes) -> bytes:
        assert head == f"{line}{WIRE.decode()} HTTP/1.1"
        deadline_ns = servers.now_ns() + 5 * NS_PER_S
        while not told and servers.now_ns() < deadline_ns:
            pass
        return servers.reply(200, b"{}") if told else servers.reply(500, b"not told")

    with answering(servers, answer) as (bench, _):
        before_ns = servers.now_ns()
        getattr(bench.rest, call)(request(wire=WIRE), told.append)
        assert len(told) == 1
        assert before_ns <= told[0] <= servers.now_ns()


def test_nothing_is_told_to_be_sent_where_nobody_listens(servers: Servers) -> None:
    bench = Bench(f"http://127.0.0.1:{servers.unused_port()}", servers, HmacSigner(SECRET))
    told: list[int] = []
    assert bench.rest.place_order(request(wire=WIRE), told.append).outcome is Outcome.UNKNOWN
    assert told == []


def test_an_order_without_the_gates_bytes_is_a_mistake(servers: Servers) -> None:
    with answering(servers, always(servers)) as (bench, server):
        with pytest.raises(ValueError, match="gate"):
            bench.rest.place_order(request())
        assert server.connections == 0


@pytest.mark.parametrize("exchange_id", [None, 28])
def test_a_cancel_names_the_order_by_our_id_and_by_the_exchanges_when_known(
    servers: Servers, exchange_id: int | None
) -> None:
    body = order_json("CANCELED", "some-cancel", origClientOrderId=OWN_ID)
    with answering(servers, always(servers, body=body)) as (bench, server):
        response = bench.rest.cancel_order(request(exchange_id=exchange_id))
    assert response.outcome is Outcome.CANCELED
    assert response.client_id == OWN_ID
    method, target, _ = server.heads[0][0].split(" ")
    sent = dict(parse_qsl(target.partition("?")[2]))
    assert method == "DELETE"
    assert sent["origClientOrderId"] == OWN_ID
    assert sent.get("orderId") == (None if exchange_id is None else str(exchange_id))


@pytest.mark.parametrize("client_id", ["web_12345", "mB2-0k3f9zq-00001c4-b0", "x-TKT5PX2F", "", "mA1-"])
def test_a_foreign_order_is_never_cancelled(servers: Servers, client_id: str) -> None:
    with answering(servers, always(servers, body=order_json("CANCELED", client_id))) as (bench, server):
        with pytest.raises(ValueError, match="not an own order"):
            bench.rest.cancel_order(request(client_id))
        assert server.connections == 0


def test_one_connection_serves_many_calls(servers: Servers) -> None:
    with answering(servers, always(servers, body=b'{"serverTime":5}')) as (bench, server):
        for _ in range(5):
            bench.rest.server_time()
        assert server.connections == 1


def test_a_symbol_outside_ascii_is_sent_as_it_is_signed(servers: Servers) -> None:
    with answering(servers, always(servers, body=b"[]")) as (bench, server):
        bench.rest.open_orders("这是测试币456")
    payload, _, signature = server.heads[0][0].split(" ")[1].partition("?")[2].rpartition("&signature=")
    assert payload.startswith("symbol=%E8%BF%99%E6%98%AF%E6%B5%8B%E8%AF%95%E5%B8%81456&")
    assert signature == hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()


# --------------------------------------------------------------------------------------------------------------------
# What comes back


def test_a_depth_snapshot_is_the_raw_body(servers: Servers) -> None:
    body = b'{"lastUpdateId": 1027024,\n "bids":[["4.00000000","431.00000000"]],"asks":[]}'
    with answering(servers, always(servers, body=body)) as (bench, server):
        snapshot = bench.rest.depth("BTCUSDT", 5000)
    assert (snapshot.body, snapshot.symbol, snapshot.levels) == (body, "BTCUSDT", 5000)
    assert snapshot.received_ns <= servers.now_ns()
    assert server.heads[0][0].startswith("GET /api/v3/depth?symbol=BTCUSDT&limit=5000 ")


def test_the_weight_limit_comes_from_exchange_info(servers: Servers) -> None:
    info = {"serverTime": 1, "symbols": [], "rateLimits": [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 100}]}
    with answering(servers, always(servers, body=json.dumps(info).encode(), X_MBX_USED_WEIGHT_1M="70")) as (bench, _):
        assert bench.rest.exchange_info("BTCUSDT").symbols == ()
        assert bench.limits.wait_ns(Sender.ORDER, servers.now_ns()) > 0
        assert bench.limits.wait_ns(Sender.READ, servers.now_ns()) == 0


def test_an_unlisted_symbol_is_a_configuration_error_that_names_it(servers: Servers) -> None:
    with (answering(servers, always(servers, 400, error_json(-1121, "Invalid symbol."))) as (bench, _),
          pytest.raises(SymbolError, match=r"^BTCUSTD is not listed by the exchange$")):
        bench.rest.exchange_info("BTCUSTD")


def test_another_refusal_of_exchange_info_is_told_as_it_is(servers: Servers) -> None:
    with (answering(servers, always(servers, 400, error_json(-1100, "Illegal characters.\r\n\x1b[2J"))) as (bench, _),
          pytest.raises(ExchangeError) as caught):
        bench.rest.exchange_info("BTC USD")
    assert (caught.value.code, caught.value.msg) == (-1100, "Illegal characters.???[2J")


@pytest.mark.parametrize(("code", "status"), [(-2014, 401), (-2015, 401), (-1022, 400)])
def test_refused_credentials_end_with_their_own_exit_code(servers: Servers, code: int, status: int) -> None:
    with (answering(servers, always(servers, status, error_json(code, "No."))) as (bench, _),
          pytest.raises(ExchangeError) as caught):
        bench.rest.account()
    assert caught.value.exit_code is ExitCode.CREDENTIALS


def test_a_signed_call_without_a_secret_is_refused_before_anything_is_sent(servers: Servers) -> None:
    with servers.http(always(servers)) as server:
        bench = Bench(f"http://127.0.0.1:{server.port}", servers, None)
        with pytest.raises(CredentialsError, match="API key"):
            bench.rest.account()
        assert server.connections == 0


@pytest.mark.parametrize(
    ("status", "body", "outcome", "code"),
    [
        (400, error_json(-2010, "Order would immediately match and take."), Outcome.REJECTED, -2010),
        (400, error_json(-1013, "Filter failure: LOT_SIZE"), Outcome.REJECTED, -1013),
        (401, error_json(-2015, "Invalid API-key, IP, or permissions for action."), Outcome.REJECTED, -2015),
        (400, error_json(-1007, "Timeout waiting for response from backend server."), Outcome.UNKNOWN, -1007),
        (500, error_json(-1000, "An unknown error occurred."), Outcome.UNKNOWN, -1000),
        (503, b"<html>busy</html>", Outcome.UNKNOWN, 0),
        (403, b"<html>WAF</html>", Outcome.UNKNOWN, 0),
        (200, b"<html>captive portal</html>", Outcome.UNKNOWN, 0),
        (200, b"{}", Outcome.UNKNOWN, 0),
        (200, order_json(client_id="another"), Outcome.UNKNOWN, 0),
        (200, order_json("A_STATE_OF_2031"), Outcome.UNKNOWN, 0),
        (200, order_json("FILLED", executedQty="0.00100000"), Outcome.FILLED, 0),
        (204, b"", Outcome.UNKNOWN, 0),
        (301, b"", Outcome.UNKNOWN, 0),
    ],
)
def test_each_answer_to_an_order_is_a_refusal_only_if_the_exchange_says_so(
    servers: Servers, status: int, body: bytes, outcome: Outcome, code: int
) -> None:
    with answering(servers, always(servers, status, body)) as (bench, server):
        response = bench.rest.place_order(request(wire=WIRE))
        assert (response.outcome, response.code, response.client_id) == (outcome, code, OWN_ID)
        assert len(server.heads) == 1, "an order is never sent twice"


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (400, error_json(-2011, "Unknown order sent."), Outcome.CANCEL_REJECTED),
        (400, error_json(-2039, "Client order ID is not correct for this order ID."), Outcome.CANCEL_REJECTED),
        (503, b"", Outcome.UNKNOWN),
        (400, error_json(-1006, "Unexpected response."), Outcome.UNKNOWN),
    ],
)
def test_each_answer_to_a_cancel_has_its_outcome(servers: Servers, status: int, body: bytes, outcome: Outcome) -> None:
    with answering(servers, always(servers, status, body)) as (bench, server):
        assert bench.rest.cancel_order(request()).outcome is outcome
        assert len(server.heads) == 1


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, order_json("NEW"), Outcome.ACKED),
        (200, order_json("CANCELED", executedQty="0.0005"), Outcome.CANCELED),
        (400, error_json(-2013, "Order does not exist."), Outcome.NOT_FOUND),
        (400, error_json(-1121, "Invalid symbol."), Outcome.UNKNOWN),
        (429, error_json(-1003, "Too much."), Outcome.UNKNOWN),
        (503, b"", Outcome.UNKNOWN),
        (200, b"[]", Outcome.UNKNOWN),
    ],
)
def test_each_answer_to_a_query_has_its_outcome(servers: Servers, status: int, body: bytes, outcome: Outcome) -> None:
    with answering(servers, always(servers, status, body)) as (bench, _):
        assert bench.rest.query_order(request()).outcome is outcome


def test_every_answer_tells_what_it_answers_whatever_the_exchange_says(servers: Servers) -> None:
    raw_replies = [servers.reply(503), servers.reply(body=b"?"), servers.reply(body=order_json()), b"",
                   servers.reply(400, error_json(-2010, "x")), servers.reply(429)]
    raw = iter([one for one in raw_replies for _ in range(3)])
    with answering(servers, lambda line, sent: next(raw)) as (bench, _):
        for _ in raw_replies:
            for call, operation in ((bench.rest.place_order, Operation.PLACE),
                                    (bench.rest.cancel_order, Operation.CANCEL),
                                    (bench.rest.query_order, Operation.QUERY)):
                response = call(request(wire=WIRE))
                assert (response.operation, response.client_id) == (operation, OWN_ID)


# --------------------------------------------------------------------------------------------------------------------
# Clock


def wrong_clock(servers: Servers, heals_after: int) -> Callable[[str, bytes], bytes]:
    """Refuses the first `heals_after` signed requests; the time it tells is one hour on."""
    refused: list[str] = []

    def answer(line: str, sent: bytes) -> bytes:
        if "/time" in line:
            return servers.reply(body=b'{"serverTime":%d}' % (SERVER_MS + 3_600_000))
        if len(refused) < heals_after:
            refused.append(line)
            return servers.reply(400, error_json(-1021, "Timestamp for this request is outside of the recvWindow."))
        return servers.reply(body=order_json("CANCELED"))

    return answer


def methods(server: Server) -> list[str]:
    return [head[0].split("?")[0].removesuffix(" HTTP/1.1") for head in server.heads]


def test_a_cancel_refused_for_the_clock_is_sent_once_more_with_the_right_time(servers: Servers) -> None:
    with answering(servers, wrong_clock(servers, 1)) as (bench, server):
        assert bench.rest.cancel_order(request()).outcome is Outcome.CANCELED
        assert methods(server) == ["DELETE /api/v3/order", *["GET /api/v3/time"] * 3, "DELETE /api/v3/order"]
        last = dict(parse_qsl(server.heads[-1][0].split(" ")[1].partition("?")[2]))
        assert int(last["timestamp"]) >= SERVER_MS + 3_600_000


def test_a_cancel_is_not_sent_a_third_time(servers: Servers) -> None:
    with answering(servers, wrong_clock(servers, 9)) as (bench, server):
        response = bench.rest.cancel_order(request())
        assert (response.outcome, response.code) == (Outcome.CANCEL_REJECTED, -1021)
        assert methods(server).count("DELETE /api/v3/order") == 2


def test_an_order_refused_for_the_clock_is_not_repeated_but_the_clock_is_read(servers: Servers) -> None:
    with answering(servers, wrong_clock(servers, 1)) as (bench, server):
        response = bench.rest.place_order(request(wire=WIRE))
        assert (response.outcome, response.code) == (Outcome.REJECTED, -1021)
        assert methods(server) == ["POST /api/v3/order", *["GET /api/v3/time"] * 3]
        assert bench.clock.server_ms(servers.now_ns()) >= SERVER_MS + 3_600_000


def test_a_read_refused_for_the_clock_is_told_and_the_next_one_has_the_right_time(servers: Servers) -> None:
    with answering(servers, wrong_clock(servers, 1)) as (bench, _):
        with pytest.raises(ExchangeError) as caught:
            bench.rest.open_orders("BTCUSDT")
        assert caught.value.exit_code is ExitCode.CREDENTIALS
        assert bench.rest.query_order(request()).outcome is Outcome.CANCELED


def test_without_a_known_time_a_signed_call_asks_for_it_first(servers: Servers) -> None:
    with answering(servers, wrong_clock(servers, 0), clock_known=False) as (bench, server):
        assert bench.rest.cancel_order(request()).outcome is Outcome.CANCELED
        assert methods(server) == ["GET /api/v3/time", "DELETE /api/v3/order"]


def test_a_cancel_that_cannot_be_signed_for_want_of_a_time_was_not_sent(servers: Servers) -> None:
    with answering(servers, always(servers, 503), clock_known=False) as (bench, server):
        assert bench.rest.cancel_order(request()).outcome is Outcome.NOT_SENT
        assert methods(server) == ["GET /api/v3/time"]


# --------------------------------------------------------------------------------------------------------------------
# Limits


@pytest.mark.parametrize(("status", "retry_after", "expected_s"), [(429, "35", 35), (418, "120", 120), (429, "x", 60)])
def test_after_a_429_or_418_nothing_at_all_is_sent_until_the_wait_is_over(
    servers: Servers, status: int, retry_after: str, expected_s: int
) -> None:
    body = error_json(-1003, "Too much request weight used.")
    with answering(servers, always(servers, status, body, Retry_After=retry_after)) as (bench, server):
        with pytest.raises(LimitedError) as caught:
            bench.rest.depth("BTCUSDT", 100)
        assert expected_s - 2 < (caught.value.until_ns - servers.now_ns()) / NS_PER_S <= expected_s
        assert str(caught.value).startswith("the exchange asks to wait: ")
        with pytest.raises(LimitedError, match=r"^not sent: limits forbid it for \d+ s$"):
            bench.rest.server_time()
        with pytest.raises(LimitedError, match="not sent"):
            bench.rest.account()
        assert bench.rest.place_order(request(wire=WIRE)).outcome is Outcome.NOT_SENT
        assert bench.rest.cancel_order(request()).outcome is Outcome.NOT_SENT
        assert bench.rest.query_order(request()).outcome is Outcome.UNKNOWN
        assert len(server.heads) == 1


def test_counts_and_limits_are_kept_as_the_exchange_states_them_until_they_are_taken(servers: Servers) -> None:
    limits = [{"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
              for kind, interval, number, limit in (("ORDERS", "SECOND", 10, 50), ("ORDERS", "DAY", 1, 160_000),
                                                    ("REQUEST_WEIGHT", "MINUTE", 1, 6000),
                                                    ("RAW_REQUESTS", "MINUTE", 5, 300_000), ("NEW", "MINUTE", 1, 1))]

    def answer(line: str, sent: bytes) -> bytes:
        if "exchangeInfo" in line:
            return servers.reply(200, json.dumps({"symbols": [], "rateLimits": limits}).encode(),
                                 X_MBX_USED_WEIGHT_1M="27")
        return servers.reply(200, order_json(), X_MBX_USED_WEIGHT_1M="28", X_MBX_ORDER_COUNT_10S="3",
                             X_MBX_ORDER_COUNT_1D="many")

    with answering(servers, answer) as (bench, _):
        assert bench.rest.take_counts() is None
        bench.rest.exchange_info("BTCUSDT")
        bench.rest.place_order(request(wire=WIRE))
        assert bench.rest.take_counts() == Counts(
            orders_10s=3, orders_10s_limit=50, orders_day=-1, orders_day_limit=160_000, weight_1m=28,
            weight_1m_limit=6000, raw_5m_limit=300_000)
        assert bench.rest.take_counts() is None
        bench.rest.place_order(request(wire=WIRE))
        assert bench.rest.take_counts() == Counts(orders_10s=3, weight_1m=28)


def test_too_many_orders_refuse_orders_but_no_cancel(servers: Servers) -> None:
    def answer(line: str, sent: bytes) -> bytes:
        if line.startswith("POST"):
            text = "Too many new orders; current limit is 50 orders per 10 SECOND."
            return servers.reply(429, error_json(-1015, text), Retry_After="7")
        return servers.reply(body=order_json("CANCELED"))

    with answering(servers, answer) as (bench, server):
        response = bench.rest.place_order(request(wire=WIRE))
        assert (response.outcome, response.code) == (Outcome.REJECTED, -1015)
        assert bench.rest.take_counts() is None, "the limit is not known here, so neither is the count"
        assert bench.rest.place_order(request(wire=WIRE)).outcome is Outcome.NOT_SENT
        assert bench.rest.cancel_order(request()).outcome is Outcome.CANCELED
        assert methods(server) == ["POST /api/v3/order", "DELETE /api/v3/order"]


def test_much_weight_stops_orders_then_reads_and_cancels_never(servers: Servers) -> None:
    used = ["4200"]

    def answer(line: str, sent: bytes) -> bytes:
        return servers.reply(body=order_json("CANCELED", serverTime=5), X_MBX_USED_WEIGHT_1M=used[0])

    with answering(servers, answer) as (bench, _):
        assert bench.rest.query_order(request()).outcome is Outcome.CANCELED
        assert bench.rest.place_order(request(wire=WIRE)).outcome is Outcome.NOT_SENT
        used[0] = "5900"
        assert bench.rest.query_order(request()).outcome is Outcome.CANCELED
        with pytest.raises(LimitedError, match=r"not sent: limits forbid it for \d+ s"):
            bench.rest.open_orders("BTCUSDT")
        assert bench.rest.cancel_order(request()).outcome is Outcome.CANCELED
        assert bench.rest.server_time() == 5, "a cancel may need the time"


@pytest.mark.parametrize(("status", "body", "told"), [
    (451, error_json(0, "Service unavailable from a restricted location."),
     "/api/v3/account: HTTP 451: Service unavailable from a restricted location."),
    (451, b"<html>", "/api/v3/account: HTTP 451 without an error of the exchange"),
    (503, error_json(-1008, "Server is overloaded."), "/api/v3/account: HTTP 503: Server is overloaded."),
])
def test_what_leaves_everything_open_is_told_in_the_words_that_came(
    servers: Servers, status: int, body: bytes, told: str
) -> None:
    with (answering(servers, always(servers, status, body)) as (bench, _),
          pytest.raises(UnreachableError) as caught):
        bench.rest.account()
    assert str(caught.value) == told


def test_a_request_that_is_not_sent_says_why(servers: Servers) -> None:
    with answering(servers, always(servers, body=b"{}", X_MBX_USED_WEIGHT_1M="5999")) as (bench, _):
        assert bench.rest.place_order(request(wire=WIRE)).outcome is Outcome.UNKNOWN
        assert bench.rest.place_order(request(wire=WIRE)).cause is Cause.LIMIT
        bench.limits.hold(servers.now_ns(), 10 * NS_PER_S)
        assert bench.rest.place_order(request(wire=WIRE)).cause is Cause.BANNED
        assert bench.rest.cancel_order(request()).cause is Cause.BANNED
    with answering(servers, always(servers), clock_known=False) as (bench, _):
        assert bench.rest.cancel_order(request()).cause is Cause.CLOCK


def test_a_key_no_header_can_hold_is_an_error_of_the_connection_and_no_crash(servers: Servers) -> None:
    with servers.http(always(servers)) as server:
        session = http.HttpSession(f"http://127.0.0.1:{server.port}", servers.now_ns)
        for key in ("two\nlines", "umlautä"):
            with pytest.raises(UnreachableError) as caught:
                session.request("GET", "/api/v3/time", "", {"X-MBX-APIKEY": key + "\u20ac"})
            assert key not in "".join(traceback.format_exception(caught.value))
        session.close()


def test_a_refusal_for_limits_without_a_body_is_a_refusal(servers: Servers) -> None:
    with answering(servers, always(servers, 429, b"", Retry_After="9")) as (bench, _):
        response = bench.rest.place_order(request(wire=WIRE))
    assert (response.outcome, response.code) == (Outcome.REJECTED, -1003)


# --------------------------------------------------------------------------------------------------------------------
# Servers that behave badly


@contextmanager
def against(servers: Servers, script: Script, *, tls: bool = False,
            speed: int = 1) -> Iterator[tuple[Bench, Server]]:
    with servers.serving(script, servers.tls("localhost") if tls else None) as server:
        url = f"https://localhost:{server.port}" if tls else f"http://127.0.0.1:{server.port}"
        bench = Bench(url, servers, HmacSigner(SECRET), speed=speed)
        try:
            yield bench, server
        finally:
            bench.rest.close()


def read_and(peer: Peer, *parts: bytes) -> None:
    peer.head()
    for part in parts:
        peer.send(part)


def reset(peer: Peer) -> None:
    peer.head()
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def trickle_headers(peer: Peer) -> None:
    read_and(peer, b"HTTP/1.1 200 OK\r\n")
    while not peer.stop.is_set():
        peer.send(b"X: y\r\n")
        peer.sleep(0.02)


def trickle_body(peer: Peer) -> None:
    read_and(peer, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not peer.stop.is_set():
        peer.send(b" ")
        peer.sleep(0.02)


def endless(peer: Peer, prefix: bytes, part: bytes) -> None:
    read_and(peer, prefix)
    while not peer.stop.is_set():
        peer.send(part)


HEAD = b"HTTP/1.1 200 OK\r\n"
BAD_SERVERS: dict[str, tuple[Script, str]] = {
    "closes at once": (lambda peer: None, "closed"),
    "closes after the request": (lambda peer: read_and(peer), "closed"),
    "resets": (reset, "closed"),
    "is no HTTP": (lambda peer: read_and(peer, b"SSH-2.0-OpenSSH\r\n\r\n"), "not understood"),
    "cuts the body": (lambda peer: read_and(peer, HEAD + b"Content-Length: 50\r\n\r\n{}"), "closed|not understood"),
    "cuts a chunk": (lambda peer: read_and(peer, HEAD + b"Transfer-Encoding: chunked\r\n\r\n50\r\nab"),
                     "closed|not understood"),
    "wrong chunk": (lambda peer: read_and(peer, HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab"),
                    "closed|not understood"),
    "compresses unasked": (lambda peer: read_and(peer, HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab"),
                           "not understood"),
    "too large by length": (lambda peer: endless(peer, HEAD + b"Content-Length: 99999999\r\n\r\n", b" " * 65536),
                            "too large"),
    "chunks without end": (lambda peer: endless(peer, HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
                                                b"10000\r\n" + b" " * 65536 + b"\r\n"), "too large"),
    "body without length or end": (lambda peer: endless(peer, HEAD + b"\r\n", b" " * 65536), "too large"),
    "a header of 100 kB": (lambda peer: read_and(peer, HEAD + b"X: " + b"y" * 100_000 + b"\r\n\r\n{}"),
                           "not understood"),
    "a thousand headers": (lambda peer: read_and(peer, HEAD + b"X: y\r\n" * 1000 + b"\r\n{}"), "not understood"),
}


@pytest.mark.parametrize("name", BAD_SERVERS)
def test_a_bad_server_makes_a_read_unreachable_and_an_order_unknown_and_shows_no_secret(
    servers: Servers, name: str
) -> None:
    script, text = BAD_SERVERS[name]
    with against(servers, script) as (bench, server):
        with pytest.raises(UnreachableError, match=text) as caught:
            bench.rest.open_orders("BTCUSDT")
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        assert "signature" not in shown
        assert CANARY not in shown
        assert str(server.port) not in str(caught.value)
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None
        before = server.connections
        response = bench.rest.place_order(request(wire=WIRE))
        assert response.outcome is Outcome.UNKNOWN
        assert "signature" not in response.message
        assert server.connections == before + 1, "an order is sent once"


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("script", [trickle_headers, trickle_body,
                                    lambda peer: endless(peer, b"", b"HTTP/1.1 100 Continue\r\n\r\n")],
                         ids=["headers", "body", "continue"])
def test_three_seconds_are_the_end_of_any_request_however_it_trickles(
    servers: Servers, script: Script, tls: bool
) -> None:
    """Every read succeeds in time: only a deadline for the whole helps. The client's clock runs ten times as fast."""
    with against(servers, script, tls=tls, speed=10) as (bench, _):
        before = bench.now_ns()
        with pytest.raises(UnreachableError, match="no answer in time"):
            bench.rest.depth("BTCUSDT", 100)
        assert 2.5 < (bench.now_ns() - before) / NS_PER_S < 60


def test_a_silent_server_is_given_up_after_three_seconds(servers: Servers) -> None:
    with against(servers, lambda peer: peer.sleep(20)) as (bench, _):
        before = bench.now_ns()
        with pytest.raises(UnreachableError, match="no answer in time"):
            bench.rest.depth("BTCUSDT", 100)
        assert 2.5 < (bench.now_ns() - before) / NS_PER_S < 6


def test_a_redirect_is_not_followed(servers: Servers) -> None:
    visited: list[str] = []

    def elsewhere(line: str, sent: bytes) -> bytes:
        visited.append(line)
        return servers.reply(body=b"[]")

    with servers.http(elsewhere) as other:
        where = f"http://127.0.0.1:{other.port}/api/v3/openOrders"
        with answering(servers, always(servers, 302, b"", Location=where)) as (bench, _):
            with pytest.raises(UnreachableError, match="/api/v3/openOrders: HTTP 302"):
                bench.rest.open_orders("BTCUSDT")
            assert bench.rest.place_order(request(wire=WIRE)).outcome is Outcome.UNKNOWN
    assert visited == []


def test_nobody_listening_is_unreachable_and_an_order_stays_unknown(servers: Servers) -> None:
    bench = Bench(f"http://127.0.0.1:{servers.unused_port()}", servers, HmacSigner(SECRET))
    with pytest.raises(UnreachableError, match=r"^/api/v3/account: connection refused$"):
        bench.rest.account()
    assert bench.rest.place_order(request(wire=WIRE)).outcome is Outcome.UNKNOWN
    assert bench.rest.cancel_order(request()).outcome is Outcome.UNKNOWN


def test_a_connection_the_server_closed_meanwhile_is_replaced_without_an_error(servers: Servers) -> None:
    def script(peer: Peer) -> None:
        read_and(peer, servers.reply(body=b'{"serverTime":5}'))

    with against(servers, script) as (bench, server):
        for number in range(3):
            assert bench.rest.server_time() == 5
            assert server.ended.get(timeout=60) == number


def test_cookies_are_neither_kept_nor_sent(servers: Servers) -> None:
    with answering(servers, always(servers, body=b'{"serverTime":5}', Set_Cookie="who=me; Path=/")) as (bench, server):
        bench.rest.server_time()
        bench.rest.server_time()
    assert not any(line.lower().startswith("cookie") for line in server.heads[1])


def test_nothing_of_key_and_secret_is_shown(servers: Servers) -> None:
    bench = Bench("http://127.0.0.1:1", servers, HmacSigner(SECRET))
    assert CANARY not in repr(bench.rest)
    assert CANARY not in repr(request(wire=WIRE + SECRET.encode()))


# --------------------------------------------------------------------------------------------------------------------
# TLS and environment


def test_https_works_with_a_trusted_certificate_and_keeps_to_the_same_rules(servers: Servers) -> None:
    with servers.http(always(servers, body=b'{"serverTime":5}'), servers.tls("localhost")) as server:
        bench = Bench(f"https://localhost:{server.port}", servers, HmacSigner(SECRET))
        assert [bench.rest.server_time() for _ in range(3)] == [5, 5, 5]
        assert server.connections == 1
        bench.rest.close()
    with (against(servers, lambda peer: endless(peer, HEAD + b"\r\n", b" " * 65536), tls=True) as (bench, _),
          pytest.raises(UnreachableError, match="too large")):
        bench.rest.account()


def test_a_slow_tls_handshake_may_use_the_time_of_the_whole_request(servers: Servers) -> None:
    context = servers.tls("localhost")

    def script(peer: Peer) -> None:
        peer.sleep(1.2)  # longer than a TCP connection may take
        with context.wrap_socket(peer.sock, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(servers.reply(body=b'{"serverTime":5}'))

    with servers.serving(script) as server:
        bench = Bench(f"https://localhost:{server.port}", servers, HmacSigner(SECRET))
        assert bench.rest.server_time() == 5
        bench.rest.close()


@pytest.mark.parametrize("name", ["elsewhere.example", "127.0.0.1"])
def test_https_with_a_certificate_for_another_name_is_refused(servers: Servers, name: str) -> None:
    with servers.http(always(servers), servers.tls(name)) as server:
        bench = Bench(f"https://localhost:{server.port}", servers, HmacSigner(SECRET))
        with pytest.raises(UnreachableError, match="certificate is not accepted"):
            bench.rest.account()
        bench.rest.close()


def test_the_environment_can_neither_redirect_nor_weaken_nor_spy_on_requests(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("environment")
    dead = f"http://127.0.0.1:{servers.unused_port()}"
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, dead)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, servers.authorities)
    (folder / "netrc").write_text("machine localhost login a password b\n")
    monkeypatch.setenv("NETRC", str(folder / "netrc"))
    monkeypatch.setenv("SSLKEYLOGFILE", str(folder / "keys.log"))
    with servers.http(always(servers, body=b'{"serverTime":5}'), servers.tls("localhost")) as server:
        bench = Bench(f"https://localhost:{server.port}", servers, HmacSigner(SECRET))
        assert bench.rest.server_time() == 5
        bench.rest.close()
        assert not any(line.lower().startswith("authorization") for line in server.heads[0])
        stranger = RestClient(endpoints_at(f"https://localhost:{server.port}"), tag="A1", now_ns=servers.now_ns,
                              clock=ClockOffset(), limits=LimitState())
        with pytest.raises(UnreachableError, match="certificate is not accepted"):
            stranger.server_time()
        stranger.close()
    assert not (folder / "keys.log").exists()


# --------------------------------------------------------------------------------------------------------------------
# Order entry over REST


class Worker:
    """The REST thread: urgent jobs first, a bounded queue."""

    def __init__(self, room: int = 8) -> None:
        self._room = room
        self._jobs: list[Callable[[], None]] = []

    def submit(self, job: Callable[[], None], urgent: bool) -> bool:
        if len(self._jobs) >= self._room:
            return False
        self._jobs.insert(0 if urgent else len(self._jobs), job)
        return True

    def run(self) -> None:
        def work() -> None:
            while self._jobs:
                self._jobs.pop(0)()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(30)


def any_order(servers: Servers) -> Callable[[str, bytes], bytes]:
    def answer(line: str, sent: bytes) -> bytes:
        if line.startswith("GET /api/v3/time"):
            return servers.reply(body=b'{"serverTime":%d}' % SERVER_MS)
        return servers.reply(body=order_json("CANCELED" if line.startswith("DELETE") else "NEW"))

    return answer


def test_orders_over_rest_are_handed_over_and_their_outcomes_come_from_poll(servers: Servers) -> None:
    with answering(servers, any_order(servers)) as (bench, server):
        worker = Worker()
        orders = RestOrders(bench.rest, worker.submit, time.monotonic_ns)
        orders.connect()
        wire = bytearray(WIRE)
        assert orders.send_order(request(wire=memoryview(wire)))
        wire[:] = bytes(len(wire))  # the gate encodes the next order into the same memory
        assert orders.query_order(request())
        assert orders.cancel_order(request())
        assert orders.poll() == []
        assert methods(server) == ["GET /api/v3/time"], "nothing was sent by the calling thread"
        worker.run()
        assert readable(orders)
        assert [(one.operation, one.outcome) for one in orders.poll()] == [
            (Operation.CANCEL, Outcome.SENT), (Operation.CANCEL, Outcome.CANCELED),
            (Operation.PLACE, Outcome.SENT), (Operation.PLACE, Outcome.ACKED),
            (Operation.QUERY, Outcome.SENT), (Operation.QUERY, Outcome.ACKED)]
        assert not readable(orders)
        assert orders.poll() == []
        assert methods(server)[1:] == ["DELETE /api/v3/order", "POST /api/v3/order", "GET /api/v3/order"]
        assert f"POST /api/v3/order?{WIRE.decode()} HTTP/1.1" in [head[0] for head in server.heads]
        orders.close()


def readable(orders: RestOrders) -> bool:
    import select

    return bool(select.select([orders.fileno()], [], [], 0)[0])


def test_without_room_nothing_is_taken_and_nothing_is_answered(servers: Servers) -> None:
    with answering(servers, any_order(servers)) as (bench, server):
        worker = Worker(room=1)
        orders = RestOrders(bench.rest, worker.submit, time.monotonic_ns)
        assert orders.send_order(request(wire=WIRE))
        assert not orders.send_order(request(wire=WIRE))
        assert not orders.cancel_order(request())
        worker.run()
        assert [one.outcome for one in orders.poll()] == [Outcome.SENT, Outcome.ACKED]
        assert len(server.heads) == 1
        orders.close()


def test_an_order_that_waited_too_long_for_its_turn_is_not_sent_and_a_cancel_is(servers: Servers) -> None:
    with answering(servers, any_order(servers)) as (bench, server):
        worker, now_ns = Worker(), 0
        orders = RestOrders(bench.rest, worker.submit, lambda: now_ns)
        for waited_ms in (500, 501):
            assert orders.send_order(request(wire=WIRE))
            assert orders.amend_order(request(wire=WIRE))
            assert orders.cancel_order(request())
            now_ns += waited_ms * 1_000_000
            worker.run()
            outcomes = {one.operation: one.outcome for one in orders.poll()}
            assert outcomes[Operation.CANCEL] is Outcome.CANCELED
            sent = waited_ms == 500
            assert (outcomes[Operation.PLACE] is not Outcome.NOT_SENT) == sent
            assert (outcomes[Operation.AMEND] is not Outcome.NOT_SENT) == sent
            assert methods(server).count("POST /api/v3/order") == 1
        orders.close()


def test_closing_tells_what_was_not_sent_and_sends_none_of_it_later(servers: Servers) -> None:
    with answering(servers, any_order(servers)) as (bench, server):
        worker = Worker()
        orders = RestOrders(bench.rest, worker.submit, time.monotonic_ns)
        orders.send_order(request(wire=WIRE))
        orders.close()
        orders.close()
        assert [(one.operation, one.outcome) for one in orders.poll()] == [(Operation.PLACE, Outcome.NOT_SENT)]
        worker.run()
        assert server.connections == 0
        assert orders.poll() == []


def test_closing_while_a_request_is_on_its_way_leaves_it_unknown(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long this machine takes between the two: the request itself never runs out of time here."""
    monkeypatch.setattr(http, "_TOTAL_S", 120.0)
    asked, go = threading.Event(), threading.Event()

    def answer(line: str, sent: bytes) -> bytes:
        asked.set()
        go.wait(60)
        return servers.reply(body=order_json())

    with answering(servers, answer) as (bench, _):
        worker = Worker()
        orders = RestOrders(bench.rest, worker.submit, time.monotonic_ns)
        orders.send_order(request(wire=WIRE))
        thread = threading.Thread(target=worker.run)
        thread.start()
        assert asked.wait(60)
        sent: list[OrderResponse] = []
        while not sent:
            sent += orders.poll()
        assert [one.outcome for one in sent] == [Outcome.SENT]
        orders.close()
        assert [(one.operation, one.outcome) for one in orders.poll()] == [(Operation.PLACE, Outcome.UNKNOWN)]
        go.set()
        thread.join(60)
        assert orders.poll() == [], "one answer for one request"
