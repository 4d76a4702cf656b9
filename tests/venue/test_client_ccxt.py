"""ccxt, blocking and with streams, against the venue: only its base URLs are set, and that it trades spot alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import ccxt.pro
import pytest

from tests.venue.clients import SECONDS, ClientVenue, Heard, follows_the_recording, listening, playing

S = "BTC/USDT"
SETTINGS = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False, "defaultType": "spot"}


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientVenue]:
    with listening(tmp_path_factory.mktemp("ccxt")) as listens:
        yield listens


def directed(exchange: Any, venue: ClientVenue) -> Any:
    """With the venue's base URLs."""
    api = exchange.urls["api"]
    api["public"] = api["private"] = f"{venue.url}/api/v3"
    if "ws" in api:
        api["ws"]["spot"] = f"{venue.ws_url}/ws"
        api["ws"]["ws-api"]["spot"] = f"{venue.ws_url}/ws-api/v3"
    return exchange


@contextmanager
def refused(kind: type[Exception], code: int, msg: str) -> Iterator[None]:
    """Its exception is of just this kind, and quotes the venue."""
    with pytest.raises(kind) as raised:
        yield
    assert type(raised.value) is kind
    # It quotes the whole answer where it goes by the code, and the text alone where it goes by the text.
    assert f'"code":{code},"msg":"{msg}"' in str(raised.value) or str(raised.value) == f"binance {msg}"


def credentials(venue: ClientVenue) -> dict[str, Any]:
    return {"apiKey": venue.process.api_key, "secret": venue.process.api_secret, "options": dict(SETTINGS),
            "enableRateLimit": False}


@pytest.fixture(scope="module")
def exchange(venue: ClientVenue) -> Iterator[Any]:
    """The blocking client."""
    made = directed(ccxt.binance(credentials(venue)), venue)
    yield made
    made.session.close()


@pytest.fixture(autouse=True)
def _nothing_is_left(venue: ClientVenue, exchange: Any) -> Iterator[None]:
    yield
    if venue.open_order_ids():
        exchange.cancel_all_orders(S)


def run(venue: ClientVenue, body: Callable[[Any], Awaitable[None]]) -> None:
    """Runs `body` with the client that has streams."""

    async def main() -> None:
        exchange = directed(ccxt.pro.binance(credentials(venue)), venue)
        try:
            await asyncio.wait_for(body(exchange), 3 * SECONDS)
        finally:
            await exchange.close()

    asyncio.run(main())


# REST


def test_rest_tells_the_market_and_the_book(exchange: Any) -> None:
    market = exchange.load_markets()[S]
    assert (market["id"], market["active"], market["base"], market["quote"]) == ("BTCUSDT", True, "BTC", "USDT")
    assert market["precision"]["price"] == 0.01
    assert market["precision"]["amount"] == 0.00001
    assert market["limits"]["cost"]["min"] == 5
    book = exchange.fetch_order_book(S, 5)
    assert (len(book["bids"]), len(book["asks"])) == (5, 5)
    assert book["bids"][0][0] < book["asks"][0][0]
    best = exchange.fetch_bids_asks([S])[S]
    assert best["bid"] < best["ask"]
    assert abs(exchange.fetch_time() - exchange.milliseconds()) < 60_000
    fee = exchange.fetch_balance()["info"]["commissionRates"]
    assert (fee["maker"], fee["taker"]) == ("0.00100000", "0.00100000")


def test_rest_places_amends_replaces_queries_and_cancels(venue: ClientVenue, exchange: Any) -> None:
    free, locked = venue.balance("USDT")
    placed = exchange.create_order(S, "limit", "buy", 0.002, 60000.25, {"clientOrderId": "cx-1"})
    wanted = {"clientOrderId": "cx-1", "status": "open", "type": "limit", "side": "buy", "price": 60000.25,
              "amount": 0.002, "filled": 0.0}
    assert {name: placed[name] for name in wanted} == wanted
    balance = exchange.fetch_balance()["USDT"]
    assert Decimal(str(balance["used"])) == locked + Decimal("120.0005")
    # It has no name for this request; what its own methods are made of takes it.
    amended = exchange.request(
        "order/amend/keepPriority", "private", "PUT", {"symbol": "BTCUSDT", "orderId": placed["id"], "newQty": "0.001"})
    assert amended["amendedOrder"]["qty"] == "0.00100000"
    edited = exchange.edit_order(placed["id"], S, "limit", "buy", 0.003, 59999.99)
    assert (edited["status"], edited["price"], edited["amount"]) == ("open", 59999.99, 0.003)
    assert venue.order(placed["id"])["status"] == "CANCELED"
    (only,) = exchange.fetch_open_orders(S)
    assert (only["id"], exchange.fetch_order(edited["id"], S)["status"]) == (edited["id"], "open")
    assert exchange.cancel_order(edited["id"], S)["status"] == "canceled"
    exchange.create_order(S, "limit", "buy", 0.001, 60000)
    (last,) = exchange.cancel_all_orders(S)
    assert last["status"] == "canceled"
    assert [one["status"] for one in exchange.fetch_orders(S)][-3:] == ["canceled"] * 3
    assert venue.balance("USDT") == (free, locked)


def test_rest_tells_what_a_fill_did(venue: ClientVenue, exchange: Any) -> None:
    before = venue.balance("BTC")[0]
    bought = exchange.create_order(S, "market", "buy", 0.001)
    assert (bought["status"], bought["filled"], bought["fees"]) == (
        "closed", 0.001, [{"currency": "BTC", "cost": 0.000001}])
    trades = exchange.fetch_order_trades(bought["id"], S)
    assert sum(trade["amount"] for trade in trades) == 0.001
    assert {(trade["takerOrMaker"], trade["side"]) for trade in trades} == {("taker", "buy")}
    assert venue.balance("BTC")[0] - before == Decimal("0.000999")


# What it knows by code for spot alone it looks up by the exchange's own host: elsewhere that is a plain ExchangeError.
REFUSED: dict[str, tuple[Callable[[Any], Any], type[Exception], int, str]] = {
    "more than the account has": (
        lambda exchange: exchange.create_order(S, "limit", "buy", 100, 60000), ccxt.InsufficientFunds,
        -2010, "Account has insufficient balance for requested action."),
    "an order to cancel that is not": (
        lambda exchange: exchange.cancel_order("1", S), ccxt.OrderNotFound,
        -2011, "Unknown order sent."),
    "an order to query that is not": (
        lambda exchange: exchange.fetch_order("1", S), ccxt.OrderNotFound,
        -2013, "Order does not exist."),
    "too little money": (
        lambda exchange: exchange.create_order(S, "limit", "buy", 0.00002, 60000), ccxt.BadRequest,
        -1013, "Filter failure: NOTIONAL"),
    "far from the market": (
        lambda exchange: exchange.create_order(S, "limit", "buy", 1, 500), ccxt.InvalidOrder,
        -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    "a maker that would take": (
        lambda exchange: exchange.create_order(S, "limit", "buy", 0.001, 80000, {"postOnly": True}),
        ccxt.OrderImmediatelyFillable, -2010, "Order would immediately match and take."),
    "another symbol": (
        lambda exchange: exchange.request(
            "order", "private", "POST",
            {"symbol": "NOSUCHUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}),
        ccxt.BadSymbol, -1121, "Invalid symbol."),
    "more decimals than there are": (
        lambda exchange: exchange.request(
            "order", "private", "POST",
            {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.123456789"}),
        ccxt.BadRequest, -1111, "Parameter 'quantity' has too much precision."),
    "a parameter too few": (
        lambda exchange: exchange.request("order", "private", "POST", {"symbol": "BTCUSDT", "side": "BUY"}),
        ccxt.BadRequest,
        -1102, "Mandatory parameter 'type' was not sent, was empty/null, or malformed."),
    "half a replacement": (
        lambda exchange: exchange.edit_order(
            "1", S, "limit", "buy", 0.001, 60000, {"cancelReplaceMode": "ALLOW_FAILURE"}),
        ccxt.ExchangeError, -2021, "Order cancel-replace partially failed."),
    "no replacement": (
        lambda exchange: exchange.edit_order("1", S, "limit", "buy", 0.001, 60000), ccxt.ExchangeError,
        -2022, "Order cancel-replace failed."),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals_become_its_own_exceptions(exchange: Any, what: str) -> None:
    ask, kind, code, msg = REFUSED[what]
    with refused(kind, code, msg):
        ask(exchange)


def test_a_name_in_use_a_wrong_secret_and_another_time_become_its_own_exceptions(
    venue: ClientVenue, exchange: Any
) -> None:
    exchange.create_order(S, "limit", "buy", 0.001, 60000, {"clientOrderId": "twice"})
    with refused(ccxt.InvalidOrder, -2010, "Duplicate order sent."):
        exchange.create_order(S, "limit", "buy", 0.001, 60000, {"clientOrderId": "twice"})
    stranger = directed(ccxt.binance(credentials(venue) | {"secret": "wrong"}), venue)
    try:
        with refused(ccxt.AuthenticationError, -1022, "Signature for this request is not valid."):
            stranger.fetch_balance()
    finally:
        stranger.session.close()
    for offset_ms, msg in ((30_000, "Timestamp for this request is outside of the recvWindow."),
                           (-30_000, "Timestamp for this request was 1000ms ahead of the server's time.")):
        with venue.another_time(offset_ms), refused(ccxt.InvalidNonce, -1021, msg):
            exchange.fetch_balance()


# The WebSocket API and the streams


def test_the_api_places_replaces_queries_and_cancels(venue: ClientVenue) -> None:
    async def body(exchange: Any) -> None:
        free, locked = venue.balance("USDT")
        placed = await exchange.create_order_ws(S, "limit", "buy", 0.002, 60000.25, {"newClientOrderId": "cx-ws"})
        assert (placed["clientOrderId"], placed["status"], placed["amount"]) == ("cx-ws", "open", 0.002)
        edited = await exchange.edit_order_ws(placed["id"], S, "limit", "buy", 0.003, 59999.99)
        assert (edited["status"], edited["price"]) == ("open", 59999.99)
        assert venue.order(placed["id"])["status"] == "CANCELED"
        (only,) = await exchange.fetch_open_orders_ws(S)
        found = await exchange.fetch_order_ws(edited["id"], S)
        assert (only["id"], found["status"]) == (edited["id"], "open")
        # It does not parse this answer for spot, but hands it on.
        balances = {row["asset"]: row for row in (await exchange.fetch_balance_ws())["info"]["balances"]}
        assert Decimal(balances["USDT"]["locked"]) == locked + Decimal("179.99997")
        assert (await exchange.cancel_order_ws(edited["id"], S))["status"] == "canceled"
        await exchange.create_order_ws(S, "limit", "buy", 0.001, 60000)
        (last,) = await exchange.cancel_all_orders_ws(S)
        assert last["status"] == "canceled"
        assert venue.balance("USDT") == (free, locked)
        with refused(ccxt.InsufficientFunds, -2010, "Account has insufficient balance for requested action."):
            await exchange.create_order_ws(S, "limit", "buy", 100, 60000)
        with refused(ccxt.OrderNotFound, -2011, "Unknown order sent."):
            await exchange.cancel_order_ws("1", S)

    run(venue, body)


def test_user_data_tells_orders_fills_and_balances(venue: ClientVenue) -> None:
    async def body(exchange: Any) -> None:
        free, locked = venue.balance("USDT")
        heard = {"orders": Heard(), "balance": Heard(), "fills": Heard()}

        async def pump(name: str, watch: Callable[[], Awaitable[Any]]) -> None:
            while True:
                found = await watch()
                for one in found if isinstance(found, list) else [found["USDT"]]:
                    heard[name].hear(dict(one))

        await exchange.authenticate()
        watches = (exchange.watch_orders, exchange.watch_balance, exchange.watch_my_trades)
        pumps = [asyncio.create_task(pump(name, watch)) for name, watch in zip(heard, watches, strict=True)]

        async def order(order_id: str, status: str) -> Any:
            return await heard["orders"].until(
                lambda one: (one["id"], one["status"]) == (order_id, status), f"{status} of {order_id}")

        async def balance(now_free: Decimal, now_locked: Decimal) -> None:
            await heard["balance"].until(
                lambda one: (one["free"], one["used"]) == (float(now_free), float(now_locked)), f"{now_free}")

        try:
            await asyncio.sleep(0)  # they watch
            placed = await exchange.create_order(S, "limit", "buy", 0.002, 60000.25)
            opened = await order(placed["id"], "open")
            assert (opened["price"], opened["amount"], opened["clientOrderId"]) == (
                60000.25, 0.002, placed["clientOrderId"])
            await balance(free - Decimal("120.0005"), locked + Decimal("120.0005"))
            await exchange.cancel_order(placed["id"], S)
            await order(placed["id"], "canceled")
            await balance(free, locked)
            bought = await exchange.create_order_ws(S, "market", "buy", 0.001)
            assert (await order(bought["id"], "closed"))["filled"] == 0.001
            fill = await heard["fills"].until(lambda one: one["order"] == bought["id"], "fill")
            assert (fill["takerOrMaker"], fill["side"], fill["fee"]["currency"]) == ("taker", "buy", "BTC")
            await balance(free - Decimal(bought["info"]["cummulativeQuoteQty"]), locked)
        finally:
            for one in pumps:
                one.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    run(venue, body)


def test_its_book_is_the_venues(tmp_path: Path) -> None:
    async def body(exchange: Any) -> None:
        async def advance() -> Any:
            book = await exchange.watch_order_book(S, 5000)
            return book["nonce"], book["bids"], book["asks"]

        await follows_the_recording(advance)

    with playing(tmp_path) as venue:
        run(venue, body)


def test_streams_carry_trades_and_best_prices(venue: ClientVenue) -> None:
    async def body(exchange: Any) -> None:
        trades = await exchange.watch_trades(S)
        assert trades[0]["symbol"] == S
        assert trades[0]["side"] in ("buy", "sell")
        best = (await exchange.watch_bids_asks([S]))[S]
        assert best["bid"] < best["ask"]

    run(venue, body)
