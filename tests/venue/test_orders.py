"""The life of an order: replies at each level, user events in order, balances locked and freed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.venue.market import StpMode
from mmcore.venue.synthetic import SyntheticMarket

UNIT = 100_000_000


def test_a_resting_order_locks_its_whole_notional_and_a_cancel_frees_it(desk: Any) -> None:
    placed = desk.place("BUY", "90.01", "0.12345", kind="LIMIT_MAKER", newClientOrderId="mm-1")
    assert placed["status"] == "NEW"
    locked = 9_001 * 12_345 * 10
    assert desk.balance("USDT") == (100_000 * UNIT - locked, locked)
    done = desk.ok("DELETE", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": placed["orderId"]})
    assert desk.balance("USDT") == (100_000 * UNIT, 0)
    assert (done["origClientOrderId"], done["status"], done["executedQty"]) == ("mm-1", "CANCELED", "0.00000000")
    assert done["clientOrderId"] != "mm-1"


def test_the_three_levels_of_a_reply_have_the_documented_fields(desk: Any) -> None:
    ack = desk.place("BUY", "90", "0.1", kind="LIMIT_MAKER", newOrderRespType="ACK")
    assert list(ack) == ["symbol", "orderId", "orderListId", "clientOrderId", "transactTime"]
    result = desk.place("BUY", "90", "0.1", newOrderRespType="RESULT")
    more = [
        "price",
        "origQty",
        "executedQty",
        "origQuoteOrderQty",
        "cummulativeQuoteQty",
        "status",
        "timeInForce",
        "type",
        "side",
        "workingTime",
        "selfTradePreventionMode",
    ]
    assert list(result) == [*ack, *more]
    assert list(desk.place("BUY", "90", "0.1")) == [*ack, *more, "fills"]


def test_without_a_wish_limit_is_answered_in_full_and_limit_maker_with_ack(desk: Any) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "price": "90", "quantity": "0.1"}
    full = desk.ok("POST", "/api/v3/order", {**order, "type": "LIMIT", "timeInForce": "GTC"})
    ack = desk.ok("POST", "/api/v3/order", {**order, "type": "LIMIT_MAKER"})
    assert "fills" in full
    assert "price" not in ack


def test_a_taker_pays_the_book_prices_and_its_fee_in_what_it_receives(desk: Any) -> None:
    done = desk.place("BUY", "102", "1.5")
    assert [(fill["price"], fill["qty"], fill["commission"]) for fill in done["fills"]] == [
        ("101.00000000", "1.00000000", "0.00100000"),
        ("102.00000000", "0.50000000", "0.00050000"),
    ]
    assert done["cummulativeQuoteQty"] == "152.00000000"
    assert done["status"] == "FILLED"
    assert desk.balance("USDT") == ((100_000 - 152) * UNIT, 0)
    assert desk.balance("BTC") == (UNIT + 150_000_000 - 150_000, 0)


def test_a_seller_receives_quote_less_the_fee(desk: Any) -> None:
    done = desk.place("SELL", "", "0.5", kind="MARKET")
    assert done["fills"][0]["commissionAsset"] == "USDT"
    assert desk.balance("USDT")[0] == 100_000 * UNIT + 4_950_000_000 - 4_950_000
    assert desk.balance("BTC") == (UNIT // 2, 0)


@pytest.mark.parametrize(
    ("kind", "more", "executed", "reason"),
    [
        ("LIMIT", {"timeInForce": "IOC"}, "1.00000000", "UNFILLED_IOC_QUANTITY_EXPIRED"),
        ("LIMIT", {"timeInForce": "FOK"}, "0.00000000", "UNFILLED_FOK_ORDER_EXPIRED"),
        ("MARKET", {}, "2.00000000", "INSUFFICIENT_LIQUIDITY"),
    ],
)
def test_what_may_not_rest_expires_and_frees_its_funds(
    desk: Any, kind: str, more: dict[str, str], executed: str, reason: str
) -> None:
    done = desk.place("BUY", "101", "3", kind=kind, **more)
    assert (done["status"], done["executedQty"], done["expiryReason"]) == ("EXPIRED", executed, reason)
    assert desk.balance("USDT")[1] == 0
    last = [event for event in desk.events() if event["e"] == "executionReport"][-1]
    assert (last["x"], last["X"], last["eR"], last["w"]) == ("EXPIRED", "EXPIRED", reason, False)


def test_a_market_buy_that_the_account_cannot_pay_is_refused(desk: Any) -> None:
    desk.account.balance("USDT").free_e8 = 203 * UNIT - 1
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "2"}
    assert desk.error("POST", "/api/v3/order", order)[1] == -2010
    desk.account.balance("USDT").free_e8 = 203 * UNIT
    assert desk.place("BUY", "", "2", kind="MARKET")["status"] == "FILLED"
    assert desk.balance("USDT") == (0, 0)


def test_events_tell_an_orders_life_in_order(desk: Any) -> None:
    placed = desk.place("BUY", "90", "1", kind="LIMIT_MAKER", newClientOrderId="mm-7")
    desk.market.fill(placed["orderId"], 40_000_000)
    desk.exchange.advance()
    desk.ok("DELETE", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": placed["orderId"], "newClientOrderId": "bye"})
    events = desk.events()
    assert [event["e"] for event in events] == ["executionReport", "outboundAccountPosition"] * 3
    new, trade, canceled = events[0::2]
    assert (new["x"], new["X"], new["c"], new["C"], new["w"], new["t"], new["N"]) == (
        "NEW",
        "NEW",
        "mm-7",
        "",
        True,
        -1,
        None,
    )
    assert (trade["x"], trade["X"], trade["l"], trade["L"], trade["Y"]) == (
        "TRADE",
        "PARTIALLY_FILLED",
        "0.40000000",
        "90.00000000",
        "36.00000000",
    )
    assert (trade["m"], trade["n"], trade["N"], trade["z"], trade["Z"]) == (
        True,
        "0.00040000",
        "BTC",
        "0.40000000",
        "36.00000000",
    )
    assert (canceled["x"], canceled["X"], canceled["c"], canceled["C"], canceled["w"]) == (
        "CANCELED",
        "CANCELED",
        "bye",
        "mm-7",
        False,
    )
    executions = [event["I"] for event in events[0::2]]
    assert executions == sorted(set(executions))
    assert events[1]["B"] == [
        {"a": "BTC", "f": "1.00000000", "l": "0.00000000"},
        {"a": "USDT", "f": "99910.00000000", "l": "90.00000000"},
    ]
    assert events[5]["B"] == [
        {"a": "BTC", "f": "1.39960000", "l": "0.00000000"},
        {"a": "USDT", "f": "99964.00000000", "l": "0.00000000"},
    ]


def test_refusals_of_the_matching_engine_are_events_too(desk: Any) -> None:
    order = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT_MAKER", "price": "99", "quantity": "0.5"}
    desk.error("POST", "/api/v3/order", order)
    desk.error("POST", "/api/v3/order", {**order, "price": "110", "quantity": "1.5"})
    crossing, poor = desk.events()
    assert (crossing["x"], crossing["X"], crossing["r"]) == ("REJECTED", "REJECTED", "WOULD_MATCH_IMMEDIATELY")
    assert (poor["x"], poor["r"], poor["w"]) == ("REJECTED", "INSUFFICIENT_BALANCES", False)
    assert desk.account.rejected_count == 2


def test_order_queries_show_what_became_of_each_order(desk: Any) -> None:
    first = desk.place("BUY", "90", "1", newClientOrderId="one")
    second = desk.place("BUY", "91", "1", newClientOrderId="two")
    desk.market.fill(first["orderId"], UNIT)
    desk.exchange.advance()
    shown = desk.ok("GET", "/api/v3/openOrders", {"symbol": "BTCUSDT"})
    assert [row["clientOrderId"] for row in shown] == ["two"]
    filled = desk.ok("GET", "/api/v3/order", {"symbol": "BTCUSDT", "origClientOrderId": "one"})
    assert (filled["status"], filled["executedQty"], filled["cummulativeQuoteQty"]) == (
        "FILLED",
        "1.00000000",
        "90.00000000",
    )
    assert {"stopPrice", "icebergQty", "time", "updateTime", "isWorking", "workingTime"} <= set(filled)
    rows = desk.ok("DELETE", "/api/v3/openOrders", {"symbol": "BTCUSDT"})
    assert [row["orderId"] for row in rows] == [second["orderId"]]
    assert desk.ok("GET", "/api/v3/openOrders", {}) == []


def test_trades_are_found_by_id_order_and_time(desk: Any) -> None:
    times = []
    for number in range(4):
        desk.clock.now += 10_000_000
        times.append(desk.clock.now // 1000)
        desk.place("BUY", "101", "0.1", newClientOrderId=f"t{number}")
    path, base = "/api/v3/myTrades", {"symbol": "BTCUSDT"}

    def ids(**more: object) -> list[int]:
        return [row["id"] for row in desk.ok("GET", path, {**base, **more})]

    assert ids() == [1, 2, 3, 4]
    assert ids(limit=2) == [3, 4]
    assert ids(fromId=2, limit=2) == [2, 3]
    assert ids(startTime=times[2]) == [3, 4]
    assert ids(startTime=times[1], endTime=times[2]) == [2, 3]
    third = desk.ok("GET", path, {**base, "fromId": 3, "limit": 1})[0]
    assert ids(orderId=third["orderId"]) == [3]
    assert (third["isBuyer"], third["isMaker"], third["quoteQty"], third["commission"]) == (
        True,
        False,
        "10.10000000",
        "0.00010000",
    )


def test_order_test_checks_but_places_nothing(desk: Any) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "price": "90", "quantity": "0.1"}
    assert desk.ok("POST", "/api/v3/order/test", order) == {}
    rates = desk.ok("POST", "/api/v3/order/test", {**order, "computeCommissionRates": "true"})
    assert rates["standardCommissionForOrder"] == {"maker": "0.00100000", "taker": "0.00100000"}
    assert desk.error("POST", "/api/v3/order/test", {**order, "price": "90.001"})[1] == -1013
    assert desk.events() == []
    assert desk.balance("USDT") == (100_000 * UNIT, 0)


def test_account_and_commission_show_rates_and_balances(desk: Any) -> None:
    desk.place("BUY", "90", "1")
    account = desk.ok("GET", "/api/v3/account", {"omitZeroBalances": "true"})
    assert account["balances"] == [
        {"asset": "BTC", "free": "1.00000000", "locked": "0.00000000"},
        {"asset": "USDT", "free": "99910.00000000", "locked": "90.00000000"},
    ]
    assert account["makerCommission"] == 10
    rates = desk.ok("GET", "/api/v3/account/commission", {"symbol": "BTCUSDT"})
    assert rates["standardCommission"]["maker"] == account["commissionRates"]["maker"] == "0.00100000"


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["buy", "sell", "market_buy", "market_sell", "ioc", "cancel", "fill", "cancel_all", "amend", "replace"]
        ),
        st.integers(9_700, 10_300),
        st.integers(6_000, 120_000),
        st.integers(0, 30),
    ),
    max_size=40,
)


@given(ACTIONS, st.sampled_from([0, 1, 7_500, 100_000, 333_333]))
def test_every_atom_is_accounted_for_after_every_action(
    make_desk: Callable[[int], Any], actions: list[tuple[str, int, int, int]], rate_e8: int
) -> None:
    """Free plus locked moves by fills and fees alone, and what is locked is what the open orders need."""
    desk = make_desk(rate_e8)
    for name, ticks, lots, choice in actions:
        desk.clock.now += 1_000_000
        act(desk, name, f"{ticks / 100:.2f}", f"{lots / 100_000:.5f}", choice)
        desk.exchange.advance()
        check_balances(desk, rate_e8)
        assert set(desk.account.open_orders) == set(desk.market.resting)


def act(desk: Any, name: str, price: str, quantity: str, choice: int) -> None:
    order = {"symbol": "BTCUSDT", "quantity": quantity, "side": "SELL" if "sell" in name else "BUY"}
    if name in ("buy", "sell", "ioc"):
        tif = "IOC" if name == "ioc" else "GTC"
        desk.call("POST", "/api/v3/order", {**order, "type": "LIMIT", "timeInForce": tif, "price": price}, signed=True)
    elif name.startswith("market"):
        desk.call("POST", "/api/v3/order", {**order, "type": "MARKET"}, signed=True)
    elif name == "cancel_all":
        desk.call("DELETE", "/api/v3/openOrders", {"symbol": "BTCUSDT"}, signed=True)
    elif desk.market.resting:
        order_id = sorted(desk.market.resting)[choice % len(desk.market.resting)]
        if name == "cancel":
            desk.ok("DELETE", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": order_id})
        elif name == "amend":
            order = {"symbol": "BTCUSDT", "orderId": order_id, "newQty": quantity}
            desk.call("PUT", "/api/v3/order/amend/keepPriority", order, signed=True)
        elif name == "replace":
            order |= {"type": "LIMIT_MAKER", "price": price, "cancelReplaceMode": "ALLOW_FAILURE"}
            desk.call("POST", "/api/v3/order/cancelReplace", {**order, "cancelOrderId": order_id}, signed=True)
        else:
            left = desk.market.resting[order_id][1] // 1_000
            desk.market.fill(order_id, max(1, left * (choice + 1) // 31) * 1_000)


def test_on_the_synthetic_market_every_atom_is_accounted_for(desk: Any, make_exchange: Callable[..., Any]) -> None:
    rng, rate_e8 = random.Random(11), 100_000
    desk.market = SyntheticMarket(2)
    desk.exchange = make_exchange(desk.market, desk.clock)
    desk.exchange.start()
    for _ in range(600):
        desk.clock.now += rng.randrange(400_000)
        desk.exchange.advance()
        _, bids, asks = desk.market.depth(1)
        side, best = rng.choice((("BUY", bids[0][0]), ("SELL", asks[0][0])))
        price = best + rng.randrange(-300, 300) * desk.market.tick_e8
        order = {"symbol": "BTCUSDT", "side": side, "quantity": f"{rng.randrange(10, 900) / 100_000:.5f}"}
        kind = rng.choice(("LIMIT", "LIMIT_MAKER", "MARKET", "IOC", "FOK", "cancel", "amend", "meet"))
        order["selfTradePreventionMode"] = rng.choice([mode.value for mode in StpMode])
        if kind == "meet" and desk.account.open_orders:
            own = rng.choice(list(desk.account.open_orders.values()))
            order["side"], price = ("SELL" if own.side.value == "BUY" else "BUY"), own.price_e8
            order["quantity"] = "0.4"
        if kind in ("LIMIT", "IOC", "FOK", "meet"):
            order |= {"type": "LIMIT", "timeInForce": kind if kind in ("IOC", "FOK") else "GTC"}
        elif kind not in ("cancel", "amend"):
            order |= {"type": kind}
        if kind == "cancel" and rng.random() < 0.3:
            desk.call("DELETE", "/api/v3/openOrders", {"symbol": "BTCUSDT"}, signed=True)
        elif kind in ("cancel", "amend"):
            amend_one(desk, rng)
        else:
            if kind != "MARKET":
                order["price"] = f"{price / UNIT:.2f}"
            desk.call("POST", "/api/v3/order", order, signed=True)
        check_balances(desk, rate_e8)
    statuses = {order.status for order in desk.account.orders.values()}
    assert statuses >= {"FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"}
    assert any(order.amendments for order in desk.account.orders.values())
    assert {fill.maker for fill in desk.account.fills} == {True, False}


def amend_one(desk: Any, rng: random.Random) -> None:
    if desk.account.open_orders:
        order = rng.choice(list(desk.account.open_orders.values()))
        quantity = rng.randrange(1, order.qty_e8 // 1_000 + 2) / 100_000
        params = {"symbol": "BTCUSDT", "orderId": order.order_id, "newQty": f"{quantity:.5f}"}
        desk.call("PUT", "/api/v3/order/amend/keepPriority", params, signed=True)


def check_balances(desk: Any, rate_e8: int) -> None:
    expected = {"BTC": UNIT, "USDT": 100_000 * UNIT}
    for order in desk.account.orders.values():
        for fill in order.fills:
            quote = fill.price_e8 * fill.qty_e8 // UNIT
            received, paid, got = ("BTC", "USDT", fill.qty_e8), quote, fill.qty_e8
            if fill.side.value == "SELL":
                received, paid, got = ("USDT", "BTC", quote), fill.qty_e8, quote
            fee = (2 * got * rate_e8 + UNIT) // (2 * UNIT)
            assert fill.commission_e8 == fee
            expected[received[0]] += got - fee
            expected[received[1]] -= paid
    locked = {"BTC": 0, "USDT": 0}
    for order in desk.account.open_orders.values():
        left = order.qty_e8 - order.prevented_e8 - sum(fill.qty_e8 for fill in order.fills)
        if order.side.value == "SELL":
            locked["BTC"] += left
        else:
            locked["USDT"] += order.price_e8 * left // UNIT
    for asset in ("BTC", "USDT"):
        free_e8, locked_e8 = desk.balance(asset)
        assert free_e8 >= 0
        assert locked_e8 == locked[asset]
        assert free_e8 + locked_e8 == expected[asset]


def test_fees_taken_are_the_fees_paid(desk: Any) -> None:
    desk.place("BUY", "101", "0.33333")
    desk.place("SELL", "99", "0.77777")
    paid = {"BTC": 0, "USDT": 0}
    for fill in desk.account.fills:
        paid[fill.commission_asset] += fill.commission_e8
    assert paid == desk.exchange.fees_e8
    assert paid["USDT"] == 7_699_923
