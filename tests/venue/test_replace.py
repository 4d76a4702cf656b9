"""Cancel and replace: every row of the documented table of outcomes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mmcore.venue.ws_api import ApiSession

UNIT = 100_000_000
PATH = "/api/v3/order/cancelReplace"
UNKNOWN = {"code": -2011, "msg": "Unknown order sent."}
WOULD_MATCH = {"code": -2010, "msg": "Order would immediately match and take."}
TOO_MANY = {"code": -1015, "msg": "Too many new orders; current limit is 100 orders per 10 SECOND."}


def request(order_id: int, mode: str, price: str = "91", **more: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT_MAKER",
        "price": price,
        "quantity": "0.2",
        "newOrderRespType": "RESULT",
        "cancelReplaceMode": mode,
        "cancelOrderId": order_id,
        **more,
    }


def replace(desk: Any, params: dict[str, Any]) -> tuple[int, Any]:
    reply = desk.call("POST", PATH, params, signed=True)
    return reply.status, json.loads(reply.body)


def short(outcome: Any) -> tuple[str, str]:
    return outcome["cancelResult"], outcome["newOrderResult"]


def counts(desk: Any) -> list[int]:
    return [counter.count(desk.clock.now) for counter in desk.account.order_counts]


def exceed(desk: Any) -> None:
    for counter in desk.account.order_counts[:1]:
        counter.add(desk.clock.now, 100)


@pytest.mark.parametrize("mode", ["STOP_ON_FAILURE", "ALLOW_FAILURE"])
@pytest.mark.parametrize("over_limit_mode", ["DO_NOTHING", "CANCEL_ONLY"])
def test_both_halves_succeed(desk: Any, mode: str, over_limit_mode: str) -> None:
    old = desk.place("BUY", "90", "0.3", newClientOrderId="old")
    before, weight = counts(desk), desk.visitor.weight.count(desk.clock.now)
    status, outcome = replace(
        desk,
        request(
            old["orderId"],
            mode,
            orderRateLimitExceededMode=over_limit_mode,
            cancelNewClientOrderId="bye",
            newClientOrderId="new",
        ),
    )
    assert (status, list(outcome)) == (
        200,
        ["cancelResult", "newOrderResult", "cancelResponse", "newOrderResponse"],
    )
    assert short(outcome) == ("SUCCESS", "SUCCESS")
    canceled, placed = outcome["cancelResponse"], outcome["newOrderResponse"]
    assert (canceled["origClientOrderId"], canceled["clientOrderId"], canceled["status"]) == ("old", "bye", "CANCELED")
    assert (placed["clientOrderId"], placed["status"], placed["price"]) == ("new", "NEW", "91.00000000")
    assert counts(desk) == [count + 1 for count in before]
    assert desk.visitor.weight.count(desk.clock.now) == weight
    assert desk.balance("USDT")[1] == 1_820_000_000
    assert [event["x"] for event in desk.events() if event["e"] == "executionReport"] == ["NEW", "CANCELED", "NEW"]


def test_a_failed_cancel_stops_the_new_order_which_counts_all_the_same(desk: Any) -> None:
    before, weight = counts(desk), desk.visitor.weight.count(desk.clock.now)
    status, error = replace(desk, request(5, "STOP_ON_FAILURE"))
    assert (status, error["code"], error["msg"]) == (400, -2022, "Order cancel-replace failed.")
    assert error["data"] == {
        "cancelResult": "FAILURE",
        "newOrderResult": "NOT_ATTEMPTED",
        "cancelResponse": UNKNOWN,
        "newOrderResponse": None,
    }
    assert counts(desk) == [count + 1 for count in before]
    assert desk.visitor.weight.count(desk.clock.now) == weight + 1
    assert desk.ok("GET", "/api/v3/openOrders") == []


@pytest.mark.parametrize("mode", ["STOP_ON_FAILURE", "ALLOW_FAILURE"])
def test_a_refused_new_order_leaves_the_cancel_done(desk: Any, mode: str) -> None:
    old = desk.place("BUY", "90", "0.3")
    status, error = replace(desk, request(old["orderId"], mode, price="101"))
    assert (status, error["code"], error["msg"]) == (409, -2021, "Order cancel-replace partially failed.")
    assert short(error["data"]) == ("SUCCESS", "FAILURE")
    assert error["data"]["cancelResponse"]["status"] == "CANCELED"
    assert error["data"]["newOrderResponse"] == WOULD_MATCH
    assert desk.balance("USDT") == (100_000 * UNIT, 0)


def test_allowed_to_fail_the_cancel_leaves_the_new_order_placed(desk: Any) -> None:
    status, error = replace(desk, request(5, "ALLOW_FAILURE", newOrderRespType="ACK"))
    assert (status, error["code"]) == (409, -2021)
    assert short(error["data"]) == ("FAILURE", "SUCCESS")
    assert error["data"]["cancelResponse"] == UNKNOWN
    assert list(error["data"]["newOrderResponse"]) == [
        "symbol",
        "orderId",
        "orderListId",
        "clientOrderId",
        "transactTime",
    ]
    assert len(desk.ok("GET", "/api/v3/openOrders")) == 1


def test_both_halves_fail(desk: Any) -> None:
    status, error = replace(desk, request(5, "ALLOW_FAILURE", price="101"))
    assert (status, error["code"]) == (400, -2022)
    assert error["data"] == {
        "cancelResult": "FAILURE",
        "newOrderResult": "FAILURE",
        "cancelResponse": UNKNOWN,
        "newOrderResponse": WOULD_MATCH,
    }


@pytest.mark.parametrize("more", [{}, {"orderRateLimitExceededMode": "DO_NOTHING"}])
@pytest.mark.parametrize("mode", ["STOP_ON_FAILURE", "ALLOW_FAILURE"])
def test_over_the_order_count_nothing_is_done(desk: Any, mode: str, more: dict[str, str]) -> None:
    old = desk.place("BUY", "90", "0.3")
    exceed(desk)
    before = counts(desk)
    assert replace(desk, request(old["orderId"], mode, **more)) == (429, TOO_MANY)
    assert counts(desk) == before
    assert len(desk.ok("GET", "/api/v3/openOrders")) == 1


@pytest.mark.parametrize(
    ("mode", "known", "status", "code", "results"),
    [
        ("STOP_ON_FAILURE", True, 429, -2021, ("SUCCESS", "FAILURE")),
        ("STOP_ON_FAILURE", False, 429, -2022, ("FAILURE", "NOT_ATTEMPTED")),
        ("ALLOW_FAILURE", True, 409, -2021, ("SUCCESS", "FAILURE")),
        ("ALLOW_FAILURE", False, 400, -2022, ("FAILURE", "FAILURE")),
    ],
)
def test_over_the_order_count_the_cancel_alone_may_be_done(
    desk: Any, mode: str, known: bool, status: int, code: int, results: tuple[str, str]
) -> None:
    old = desk.place("BUY", "90", "0.3")
    exceed(desk)
    before = counts(desk)
    order_id = old["orderId"] if known else 5
    got, error = replace(desk, request(order_id, mode, orderRateLimitExceededMode="CANCEL_ONLY"))
    assert (got, error["code"], short(error["data"])) == (status, code, results)
    assert error["data"]["newOrderResponse"] == (None if results[1] == "NOT_ATTEMPTED" else TOO_MANY)
    assert counts(desk) == before
    assert len(desk.ok("GET", "/api/v3/openOrders")) == (0 if known else 1)


def test_filters_are_judged_before_the_cancel(desk: Any) -> None:
    old = desk.place("BUY", "90", "0.3")
    before = counts(desk)
    failure = (400, {"code": -1013, "msg": "Filter failure: PRICE_FILTER"})
    assert replace(desk, request(old["orderId"], "ALLOW_FAILURE", price="91.001")) == failure
    assert (len(desk.ok("GET", "/api/v3/openOrders")), counts(desk)) == (1, before)


def test_the_old_order_is_named_by_either_id_and_restricted_by_status(desk: Any) -> None:
    old = desk.place("BUY", "90", "0.3", newClientOrderId="old")
    wrong = request(old["orderId"], "STOP_ON_FAILURE", cancelOrigClientOrderId="other")
    assert replace(desk, wrong)[1]["data"]["cancelResponse"] == {
        "code": -2039,
        "msg": "Client order ID is not correct for this order ID.",
    }
    part = request(old["orderId"], "STOP_ON_FAILURE", cancelRestrictions="ONLY_PARTIALLY_FILLED")
    assert replace(desk, part)[1]["data"]["cancelResponse"] == {
        "code": -2011,
        "msg": "Order was not canceled due to cancel restrictions.",
    }
    by_name = request(0, "STOP_ON_FAILURE", cancelOrigClientOrderId="old", cancelRestrictions="ONLY_NEW")
    del by_name["cancelOrderId"]
    assert replace(desk, by_name)[0] == 200


@pytest.mark.parametrize(
    ("change", "code", "msg"),
    [
        ({"cancelReplaceMode": "MAYBE"}, -1130, "Data sent for parameter 'cancelReplaceMode' is not valid."),
        (
            {"orderRateLimitExceededMode": "TRY"},
            -1130,
            "Data sent for parameter 'orderRateLimitExceededMode' is not valid.",
        ),
        ({"cancelRestrictions": "ONLY_OLD"}, -1145, "Invalid cancelRestrictions"),
        (
            {"cancelOrderId": None},
            -1102,
            "Param 'cancelOrigClientOrderId' or 'cancelOrderId' must be sent, but both were empty/null!",
        ),
        (
            {"cancelReplaceMode": None},
            -1102,
            "Mandatory parameter 'cancelReplaceMode' was not sent, was empty/null, or malformed.",
        ),
    ],
)
def test_a_malformed_replacement_does_nothing(desk: Any, change: dict[str, Any], code: int, msg: str) -> None:
    old = desk.place("BUY", "90", "0.3")
    params = {**request(old["orderId"], "STOP_ON_FAILURE"), **change}
    params = {name: value for name, value in params.items() if value is not None}
    assert replace(desk, params) == (400, {"code": code, "msg": msg})
    assert len(desk.ok("GET", "/api/v3/openOrders")) == 1


def test_a_full_symbol_refuses_a_replacement_because_filters_come_first(desk: Any) -> None:
    desk.exchange.set_rules(max_num_orders=1)
    old = desk.place("BUY", "90", "0.3")
    failure = (400, {"code": -1013, "msg": "Filter failure: MAX_NUM_ORDERS"})
    assert replace(desk, request(old["orderId"], "STOP_ON_FAILURE")) == failure


def test_over_the_websocket_api_the_data_is_in_the_error(
    desk: Any, session: ApiSession, ws_call: Callable[..., Any]
) -> None:
    old = desk.place("BUY", "90", "0.3")
    reply = ws_call(session, "order.cancelReplace", **request(old["orderId"], "STOP_ON_FAILURE", price="101"))
    assert (reply["status"], reply["error"]["code"]) == (409, -2021)
    assert short(reply["error"]["data"]) == ("SUCCESS", "FAILURE")
    assert reply["error"]["data"]["cancelResponse"]["transactTime"] == desk.clock.now // 1000
    assert [limit["rateLimitType"] for limit in reply["rateLimits"]] == ["ORDERS", "ORDERS", "REQUEST_WEIGHT"]
    again = desk.place("BUY", "90", "0.3")
    reply = ws_call(session, "order.cancelReplace", **request(again["orderId"], "STOP_ON_FAILURE"))
    assert (reply["status"], short(reply["result"])) == (200, ("SUCCESS", "SUCCESS"))
    info = desk.ok("GET", "/api/v3/exchangeInfo", signed=False)["symbols"][0]
    assert info["cancelReplaceAllowed"] is True
