"""The exchange's own connector, binance-sdk-spot, against the venue: only its base URLs are set."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from binance_common.constants import TimeUnit
from binance_common.errors import BadRequestError, ClientError, UnauthorizedError
from binance_sdk_spot.spot import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
    Spot,
)
from pydantic import BaseModel

from tests.venue.clients import SECONDS, ClientVenue, Heard, Mirror, follows_the_recording, listening, playing

S = "BTCUSDT"
FAR = 60000.25
"""Far below the market: an order to buy at it rests."""
# The connector itself calls aiohttp in a way that aiohttp warns of, and could not connect if that were an error.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
REFUSAL_LOGS = ("Error received from server for request ", "Connection with user closed: {'code':")


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientVenue]:
    with listening(tmp_path_factory.mktemp("sdk")) as listens:
        yield listens


@pytest.fixture(autouse=True)
def _nothing_was_odd(caplog: pytest.LogCaptureFixture, venue: ClientVenue) -> Iterator[None]:
    """The connector warns of answers that are not as its models declare them, and of events it does not know."""
    yield
    warnings = [one.getMessage() for one in caplog.get_records("call") if one.levelname in ("WARNING", "ERROR")]
    assert [text for text in warnings if not text.startswith(REFUSAL_LOGS)] == []
    if venue.open_order_ids():
        client_of(venue).rest_api.delete_open_orders(S)


def client_of(venue: ClientVenue, *, secret: str | None = None, unit: TimeUnit | None = None) -> Spot:
    key, secret = venue.process.api_key, secret or venue.process.api_secret
    return Spot(
        # Ten times its usual patience, for busy machines.
        config_rest_api=ConfigurationRestAPI(
            api_key=key, api_secret=secret, base_path=venue.url, timeout=10_000, time_unit=unit and unit.value
        ),
        config_ws_api=ConfigurationWebSocketAPI(
            api_key=key, api_secret=secret, stream_url=f"{venue.ws_url}/ws-api/v3", time_unit=unit
        ),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=venue.ws_url, time_unit=unit),
    )


def over_api(venue: ClientVenue, body: Callable[[Any], Awaitable[None]], **options: Any) -> None:
    """Runs `body` with a connection to the WebSocket API."""

    async def main() -> None:
        api = client_of(venue, **options).websocket_api
        await api.create_connection()
        try:
            await asyncio.wait_for(body(api), 2 * SECONDS)
        finally:
            await api.close_connection(close_session=True)

    asyncio.run(main())


def known(answer: Any) -> Any:
    """An answer's data, every field of which the connector's models declare."""
    data = answer.data()
    assert_known(data)
    return data


def assert_known(value: Any, where: str = "") -> None:
    if isinstance(value, BaseModel):
        unknown = dict(getattr(value, "additional_properties", {}))
        # It reads them in every answer, although some of its models do not declare them.
        unknown.pop("rateLimits", None)
        assert not unknown, f"{type(value).__name__}: {unknown}"
        for name in set(type(value).model_fields) - {"additional_properties", "discriminator_value_class_map"}:
            assert_known(getattr(value, name), f"{type(value).__name__}.{name}")
    elif isinstance(value, list):
        for one in value:
            assert_known(one)
    else:
        assert not isinstance(value, dict) or not value, f"{where}: {value}"


def balances(rows: Any) -> dict[str, tuple[Decimal, Decimal]]:
    return {row.asset: (Decimal(row.free), Decimal(row.locked)) for row in rows}


def words(error: Any) -> tuple[int, str]:
    """Code and text of a refusal; the connector keeps the code where its HTTP status would stand."""
    return error.status_code, error.error_message


def is_a(event: Any, kind: str) -> bool:
    """Whether the connector took a user event for one of this kind; the name in it is kept by no model."""
    return type(event).__name__ == kind


def order_args(quantity: float = 0.002, price: float = FAR, **more: Any) -> dict[str, Any]:
    return {"symbol": S, "side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "quantity": quantity, "price": price,
            **more}


# REST


def test_rest_tells_the_rules_of_the_symbol(venue: ClientVenue) -> None:
    api = client_of(venue).rest_api
    assert api.ping().data() == {}
    assert abs(known(api.time()).server_time - time.time_ns() // 1_000_000) < 60_000
    info = known(api.exchange_info(symbol=S))
    assert [(one.rate_limit_type, one.interval, one.interval_num) for one in info.rate_limits] == [
        ("REQUEST_WEIGHT", "MINUTE", 1), ("ORDERS", "SECOND", 10), ("ORDERS", "DAY", 1), ("RAW_REQUESTS", "MINUTE", 5),
    ]
    (symbol,) = info.symbols
    assert (symbol.symbol, symbol.status, symbol.base_asset, symbol.quote_asset) == (S, "TRADING", "BTC", "USDT")
    filters = {one.actual_instance.filter_type: one.actual_instance for one in symbol.filters}
    assert filters["PRICE_FILTER"].tick_size == "0.01000000"
    assert filters["LOT_SIZE"].step_size == "0.00001000"
    assert filters["NOTIONAL"].min_notional == "5.00000000"
    assert filters["MAX_NUM_ORDER_AMENDS"].max_num_order_amends == 10
    mine = known(api.my_filters(symbol=S))
    assert {one.actual_instance.filter_type for one in mine.symbol_filters} == set(filters)


def test_rest_tells_the_depth(venue: ClientVenue) -> None:
    api = client_of(venue).rest_api
    book = known(api.depth(symbol=S, limit=5))
    assert (len(book.bids), len(book.asks)) == (5, 5)
    assert Decimal(book.bids[0][0]) < Decimal(book.asks[0][0])
    assert all(len(text.partition(".")[2]) == 8 for level in [*book.bids, *book.asks] for text in level)
    later = known(api.depth(symbol=S, limit=5000))
    assert later.last_update_id >= book.last_update_id
    assert len(later.bids) > 100
    ticker = known(api.ticker_book_ticker(symbol=S)).actual_instance
    assert Decimal(ticker.bid_price) < Decimal(ticker.ask_price)


def test_rest_places_amends_replaces_queries_and_cancels(venue: ClientVenue) -> None:
    api = client_of(venue).rest_api
    free, locked = venue.balance("USDT")
    assert known(api.order_test(**order_args())) is not None
    placed = known(api.new_order(**order_args(new_client_order_id="sdk-1", self_trade_prevention_mode="EXPIRE_MAKER")))
    assert (placed.client_order_id, placed.status, placed.price, placed.orig_qty) == (
        "sdk-1", "NEW", "60000.25000000", "0.00200000")
    assert (placed.order_list_id, placed.fills, placed.self_trade_prevention_mode) == (-1, [], "EXPIRE_MAKER")
    notional = Decimal("120.0005")
    assert balances(known(api.get_account()).balances)["USDT"] == (free - notional, locked + notional)

    amended = known(api.order_amend_keep_priority(symbol=S, new_qty=0.001, order_id=placed.order_id))
    assert (amended.amended_order.order_id, amended.amended_order.qty) == (placed.order_id, "0.00100000")
    assert amended.amended_order.orig_client_order_id == "sdk-1"
    (noted,) = known(api.order_amendments(symbol=S, order_id=placed.order_id))
    assert (noted.orig_qty, noted.new_qty, noted.execution_id) == ("0.00200000", "0.00100000", amended.execution_id)
    assert venue.balance("USDT") == (free - Decimal("60.00025"), locked + Decimal("60.00025"))

    replaced = known(api.order_cancel_replace(
        **order_args(0.003, 59999.99), cancel_replace_mode="STOP_ON_FAILURE", cancel_order_id=placed.order_id))
    assert (replaced.cancel_result, replaced.new_order_result) == ("SUCCESS", "SUCCESS")
    assert replaced.cancel_response.order_id == placed.order_id
    fresh = replaced.new_order_response
    assert (fresh.price, fresh.orig_qty, fresh.status) == ("59999.99000000", "0.00300000", "NEW")

    (only,) = known(api.get_open_orders(symbol=S))
    found = known(api.get_order(symbol=S, order_id=fresh.order_id))
    assert (only.order_id, found.order_id) == (fresh.order_id, fresh.order_id)
    assert (found.status, found.is_working, found.stop_price) == ("NEW", True, "0.00000000")
    gone = known(api.delete_order(symbol=S, order_id=fresh.order_id))
    assert (gone.status, gone.orig_client_order_id) == ("CANCELED", fresh.client_order_id)
    assert [one.status for one in known(api.all_orders(symbol=S, order_id=placed.order_id))] == ["CANCELED", "CANCELED"]

    for _ in range(2):
        known(api.new_order(**order_args(0.001)))
    all_gone = known(api.delete_open_orders(symbol=S))
    assert [one.status for one in all_gone] == ["CANCELED", "CANCELED"]
    assert venue.open_order_ids() == set()
    assert venue.balance("USDT") == (free, locked)


def test_rest_tells_what_a_fill_did(venue: ClientVenue) -> None:
    api = client_of(venue).rest_api
    before = balances(known(api.get_account()).balances)
    bought = known(api.new_order(symbol=S, side="BUY", type="MARKET", quantity=0.001))
    assert (bought.status, bought.executed_qty) == ("FILLED", "0.00100000")
    spent = sum(Decimal(fill.price) * Decimal(fill.qty) for fill in bought.fills)
    assert Decimal(bought.cummulative_quote_qty) == spent
    fee = sum(Decimal(fill.commission) for fill in bought.fills)
    assert fee == Decimal("0.000001")
    after = balances(known(api.get_account()).balances)
    assert after["BTC"][0] - before["BTC"][0] == Decimal("0.001") - fee
    assert before["USDT"][0] - after["USDT"][0] == spent
    trades = known(api.my_trades(symbol=S, order_id=bought.order_id))
    assert [(one.id, one.price, one.qty, one.commission, one.commission_asset, one.is_buyer, one.is_maker)
            for one in trades] == [(fill.trade_id, fill.price, fill.qty, fill.commission, "BTC", True, False)
                                   for fill in bought.fills]
    rates = known(api.account_commission(symbol=S))
    assert (rates.standard_commission.maker, rates.standard_commission.taker) == ("0.00100000", "0.00100000")
    counts = known(api.rate_limit_order())
    limits = [(one.interval, one.interval_num, one.limit) for one in counts]
    assert limits == [("SECOND", 10, 10000), ("DAY", 1, 200000)]


def test_microseconds_are_given_where_asked_for(venue: ClientVenue) -> None:
    api = client_of(venue, unit=TimeUnit.MICROSECOND).rest_api
    assert known(api.time()).server_time > 10**15
    assert known(api.new_order(**order_args(0.001))).transact_time > 10**15


REFUSED: dict[str, tuple[Callable[[Any], Any], type[Exception], int, str]] = {
    "more than the account has": (
        lambda api: api.new_order(**order_args(100)), BadRequestError, -2010,
        "Account has insufficient balance for requested action."),
    "an order to cancel that is not": (
        lambda api: api.delete_order(symbol=S, order_id=1), BadRequestError, -2011, "Unknown order sent."),
    "nothing to cancel at all": (
        lambda api: api.delete_open_orders(symbol=S), BadRequestError, -2011, "Unknown order sent."),
    "an order to query that is not": (
        lambda api: api.get_order(symbol=S, order_id=1), BadRequestError, -2013, "Order does not exist."),
    "an order to amend that is not": (
        lambda api: api.order_amend_keep_priority(symbol=S, order_id=1, new_qty=0.001), BadRequestError, -2038,
        "Unknown order sent."),
    "off the tick": (
        lambda api: api.new_order(**order_args(price=60000.001)), BadRequestError, -1013,
        "Filter failure: PRICE_FILTER"),
    "off the step": (
        lambda api: api.new_order(**order_args(0.0010001)), BadRequestError, -1013, "Filter failure: LOT_SIZE"),
    "too little money": (
        lambda api: api.new_order(**order_args(0.0001, 40000.0)), BadRequestError, -1013, "Filter failure: NOTIONAL"),
    "far from the market": (
        lambda api: api.new_order(**order_args(price=500.0, quantity=1.0)), BadRequestError, -1013,
        "Filter failure: PERCENT_PRICE_BY_SIDE"),
    "a maker that would take": (
        lambda api: api.new_order(symbol=S, side="BUY", type="LIMIT_MAKER", quantity=0.001, price=80000.0),
        BadRequestError, -2010, "Order would immediately match and take."),
    "another symbol": (
        lambda api: api.new_order(**order_args() | {"symbol": "NOSUCHUSDT"}), BadRequestError, -1121,
        "Invalid symbol."),
    "depth of another symbol": (
        lambda api: api.depth(symbol="NOSUCHUSDT"), BadRequestError, -1121, "Invalid symbol."),
    "more decimals than there are": (
        lambda api: api.new_order(**order_args(price=60000.123456789)), BadRequestError, -1111,
        "Parameter 'price' has too much precision."),
    "no time in force": (
        lambda api: api.new_order(**order_args(time_in_force=None)), BadRequestError, -1102,
        "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed."),
    "a client id with blanks": (
        lambda api: api.new_order(**order_args(new_client_order_id="a b")), BadRequestError, -1100,
        "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[a-zA-Z0-9-_]{1,36}$'."),
    "too wide a window": (
        lambda api: api.get_account(recv_window=60001), BadRequestError, -1131,
        "recvWindow must be less than 60000."),
}


@pytest.mark.parametrize("what", REFUSED)
def test_rest_refuses_in_the_exchanges_words(venue: ClientVenue, what: str) -> None:
    ask, kind, code, msg = REFUSED[what]
    with pytest.raises(kind) as refused:
        ask(client_of(venue).rest_api)
    assert words(refused.value) == (code, msg)


def test_rest_refuses_wrong_secrets_and_keys(venue: ClientVenue) -> None:
    with pytest.raises(BadRequestError) as refused:
        client_of(venue, secret="wrong").rest_api.get_account()
    assert words(refused.value) == (-1022, "Signature for this request is not valid.")
    for key, code, msg in (("x" * 64, -2015, "Invalid API-key, IP, or permissions for action."),
                           ("x", -2014, "API-key format invalid.")):
        stranger = Spot(config_rest_api=ConfigurationRestAPI(api_key=key, api_secret="s", base_path=venue.url))
        with pytest.raises(UnauthorizedError) as refused:
            stranger.rest_api.get_account()
        assert words(refused.value) == (code, msg)


@pytest.mark.parametrize(
    ("offset_ms", "msg"),
    [
        (30_000, "Timestamp for this request is outside of the recvWindow."),
        (-30_000, "Timestamp for this request was 1000ms ahead of the server's time."),
    ],
)
def test_requests_from_another_time_are_refused(venue: ClientVenue, offset_ms: int, msg: str) -> None:
    with venue.another_time(offset_ms), pytest.raises(BadRequestError) as refused:
        client_of(venue).rest_api.get_account()
    assert words(refused.value) == (-1021, msg)


def test_rest_refuses_a_second_order_of_the_same_name_and_half_replacements(venue: ClientVenue) -> None:
    api = client_of(venue).rest_api
    first = known(api.new_order(**order_args(new_client_order_id="twice")))
    with pytest.raises(BadRequestError) as refused:
        api.new_order(**order_args(new_client_order_id="twice"))
    assert words(refused.value) == (-2010, "Duplicate order sent.")
    with pytest.raises(BadRequestError) as refused:
        api.order_amend_keep_priority(symbol=S, new_qty=0.003, order_id=first.order_id)
    assert words(refused.value) == (-2038, "Order amend (quantity increase) is not supported.")
    with pytest.raises(BadRequestError) as refused:
        api.order_cancel_replace(**order_args(), cancel_replace_mode="STOP_ON_FAILURE", cancel_order_id=1)
    assert words(refused.value) == (-2022, "Order cancel-replace failed.")
    with pytest.raises(ClientError) as half:
        api.order_cancel_replace(**order_args(), cancel_replace_mode="ALLOW_FAILURE", cancel_order_id=1)
    assert half.value.error_message == "Order cancel-replace partially failed."
    assert len(venue.open_order_ids()) == 2


# The WebSocket API


def test_the_api_places_amends_replaces_queries_and_cancels(venue: ClientVenue) -> None:
    free, locked = venue.balance("USDT")

    async def body(api: Any) -> None:
        known(await api.ping())
        info = (await api.exchange_info(symbol=S)).data()
        # Its model is that of the result and is laid over the whole answer, all of which so remains undeclared.
        told = type(info).from_dict(info.additional_properties["result"])
        assert_known(told)
        (symbol,) = told.symbols
        assert (symbol.symbol, symbol.status) == (S, "TRADING")
        book = known(await api.depth(symbol=S, limit=5)).result
        assert Decimal(book.bids[0][0]) < Decimal(book.asks[0][0])
        answer = await api.order_place(**order_args(new_client_order_id="sdk-ws", new_order_resp_type="FULL"))
        placed = known(answer).result
        assert [(one.rateLimitType, one.interval, one.intervalNum) for one in answer.rate_limits] == [
            ("ORDERS", "SECOND", 10), ("ORDERS", "DAY", 1), ("REQUEST_WEIGHT", "MINUTE", 1)]
        assert (placed.client_order_id, placed.status, placed.price, placed.fills) == (
            "sdk-ws", "NEW", "60000.25000000", [])
        amended = known(await api.order_amend_keep_priority(symbol=S, new_qty=0.001, order_id=placed.order_id)).result
        assert (amended.amended_order.order_id, amended.amended_order.qty) == (placed.order_id, "0.00100000")
        replaced = known(await api.order_cancel_replace(
            **order_args(0.003, 59999.99), cancel_replace_mode="ALLOW_FAILURE", cancel_order_id=placed.order_id)).result
        fresh = replaced.new_order_response
        assert (replaced.cancel_result, fresh.orig_qty) == ("SUCCESS", "0.00300000")
        (only,) = known(await api.open_orders_status(symbol=S)).result
        found = known(await api.order_status(symbol=S, order_id=fresh.order_id)).result
        assert (only.order_id, found.status) == (fresh.order_id, "NEW")
        held = balances(known(await api.account_status()).result.balances)
        assert held["USDT"] == (free - Decimal("179.99997"), locked + Decimal("179.99997"))
        gone = known(await api.order_cancel(symbol=S, orig_client_order_id=fresh.client_order_id)).result
        assert (gone.status, gone.order_id) == ("CANCELED", fresh.order_id)
        known(await api.order_place(**order_args(0.001)))
        (last,) = known(await api.open_orders_cancel_all(symbol=S)).result
        assert (last.status, last.orig_qty) == ("CANCELED", "0.00100000")
        known(await api.my_trades(symbol=S))
        known(await api.account_commission(symbol=S))
        known(await api.account_rate_limits_orders())

    over_api(venue, body)
    assert venue.open_order_ids() == set()


def test_the_api_refuses_in_the_exchanges_words(venue: ClientVenue) -> None:
    async def body(api: Any) -> None:
        async def refused(answer: Any) -> tuple[int, str]:
            error = (await answer).data()["error"]
            return error["code"], error["msg"]

        known(await api.order_place(**order_args(new_client_order_id="twice-ws")))
        wanted = [
            (api.order_place(**order_args(100)), -2010, "Account has insufficient balance for requested action."),
            (api.order_place(**order_args(new_client_order_id="twice-ws")), -2010, "Duplicate order sent."),
            (api.order_place(symbol=S, side="BUY", type="LIMIT_MAKER", quantity=0.001, price=80000.0), -2010,
             "Order would immediately match and take."),
            (api.order_cancel(symbol=S, order_id=1), -2011, "Unknown order sent."),
            (api.order_status(symbol=S, order_id=1), -2013, "Order does not exist."),
            (api.order_place(**order_args(price=60000.001)), -1013, "Filter failure: PRICE_FILTER"),
            (api.order_place(**order_args(price=60000.123456789)), -1111, "Parameter 'price' has too much precision."),
            (api.order_place(**order_args() | {"symbol": "NOSUCHUSDT"}), -1121, "Invalid symbol."),
            (api.account_status(recv_window=0.001), -1021, "Timestamp for this request is outside of the recvWindow."),
        ]
        for answer, code, msg in wanted:
            assert await refused(answer) == (code, msg)

    over_api(venue, body)


def test_the_api_refuses_a_wrong_secret(venue: ClientVenue) -> None:
    async def body(api: Any) -> None:
        error = (await api.account_status()).data()["error"]
        assert (error["code"], error["msg"]) == (-1022, "Signature for this request is not valid.")

    over_api(venue, body, secret="wrong")


def test_its_signature_over_encoded_text_is_taken_by_a_lenient_venue_only(
    venue: ClientVenue, tmp_path: Path
) -> None:
    """It signs what it percent-encodes, the exchange what was sent: the same but for characters out of the ordinary."""
    codes = []

    async def body(api: Any) -> None:
        answer = await api.order_status(symbol="\u6bd4\u7279\u5e01USDT", order_id=1)
        codes.append(answer.data()["error"]["code"])

    over_api(venue, body)
    with listening(tmp_path, "--lenient-signatures") as lenient:
        over_api(lenient, body)
    assert codes == [-1022, -1121]


def test_user_data_tells_all_that_becomes_of_orders(venue: ClientVenue) -> None:
    user = Heard()

    async def report(execution_type: str, order_id: int) -> Any:
        return await user.until(
            lambda one: is_a(one, "ExecutionReport") and (one.x, one.i) == (execution_type, order_id),
            f"{execution_type} of {order_id}")

    async def position(free: Decimal, locked: Decimal) -> None:
        await user.until(
            lambda one: is_a(one, "OutboundAccountPosition") and balances_of(one).get("USDT") == (free, locked),
            f"position of {free} {locked}")

    def balances_of(event: Any) -> dict[str, tuple[Decimal, Decimal]]:
        return {row.a: (Decimal(row.f), Decimal(row.l)) for row in event.B}

    def hear(event: Any) -> None:
        assert_known(event.actual_instance)
        user.hear(event.actual_instance)

    async def body(api: Any) -> None:
        free, locked = venue.balance("USDT")
        subscribed = await api.user_data_stream_subscribe_signature()
        subscribed.stream.on("message", hear)
        (listed,) = known(await api.session_subscriptions()).result
        placed = known(await api.order_place(**order_args(new_client_order_id="ur-1"))).result
        new = await report("NEW", placed.order_id)
        assert (new.s, new.S, new.o, new.f, new.q, new.p, new.c, new.X) == (
            S, "BUY", "LIMIT", "GTC", "0.00200000", "60000.25000000", "ur-1", "NEW")
        assert (new.g, new.l, new.z, new.Z, new.n, new.N, new.t, new.w, new.m, new.V, new.r) == (
            -1, "0.00000000", "0.00000000", "0.00000000", "0", None, -1, True, False, "NONE", "NONE")
        await position(free - Decimal("120.0005"), locked + Decimal("120.0005"))
        known(await api.order_amend_keep_priority(
            symbol=S, new_qty=0.001, order_id=placed.order_id, new_client_order_id="ur-2"))
        less = await report("REPLACED", placed.order_id)
        assert (less.q, less.c, less.C, less.X) == ("0.00100000", "ur-2", "ur-1", "NEW")
        await position(free - Decimal("60.00025"), locked + Decimal("60.00025"))
        known(await api.order_cancel(symbol=S, order_id=placed.order_id, new_client_order_id="ur-3"))
        gone = await report("CANCELED", placed.order_id)
        assert (gone.c, gone.C, gone.X) == ("ur-3", "ur-2", "CANCELED")
        await position(free, locked)
        ioc = known(await api.order_place(**order_args(0.001) | {"time_in_force": "IOC"})).result
        ended = await report("EXPIRED", ioc.order_id)
        assert (ended.X, ended.f) == ("EXPIRED", "IOC")
        bought = known(await api.order_place(symbol=S, side="BUY", type="MARKET", quantity=0.001)).result
        trade = await report("TRADE", bought.order_id)
        fill = bought.fills[0]
        assert (trade.l, trade.L, trade.t, trade.n, trade.N, trade.m) == (
            fill.qty, fill.price, fill.trade_id, fill.commission, fill.commission_asset, False)
        await position(free - Decimal(bought.cummulative_quote_qty), locked)
        known(await api.user_data_stream_unsubscribe(subscription_id=listed.subscription_id))
        await user.until(lambda one: is_a(one, "EventStreamTerminated"), "eventStreamTerminated")

    over_api(venue, body)


def test_an_ed25519_key_logs_on_and_subscribes_without_signing_again(venue: ClientVenue) -> None:
    async def main() -> None:
        api = Spot(config_ws_api=ConfigurationWebSocketAPI(
            api_key=venue.process.ed25519_api_key, private_key=str(venue.private_key),
            stream_url=f"{venue.ws_url}/ws-api/v3")).websocket_api
        await api.create_connection()
        try:
            logged_on = known(await api.session_logon()).result
            assert logged_on.api_key == venue.process.ed25519_api_key
            user = Heard()
            subscribed = await api.user_data_stream_subscribe()
            subscribed.stream.on("message", lambda event: user.hear(event.actual_instance))
            assert known(await api.session_status()).result.user_data_stream is True
            placed = known(await api.order_place(**order_args(0.001))).result
            await user.until(lambda one: is_a(one, "ExecutionReport") and one.i == placed.order_id, "NEW")
            known(await api.order_cancel(symbol=S, order_id=placed.order_id))
            assert known(await api.session_logout()).result.api_key is None
        finally:
            await api.close_connection(close_session=True)

    asyncio.run(asyncio.wait_for(main(), 2 * SECONDS))


# Streams


def over_streams(venue: ClientVenue, body: Callable[[Any], Awaitable[None]], **options: Any) -> None:
    """Runs `body` with a connection for streams."""

    async def main() -> None:
        streams = client_of(venue, **options).websocket_streams
        await streams.create_connection()
        try:
            await asyncio.wait_for(body(streams), 2 * SECONDS)
        finally:
            await streams.close_connection(close_session=True)

    asyncio.run(main())


async def heard_on(subscribing: Awaitable[Any]) -> Heard:
    """What comes on one stream."""
    heard = Heard()

    def hear(event: Any) -> None:
        assert_known(event)
        heard.hear(event)

    (await subscribing).on("message", hear)
    return heard


def test_streams_carry_the_book_trades_and_prices(venue: ClientVenue) -> None:
    async def body(streams: Any) -> None:
        partial = await heard_on(streams.partial_book_depth(symbol=S, levels="5", update_speed="100ms"))
        best = await heard_on(streams.book_ticker(symbol=S))
        trades = await heard_on(streams.trade(symbol=S))
        aggregates = await heard_on(streams.agg_trade(symbol=S))
        top = await partial.until(lambda one: True, "partial book")
        assert (len(top.bids), len(top.asks)) == (5, 5)
        quote = await best.until(lambda one: True, "best prices")
        assert Decimal(quote.b) < Decimal(quote.a)
        one_trade = await trades.until(lambda one: True, "trade")
        assert (one_trade.s, one_trade.M) == (S, True)
        merged = await aggregates.until(lambda one: one.l >= one_trade.t, "aggregate trade")
        assert (merged.s, merged.l >= merged.f) == (S, True)

    over_streams(venue, body)


def test_a_book_from_its_stream_and_a_snapshot_is_the_venues(tmp_path: Path) -> None:
    mirror = Mirror()

    async def body(streams: Any) -> None:
        diffs = await heard_on(streams.diff_book_depth(symbol=S, update_speed="100ms"))

        async def advance() -> Any:
            diff = await diffs.until(lambda one: one.u > mirror.update_id, "diff")
            mirror.apply(diff.U, diff.u, diff.b, diff.a)
            return mirror.update_id, *(side.items() for side in mirror.sides)

        first = await diffs.until(lambda one: True, "diff")
        book = known(await asyncio.to_thread(client_of(playing_venue).rest_api.depth, symbol=S, limit=5000))
        assert book.last_update_id >= first.U
        mirror.start(book.last_update_id, book.bids, book.asks)
        await follows_the_recording(advance)

    with playing(tmp_path) as playing_venue:
        over_streams(playing_venue, body)


def test_streams_carry_microseconds_where_asked_for(venue: ClientVenue) -> None:
    async def body(streams: Any) -> None:
        for subscribing in (streams.trade(symbol=S), streams.diff_book_depth(symbol=S, update_speed="100ms")):
            assert (await (await heard_on(subscribing)).until(lambda one: True, "event")).E > 10**15

    over_streams(venue, body, unit=TimeUnit.MICROSECOND)
