"""python-binance against the venue: only its base URLs are set."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.venue.clients import SECONDS, ClientVenue, Heard, follows_the_recording, listening, playing

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports what websockets is about to drop
    from binance import AsyncClient, BinanceSocketManager, Client
    from binance.base_client import BaseClient
    from binance.exceptions import BinanceAPIException
    from binance.ws.depthcache import DepthCacheManager

# It and websockets warn of each other and of event loops.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
S = "BTCUSDT"


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientVenue]:
    with listening(tmp_path_factory.mktemp("python_binance")) as listens, directed_to(listens):
        yield listens


@contextmanager
def directed_to(venue: ClientVenue) -> Iterator[None]:
    """Its base URLs are attributes of its classes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "API_URL", f"{venue.url}/api")
        patch.setattr(BaseClient, "WS_API_URL", f"{venue.ws_url}/ws-api/v3")
        patch.setattr(BinanceSocketManager, "STREAM_URL", f"{venue.ws_url}/")
        yield


@pytest.fixture
def client(venue: ClientVenue) -> Iterator[Client]:
    """The blocking client; it wants an event loop even so."""
    with plain_client(venue.process.api_key, venue.process.api_secret) as made:
        yield made
        if venue.open_order_ids():
            made.cancel_all_open_orders(symbol=S)


def plain_client(*arguments: Any, **options: Any) -> Any:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    class Closing(Client):
        def __enter__(self) -> Client:
            return self

        def __exit__(self, *raised: object) -> None:
            self.close_connection()
            asyncio.set_event_loop(None)
            loop.close()

    return Closing(*arguments, **options)


@asynccontextmanager
async def connected(venue: ClientVenue, **options: Any) -> AsyncIterator[Any]:
    client = await AsyncClient.create(venue.process.api_key, venue.process.api_secret, **options)
    try:
        yield client
    finally:
        if venue.open_order_ids():
            await client.cancel_all_open_orders(symbol=S)
        closing = asyncio.create_task(client.close_connection())
        while not (await asyncio.wait((closing,), timeout=0.05))[0]:
            # Its reader sees that it is to end when something comes, else after 10 s.
            if client.ws_api.ws is not None:
                with suppress(ConnectionClosed):
                    await client.ws_api.ws.send('{"id":"last","method":"ping"}')
        await closing


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(body(), 3 * SECONDS)

    asyncio.run(main())


@asynccontextmanager
async def heard_on(socket: Any) -> AsyncIterator[Heard]:
    """What comes on one of its sockets."""
    heard = Heard()

    async def pump() -> None:
        while True:
            heard.hear(await socket.recv())

    async with socket:
        pumping = asyncio.create_task(pump())
        try:
            yield heard
        finally:
            pumping.cancel()


def order(quantity: str = "0.002", price: str = "60000.25", **more: str) -> dict[str, str]:
    return {"symbol": S, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": quantity, "price": price,
            **more}


# REST


def test_rest_tells_the_rules_and_the_depth(client: Any) -> None:
    assert abs(client.get_server_time()["serverTime"] - time.time_ns() // 1_000_000) < 60_000
    info = client.get_symbol_info(S)
    assert (info["status"], info["baseAsset"], info["quoteAsset"]) == ("TRADING", "BTC", "USDT")
    filters = {one["filterType"]: one for one in info["filters"]}
    assert (filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]) == ("0.01000000", "0.00001000")
    book = client.get_order_book(symbol=S, limit=5)
    assert (len(book["bids"]), len(book["asks"])) == (5, 5)
    ticker = client.get_orderbook_ticker(symbol=S)
    assert Decimal(ticker["bidPrice"]) < Decimal(ticker["askPrice"])


def test_rest_places_amends_replaces_queries_and_cancels(venue: ClientVenue, client: Any) -> None:
    free, locked = venue.balance("USDT")
    assert client.create_test_order(**order()) == {}
    placed = client.create_order(**order(newClientOrderId="pb-1"))
    assert {name: placed[name] for name in ("clientOrderId", "status", "price", "origQty", "fills")} == {
        "clientOrderId": "pb-1", "status": "NEW", "price": "60000.25000000", "origQty": "0.00200000", "fills": []}
    assert client.get_asset_balance("USDT") == {
        "asset": "USDT", "free": f"{free - Decimal('120.0005'):.8f}", "locked": f"{locked + Decimal('120.0005'):.8f}"}
    # It has no name for this request; what its own methods are made of takes it.
    amended = client._put(
        "order/amend/keepPriority", True, data={"symbol": S, "orderId": placed["orderId"], "newQty": "0.001"},
        version=client.PRIVATE_API_VERSION)
    assert (amended["amendedOrder"]["orderId"], amended["amendedOrder"]["qty"]) == (placed["orderId"], "0.00100000")
    replaced = client.cancel_replace_order(
        **order("0.003", "59999.99"), cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=placed["orderId"])
    assert (replaced["cancelResult"], replaced["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    fresh = replaced["newOrderResponse"]
    assert (fresh["price"], fresh["origQty"]) == ("59999.99000000", "0.00300000")
    (only,) = client.get_open_orders(symbol=S)
    assert only == client.get_order(symbol=S, orderId=fresh["orderId"])
    assert venue.balance("USDT") == (free - Decimal("179.99997"), locked + Decimal("179.99997"))
    gone = client.cancel_order(symbol=S, origClientOrderId=fresh["clientOrderId"])
    assert (gone["status"], gone["orderId"]) == ("CANCELED", fresh["orderId"])
    for _ in range(2):
        client.order_limit_buy(symbol=S, quantity="0.001", price="60000")
    assert [one["status"] for one in client.cancel_all_open_orders(symbol=S)] == ["CANCELED", "CANCELED"]
    assert client.get_open_orders(symbol=S) == []
    assert len(client.get_all_orders(symbol=S, orderId=placed["orderId"])) == 4
    assert venue.balance("USDT") == (free, locked)


def test_rest_tells_what_a_fill_did(venue: ClientVenue, client: Any) -> None:
    free = {asset: venue.balance(asset)[0] for asset in ("BTC", "USDT")}
    bought = client.order_market_buy(symbol=S, quantity="0.001")
    assert (bought["status"], bought["executedQty"]) == ("FILLED", "0.00100000")
    spent = sum(Decimal(fill["price"]) * Decimal(fill["qty"]) for fill in bought["fills"])
    assert Decimal(bought["cummulativeQuoteQty"]) == spent
    balances = {row["asset"]: Decimal(row["free"]) for row in client.get_account()["balances"]}
    assert balances["BTC"] == free["BTC"] + Decimal("0.000999")
    assert balances["USDT"] == free["USDT"] - spent
    trades = client.get_my_trades(symbol=S, orderId=bought["orderId"])
    assert [(one["id"], one["price"], one["qty"]) for one in trades] == [
        (fill["tradeId"], fill["price"], fill["qty"]) for fill in bought["fills"]]


def test_an_ed25519_key_signs_queries_and_bodies(venue: ClientVenue) -> None:
    with plain_client(venue.process.ed25519_api_key, private_key=venue.private_key) as client:
        placed = client.create_order(**order())
        assert client.get_order(symbol=S, orderId=placed["orderId"])["status"] == "NEW"
        assert client.cancel_order(symbol=S, orderId=placed["orderId"])["status"] == "CANCELED"


REFUSED: dict[str, tuple[Callable[[Any], Any], int, str]] = {
    "more than the account has": (
        lambda client: client.create_order(**order("100")), -2010,
        "Account has insufficient balance for requested action."),
    "an order to cancel that is not": (
        lambda client: client.cancel_order(symbol=S, orderId=1), -2011, "Unknown order sent."),
    "an order to query that is not": (
        lambda client: client.get_order(symbol=S, orderId=1), -2013, "Order does not exist."),
    "off the tick": (
        lambda client: client.create_order(**order(price="60000.001")), -1013, "Filter failure: PRICE_FILTER"),
    "off the step": (lambda client: client.create_order(**order("0.0010001")), -1013, "Filter failure: LOT_SIZE"),
    "too little money": (lambda client: client.create_order(**order("0.00001")), -1013, "Filter failure: NOTIONAL"),
    "a maker that would take": (
        lambda client: client.create_order(symbol=S, side="BUY", type="LIMIT_MAKER", quantity="0.001", price="80000"),
        -2010, "Order would immediately match and take."),
    "another symbol": (
        lambda client: client.create_order(**order() | {"symbol": "NOSUCHUSDT"}), -1121, "Invalid symbol."),
    "more decimals than there are": (
        lambda client: client.create_order(**order(price="60000.123456789")), -1111,
        "Parameter 'price' has too much precision."),
    "a parameter that is none": (
        lambda client: client.create_order(**order(color="red")), -1104,
        "Not all sent parameters were read; read '10' parameter(s) but was sent '11'."),
    "a half replacement": (
        lambda client: client.cancel_replace_order(**order(), cancelReplaceMode="ALLOW_FAILURE", cancelOrderId=1),
        -2021, "Order cancel-replace partially failed."),
    "no replacement": (
        lambda client: client.cancel_replace_order(**order(), cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=1),
        -2022, "Order cancel-replace failed."),
}


@pytest.mark.parametrize("what", REFUSED)
def test_rest_refuses_in_the_exchanges_words(client: Any, what: str) -> None:
    ask, code, msg = REFUSED[what]
    with pytest.raises(BinanceAPIException) as refused:
        ask(client)
    assert (refused.value.code, refused.value.message) == (code, msg)


@pytest.mark.parametrize(
    ("offset_ms", "msg"),
    [
        (30_000, "Timestamp for this request is outside of the recvWindow."),
        (-30_000, "Timestamp for this request was 1000ms ahead of the server's time."),
    ],
)
def test_requests_from_another_time_are_refused(venue: ClientVenue, client: Any, offset_ms: int, msg: str) -> None:
    with venue.another_time(offset_ms), pytest.raises(BinanceAPIException) as refused:
        client.get_account()
    assert (refused.value.code, refused.value.message) == (-1021, msg)


def test_rest_refuses_a_name_in_use_and_a_wrong_secret(venue: ClientVenue, client: Any) -> None:
    client.create_order(**order(newClientOrderId="twice"))
    with pytest.raises(BinanceAPIException) as refused:
        client.create_order(**order(newClientOrderId="twice"))
    assert (refused.value.code, refused.value.message) == (-2010, "Duplicate order sent.")
    with plain_client(venue.process.api_key, "wrong") as stranger, pytest.raises(BinanceAPIException) as refused:
        stranger.get_account()
    assert (refused.value.code, refused.value.message) == (-1022, "Signature for this request is not valid.")


# The WebSocket API


def test_the_api_places_amends_replaces_queries_and_cancels(venue: ClientVenue) -> None:
    async def body() -> None:
        async with connected(venue) as client:
            free, locked = venue.balance("USDT")
            assert (await client.ws_get_exchange_info(symbol=S))["symbols"][0]["status"] == "TRADING"
            assert len((await client.ws_get_order_book(symbol=S, limit=5))["bids"]) == 5
            assert await client.ws_create_test_order(**order()) == {}
            placed = await client.ws_create_order(**order(newClientOrderId="pb-ws"))
            assert (placed["clientOrderId"], placed["status"], placed["origQty"]) == ("pb-ws", "NEW", "0.00200000")
            amended = await client._ws_api_request(
                "order.amend.keepPriority", True, {"symbol": S, "orderId": placed["orderId"], "newQty": "0.001"})
            assert amended["amendedOrder"]["qty"] == "0.00100000"
            replaced = await client.ws_cancel_and_replace_order(
                **order("0.003", "59999.99"), cancelReplaceMode="ALLOW_FAILURE", cancelOrderId=placed["orderId"])
            fresh = replaced["newOrderResponse"]
            (only,) = await client.ws_get_open_orders(symbol=S)
            assert only == await client.ws_get_order(symbol=S, orderId=fresh["orderId"])
            held = {row["asset"]: row for row in (await client.ws_get_account())["balances"]}
            assert Decimal(held["USDT"]["locked"]) == locked + Decimal("179.99997")
            gone = await client.ws_cancel_order(symbol=S, orderId=fresh["orderId"])
            assert (gone["status"], gone["origClientOrderId"]) == ("CANCELED", fresh["clientOrderId"])
            await client.ws_order_limit_buy(symbol=S, quantity="0.001", price="60000")
            (last,) = await client.ws_cancel_all_open_orders(symbol=S)
            assert last["status"] == "CANCELED"
            assert venue.balance("USDT") == (free, locked)

    run(body)


def test_the_api_refuses_in_the_exchanges_words(venue: ClientVenue) -> None:
    async def body() -> None:
        async with connected(venue) as client:
            await client.ws_create_order(**order(newClientOrderId="twice-ws"))
            for asked, code, msg in (
                (client.ws_create_order(**order("100")), -2010,
                 "Account has insufficient balance for requested action."),
                (client.ws_create_order(**order(newClientOrderId="twice-ws")), -2010, "Duplicate order sent."),
                (client.ws_cancel_order(symbol=S, orderId=1), -2011, "Unknown order sent."),
                (client.ws_get_order(symbol=S, orderId=1), -2013, "Order does not exist."),
                (client.ws_create_order(**order(price="60000.001")), -1013, "Filter failure: PRICE_FILTER"),
                (client.ws_create_order(**order() | {"symbol": "NOSUCHUSDT"}), -1121, "Invalid symbol."),
                (client.ws_create_order(**order(price="60000.123456789")), -1111,
                 "Parameter 'price' has too much precision."),
            ):
                with pytest.raises(BinanceAPIException) as refused:
                    await asked
                assert (refused.value.code, refused.value.message) == (code, msg)

    run(body)


def test_user_data_tells_all_that_becomes_of_orders(venue: ClientVenue) -> None:
    async def body() -> None:
        async with connected(venue) as client, heard_on(BinanceSocketManager(client).user_socket()) as user:
            free, locked = venue.balance("USDT")

            async def report(execution_type: str, order_id: int) -> Any:
                return await user.until(
                    lambda one: one["e"] == "executionReport" and (one["x"], one["i"]) == (execution_type, order_id),
                    f"{execution_type} of {order_id}")

            async def position(now_free: Decimal, now_locked: Decimal) -> None:
                wanted = {"a": "USDT", "f": f"{now_free:.8f}", "l": f"{now_locked:.8f}"}
                await user.until(
                    lambda one: one["e"] == "outboundAccountPosition" and wanted in one["B"], f"position {wanted}")

            placed = await client.create_order(**order(newClientOrderId="ur-1"))
            new = await report("NEW", placed["orderId"])
            assert {name: new[name] for name in "sSofqpXc"} == {
                "s": S, "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "0.00200000", "p": "60000.25000000", "X": "NEW",
                "c": "ur-1"}
            await position(free - Decimal("120.0005"), locked + Decimal("120.0005"))
            await client.ws_cancel_order(symbol=S, orderId=placed["orderId"], newClientOrderId="ur-2")
            gone = await report("CANCELED", placed["orderId"])
            assert (gone["c"], gone["C"], gone["X"]) == ("ur-2", "ur-1", "CANCELED")
            await position(free, locked)
            bought = await client.ws_order_market_buy(symbol=S, quantity="0.001")
            trade = await report("TRADE", bought["orderId"])
            fill = bought["fills"][0]
            assert (trade["l"], trade["L"], trade["t"], trade["n"], trade["N"], trade["m"]) == (
                fill["qty"], fill["price"], fill["tradeId"], fill["commission"], "BTC", False)
            await position(free - Decimal(bought["cummulativeQuoteQty"]), locked)

    run(body)


# Streams


def test_streams_carry_the_book_trades_and_prices(venue: ClientVenue) -> None:
    async def body() -> None:
        async with connected(venue) as client:
            sockets = BinanceSocketManager(client)
            async with heard_on(sockets.trade_socket(S)) as trades:
                trade = await trades.until(lambda one: True, "trade")
                assert (trade["e"], trade["s"], trade["E"] < 10**13) == ("trade", S, True)
            async with heard_on(sockets.depth_socket(S, depth="5", interval=100)) as partial:
                top = await partial.until(lambda one: True, "partial book")
                assert (len(top["bids"]), len(top["asks"])) == (5, 5)
            names = ["btcusdt@bookTicker", "btcusdt@aggTrade", "btcusdt@depth@100ms"]
            async with heard_on(sockets.multiplex_socket(names)) as mixed:
                for name in names:
                    one = await mixed.until(lambda one, name=name: one["stream"] == name, name)
                    assert one["data"]["s"] == S
        async with (
            connected(venue, time_unit="MICROSECOND") as client,
            heard_on(BinanceSocketManager(client).trade_socket(S)) as trades,
        ):
            assert (await trades.until(lambda one: True, "trade"))["E"] > 10**15

    run(body)


def test_its_depth_cache_is_the_venues_book(tmp_path: Path) -> None:
    async def body(venue: ClientVenue) -> None:
        async with (
            connected(venue) as client,
            # It asks for a snapshot before it subscribes: another subscription has the recording begin.
            heard_on(BinanceSocketManager(client).depth_socket(S, interval=100)),
            DepthCacheManager(client, S, limit=5000, ws_interval=100, conv_type=Decimal) as manager,
        ):

            async def advance() -> Any:
                cache = await manager.recv()
                return manager._last_update_id, cache.get_bids(), cache.get_asks()

            await follows_the_recording(advance)

    with playing(tmp_path) as venue, directed_to(venue):
        run(lambda: body(venue))
