"""Reducing an order in its place: the reply, the event, the queue, and every refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mmcore.venue.market import Side, TimeInForce
from mmcore.venue.ws_api import ApiSession

UNIT = 100_000_000
PATH = "/api/v3/order/amend/keepPriority"
HISTORY = "/api/v3/order/amendments"


def amend(desk: Any, placed: Any, new_qty: str, **more: Any) -> Any:
    return desk.ok("PUT", PATH, {"symbol": "BTCUSDT", "orderId": placed["orderId"], "newQty": new_qty, **more})


def refused(desk: Any, placed: Any, new_qty: str, **more: Any) -> tuple[int, str]:
    params = {"symbol": "BTCUSDT", "orderId": placed["orderId"], "newQty": new_qty, **more}
    status, code, msg = desk.error("PUT", PATH, params)
    assert status == 400
    return code, msg


def test_an_amended_order_is_smaller_under_a_new_client_id(quiet: Any) -> None:
    placed = quiet.place("SELL", "110", "0.5", newClientOrderId="mine")
    quiet.events()
    quiet.clock.now += 1_000_000
    done = amend(quiet, placed, "0.3")
    new_id = done["amendedOrder"]["clientOrderId"]
    assert done == {
        "transactTime": quiet.clock.now // 1000,
        "executionId": 2,
        "amendedOrder": {
            "symbol": "BTCUSDT",
            "orderId": placed["orderId"],
            "orderListId": -1,
            "origClientOrderId": "mine",
            "clientOrderId": new_id,
            "price": "110.00000000",
            "qty": "0.30000000",
            "executedQty": "0.00000000",
            "preventedQty": "0.00000000",
            "quoteOrderQty": "0.00000000",
            "cumulativeQuoteQty": "0.00000000",
            "status": "NEW",
            "timeInForce": "GTC",
            "type": "LIMIT",
            "side": "SELL",
            "workingTime": placed["workingTime"],
            "selfTradePreventionMode": "NONE",
        },
    }
    assert new_id != "mine"
    assert quiet.balance("BTC") == (70_000_000, 30_000_000)
    replaced, position = quiet.events()
    shown = {name: replaced[name] for name in ("e", "x", "X", "c", "C", "q", "z", "i", "I", "w")}
    assert shown == {
        "e": "executionReport",
        "x": "REPLACED",
        "X": "NEW",
        "c": new_id,
        "C": "mine",
        "q": "0.30000000",
        "z": "0.00000000",
        "i": placed["orderId"],
        "I": 2,
        "w": True,
    }
    assert position["B"][0] == {"a": "BTC", "f": "0.70000000", "l": "0.30000000"}
    assert quiet.error("GET", "/api/v3/order", {"symbol": "BTCUSDT", "origClientOrderId": "mine"})[1] == -2013
    row = quiet.ok("GET", "/api/v3/order", {"symbol": "BTCUSDT", "origClientOrderId": new_id})
    assert (row["orderId"], row["origQty"], row["updateTime"]) == (
        placed["orderId"],
        "0.30000000",
        quiet.clock.now // 1000,
    )


def test_an_order_keeps_its_name_if_it_is_sent_again(quiet: Any) -> None:
    placed = quiet.place("BUY", "90", "0.5", newClientOrderId="mine")
    done = amend(quiet, placed, "0.3", newClientOrderId="mine")["amendedOrder"]
    assert (done["origClientOrderId"], done["clientOrderId"]) == ("mine", "mine")
    assert quiet.balance("USDT") == (100_000 * UNIT - 27 * UNIT, 27 * UNIT)
    done = amend(quiet, placed, "0.2", newClientOrderId="yours", origClientOrderId="mine")["amendedOrder"]
    assert (done["origClientOrderId"], done["clientOrderId"]) == ("mine", "yours")
    assert quiet.place("BUY", "90", "0.5", newClientOrderId="mine")["status"] == "NEW"


def test_an_amended_order_keeps_its_place_in_the_queue(quiet: Any) -> None:
    first = quiet.place("BUY", "90", "0.5")
    quiet.market.offer(Side.BUY, "90", "0.5")
    amend(quiet, first, "0.2")
    quiet.market.offer(Side.SELL, "90", "0.3", TimeInForce.IOC)
    quiet.exchange.advance()
    row = quiet.ok("GET", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": first["orderId"]})
    assert (row["status"], row["executedQty"]) == ("FILLED", "0.20000000")
    assert quiet.market.depth(1)[1] == [(90 * UNIT, 40_000_000)]


def test_a_partly_filled_order_is_reduced_to_more_than_it_has_traded(quiet: Any) -> None:
    placed = quiet.place("BUY", "90", "0.5")
    quiet.market.offer(Side.SELL, "90", "0.2", TimeInForce.IOC)
    quiet.exchange.advance()
    done = amend(quiet, placed, "0.3")["amendedOrder"]
    assert (done["qty"], done["executedQty"], done["status"]) == ("0.30000000", "0.20000000", "PARTIALLY_FILLED")
    assert (done["cumulativeQuoteQty"], quiet.balance("USDT")[1]) == ("18.00000000", 9 * UNIT)


@pytest.mark.parametrize("new_qty", ["0.2", "0.1"])
def test_an_order_of_which_nothing_would_be_left_expires_and_costs_no_weight(quiet: Any, new_qty: str) -> None:
    placed = quiet.place("BUY", "90", "0.5")
    quiet.market.offer(Side.SELL, "90", "0.2", TimeInForce.IOC)
    quiet.exchange.advance()
    quiet.events()
    before = quiet.visitor.weight.count(quiet.clock.now)
    done = amend(quiet, placed, new_qty)["amendedOrder"]
    assert quiet.visitor.weight.count(quiet.clock.now) == before
    assert (done["status"], done["qty"], done["executedQty"]) == ("EXPIRED", "0.20000000", "0.20000000")
    event = quiet.events()[0]
    assert (event["x"], event["X"], event["w"], event["q"]) == ("EXPIRED", "EXPIRED", False, "0.20000000")
    assert (quiet.balance("USDT")[1], quiet.market.depth(1)[1]) == (0, [])


def test_an_amend_costs_weight_four_and_no_order_count(quiet: Any) -> None:
    placed = quiet.place("BUY", "90", "0.5")
    counts = [counter.count(quiet.clock.now) for counter in quiet.account.order_counts]
    before = quiet.visitor.weight.count(quiet.clock.now)
    amend(quiet, placed, "0.3")
    assert quiet.visitor.weight.count(quiet.clock.now) == before + 4
    refused(quiet, placed, "0.3")
    assert quiet.visitor.weight.count(quiet.clock.now) == before + 8
    assert [counter.count(quiet.clock.now) for counter in quiet.account.order_counts] == counts


def test_refusals_leave_the_order_as_it_is(quiet: Any) -> None:
    placed = quiet.place("BUY", "90", "0.5", newClientOrderId="mine")
    other = quiet.place("BUY", "80", "0.5", newClientOrderId="other")
    quiet.events()
    gone = quiet.ok("DELETE", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": other["orderId"]})
    taken = quiet.place("BUY", "80", "0.5", newClientOrderId="taken")
    quiet.events()
    assert refused(quiet, placed, "0.6") == (-2038, "Order amend (quantity increase) is not supported.")
    assert refused(quiet, placed, "0.5") == (-2038, "The requested action would change no state; rejecting.")
    assert refused(quiet, placed, "0.4", newClientOrderId="taken") == (-2038, "Duplicate order sent.")
    assert refused(quiet, placed, "0.400001") == (-1013, "Filter failure: LOT_SIZE")
    assert refused(quiet, placed, "0") == (-1013, "Filter failure: LOT_SIZE")
    assert refused(quiet, placed, "0.05") == (-1013, "Filter failure: NOTIONAL")
    assert refused(quiet, gone, "0.4") == (-2038, "Unknown order sent.")
    assert refused(quiet, placed, "0.4", origClientOrderId="taken")[0] == -2039
    neither = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
    assert quiet.error("PUT", PATH, {"symbol": "BTCUSDT", "newQty": "0.4"}) == (400, -1102, neither)
    assert quiet.error("PUT", PATH, {"symbol": "BTCUSDT", "orderId": placed["orderId"]})[1] == -1102
    assert quiet.events() == []
    assert quiet.balance("USDT")[1] == 85 * UNIT
    assert refused(quiet, taken, "0.4", newClientOrderId="a b")[0] == -1100


def test_the_eleventh_amend_of_an_order_is_refused(quiet: Any) -> None:
    placed = quiet.place("BUY", "90", "0.5")
    for number in range(10):
        amend(quiet, placed, f"{0.49 - number / 100:.2f}")
    assert refused(quiet, placed, "0.3") == (-2038, "Filter failure: MAX_NUM_ORDER_AMENDS")
    info = quiet.ok("GET", "/api/v3/exchangeInfo", signed=False)["symbols"][0]
    assert info["amendAllowed"] is True
    assert {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10} in info["filters"]


@pytest.mark.parametrize("status", ["HALT", "CANCEL_ONLY"])
def test_a_symbol_that_does_not_trade_takes_no_amends(quiet: Any, status: str) -> None:
    placed = quiet.place("BUY", "90", "0.5")
    quiet.exchange.set_status(status)
    assert refused(quiet, placed, "0.3") == (-2038, "Market is closed.")


def test_the_history_of_amends_is_kept(quiet: Any) -> None:
    placed = quiet.place("BUY", "90", "0.5", newClientOrderId="a")
    first = amend(quiet, placed, "0.4", newClientOrderId="b")
    quiet.clock.now += 5_000
    second = amend(quiet, placed, "0.3", newClientOrderId="b")
    base = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    rows = quiet.ok("GET", HISTORY, base)
    assert rows == [
        {
            "symbol": "BTCUSDT",
            "orderId": placed["orderId"],
            "executionId": first["executionId"],
            "origClientOrderId": "a",
            "newClientOrderId": "b",
            "origQty": "0.50000000",
            "newQty": "0.40000000",
            "time": first["transactTime"],
        },
        {
            "symbol": "BTCUSDT",
            "orderId": placed["orderId"],
            "executionId": second["executionId"],
            "origClientOrderId": "b",
            "newClientOrderId": "b",
            "origQty": "0.40000000",
            "newQty": "0.30000000",
            "time": first["transactTime"] + 5,
        },
    ]
    assert quiet.ok("GET", HISTORY, {**base, "limit": 1}) == rows[:1]
    assert quiet.ok("GET", HISTORY, {**base, "fromExecutionId": second["executionId"]}) == rows[1:]
    assert quiet.error("GET", HISTORY, {**base, "orderId": 5})[1] == -2013


def test_over_the_websocket_api_the_replies_are_the_same(
    desk: Any, session: ApiSession, ws_call: Callable[..., Any]
) -> None:
    placed = desk.place("BUY", "90", "0.5", newClientOrderId="mine")
    reply = ws_call(session, "order.amend.keepPriority", symbol="BTCUSDT", origClientOrderId="mine", newQty="0.3")
    assert reply["status"] == 200
    assert (reply["result"]["amendedOrder"]["orderId"], reply["result"]["amendedOrder"]["qty"]) == (
        placed["orderId"],
        "0.30000000",
    )
    rows = ws_call(session, "order.amendments", symbol="BTCUSDT", orderId=placed["orderId"])["result"]
    assert [row["newQty"] for row in rows] == ["0.30000000"]
    again = ws_call(session, "order.amend.keepPriority", symbol="BTCUSDT", orderId=placed["orderId"], newQty="0.3")
    assert (again["status"], again["error"]["code"]) == (400, -2038)
