"""Filters and statuses that change under way, and the wipe of a testnet."""

from __future__ import annotations

from typing import Any

import pytest

from mmcore.venue.audit import audit
from mmcore.venue.exchange import PriceRangeRule
from mmcore.venue.market import Side, TimeInForce
from mmcore.venue.symbol import SymbolError

UNIT = 100_000_000
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "90", "quantity": "0.1"}


def filters(desk: Any) -> dict[str, Any]:
    info = desk.ok("GET", "/api/v3/exchangeInfo", signed=False)
    return {one["filterType"]: one for one in info["symbols"][0]["filters"] + info["exchangeFilters"]}


def test_a_coarser_grid_counts_for_new_orders_and_old_ones_stay(quiet: Any) -> None:
    old = quiet.place("BUY", "90.01", "0.10001")
    quiet.exchange.set_rules(tick_e8=10_000_000, step_e8=100_000, min_notional_e8=10 * UNIT)
    shown = filters(quiet)
    assert (shown["PRICE_FILTER"]["tickSize"], shown["PRICE_FILTER"]["minPrice"]) == ("0.10000000", "0.10000000")
    assert (shown["LOT_SIZE"]["stepSize"], shown["LOT_SIZE"]["minQty"]) == ("0.00100000", "0.00100000")
    assert shown["NOTIONAL"]["minNotional"] == "10.00000000"
    for change, name in (
        ({"price": "90.01"}, "PRICE_FILTER"),
        ({"quantity": "0.10001"}, "LOT_SIZE"),
        ({"quantity": "0.111"}, "NOTIONAL"),
    ):
        refused = quiet.error("POST", "/api/v3/order", {**ORDER, **change})
        assert refused == (400, -1013, f"Filter failure: {name}")
    assert quiet.place("BUY", "90.1", "0.112")["status"] == "NEW"
    assert quiet.ok("DELETE", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": old["orderId"]})["status"] == "CANCELED"


@pytest.mark.parametrize(
    "changes", [{"tick_e8": 1_500_000}, {"step_e8": 500}, {"tick_e8": 0}, {"min_qty_e8": -1}, {"symbol": 5}, {"x": 1}]
)
def test_rules_that_the_market_cannot_trade_by_are_refused_and_change_nothing(
    quiet: Any, changes: dict[str, int]
) -> None:
    before = quiet.exchange.rules
    with pytest.raises(SymbolError):
        quiet.exchange.set_rules(**changes)
    assert quiet.exchange.rules == before


def test_max_position_counts_what_is_held_and_what_is_being_bought(quiet: Any) -> None:
    assert "MAX_POSITION" not in filters(quiet)
    quiet.exchange.set_rules(max_position_e8=150_000_000)
    assert filters(quiet)["MAX_POSITION"] == {"filterType": "MAX_POSITION", "maxPosition": "1.50000000"}
    quiet.place("BUY", "90", "0.3")
    quiet.place("SELL", "110", "0.6")
    refused = quiet.error("POST", "/api/v3/order", {**ORDER, "quantity": "0.20001"})
    assert refused == (400, -1013, "Filter failure: MAX_POSITION")
    assert quiet.place("BUY", "90", "0.2")["status"] == "NEW"
    assert quiet.place("SELL", "111", "0.4")["status"] == "NEW"


def test_the_exchanges_own_number_of_orders_is_a_filter_too(quiet: Any) -> None:
    quiet.exchange.set_rules(exchange_max_num_orders=1)
    assert filters(quiet)["EXCHANGE_MAX_NUM_ORDERS"] == {"filterType": "EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders": 1}
    quiet.place("BUY", "90", "0.3")
    refused = quiet.error("POST", "/api/v3/order", ORDER)
    assert refused == (400, -1013, "Filter failure: EXCHANGE_MAX_NUM_ORDERS")


def test_my_filters_are_those_of_exchange_info(quiet: Any) -> None:
    info = quiet.ok("GET", "/api/v3/exchangeInfo", signed=False)
    assert quiet.ok("GET", "/api/v3/myFilters", {"symbol": "BTCUSDT"}) == {
        "exchangeFilters": info["exchangeFilters"],
        "symbolFilters": info["symbols"][0]["filters"],
        "assetFilters": [],
    }


def test_bounds_go_by_the_reference_price_where_there_is_one(quiet: Any) -> None:
    order = {**ORDER, "price": "15", "quantity": "1"}
    assert quiet.error("POST", "/api/v3/order", order)[2] == "Filter failure: PERCENT_PRICE_BY_SIDE"
    quiet.exchange.reference_e8 = 50 * UNIT
    assert quiet.place("BUY", "15", "1")["status"] == "NEW"
    assert quiet.error("POST", "/api/v3/order", {**order, "price": "250.01", "quantity": "0.1"})[1] == -1013
    quiet.exchange.reference_e8 = None
    assert quiet.error("POST", "/api/v3/order", order)[1] == -1013


def test_a_wipe_leaves_start_balances_and_an_empty_book_and_says_nothing(quiet: Any) -> None:
    quiet.market.offer(Side.SELL, "101", "1")
    quiet.place("BUY", "101", "0.2", newClientOrderId="filled")
    quiet.place("BUY", "90", "0.2", newClientOrderId="mine")
    first = quiet.place("SELL", "120", "0.2")["orderId"] - 2
    quiet.events()
    quiet.clock.now += 7_000_000
    quiet.exchange.wipe()
    assert quiet.events() == []
    assert (quiet.balance("BTC"), quiet.balance("USDT")) == ((UNIT, 0), (100_000 * UNIT, 0))
    for path, base in (("openOrders", {}), ("allOrders", {}), ("myTrades", {})):
        assert quiet.ok("GET", f"/api/v3/{path}", {"symbol": "BTCUSDT", **base}) == []
    assert quiet.error("DELETE", "/api/v3/order", {"symbol": "BTCUSDT", "origClientOrderId": "mine"})[1] == -2011
    assert quiet.error("GET", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": first})[1] == -2013
    assert quiet.market.depth(5)[1:] == ([], [(101 * UNIT, 80_000_000)])
    assert audit(quiet.exchange, None)["fees"] == {"BTC": "0.00000000", "USDT": "0.00000000"}
    assert quiet.place("BUY", "90", "0.2", newClientOrderId="mine")["orderId"] == first
    assert quiet.events()[0]["I"] == 1


def test_the_audit_tells_what_was_prevented_and_amended(quiet: Any) -> None:
    quiet.place("BUY", "90", "0.3", newClientOrderId="a")
    quiet.ok(
        "PUT",
        "/api/v3/order/amend/keepPriority",
        {"symbol": "BTCUSDT", "origClientOrderId": "a", "newQty": "0.2", "newClientOrderId": "b"},
    )
    quiet.place("SELL", "90", "0.1", selfTradePreventionMode="DECREMENT")
    (account,) = audit(quiet.exchange, None)["accounts"]
    amended, prevented = account["orders"]
    assert (amended["client_order_id"], amended["amended_from"], amended["qty"]) == (
        "b",
        ["a"],
        "0.20000000",
    )
    assert (amended["prevented"], prevented["prevented"]) == ("0.10000000", "0.10000000")
    assert prevented["status"] == "EXPIRED_IN_MATCH"


RULE = PriceRangeRule(bid_up_e8=102_000_000, bid_down_e8=98_000_000, ask_up_e8=102_000_000, ask_down_e8=98_000_000)


def ruled(desk: Any) -> None:
    """Takers may trade from 98 to 102."""
    desk.exchange.price_range_rule, desk.exchange.reference_e8 = RULE, 100 * UNIT
    for price in ("101", "102", "102.01", "103"):
        desk.market.offer(Side.SELL, price, "0.2")


def test_a_taker_that_comes_to_a_price_out_of_range_expires_there(quiet: Any) -> None:
    ruled(quiet)
    done = quiet.place("BUY", "110", "0.7")
    assert (done["status"], done["executedQty"], done["expiryReason"]) == (
        "EXPIRED",
        "0.40000000",
        "EXECUTION_RULE_PRICE_RANGE_EXCEEDED",
    )
    last = [event for event in quiet.events() if event["e"] == "executionReport"][-1]
    assert (last["x"], last["X"], last["eR"]) == ("EXPIRED", "EXPIRED", "EXECUTION_RULE_PRICE_RANGE_EXCEEDED")
    assert quiet.balance("USDT") == (100_000 * UNIT - 4_060_000_000, 0)
    market = quiet.place("BUY", "", "0.1", kind="MARKET")
    assert (market["status"], market["executedQty"]) == ("EXPIRED", "0.00000000")
    assert market["expiryReason"] == "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "10"}
    assert quiet.ok("POST", "/api/v3/order", order)["expiryReason"] == "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"
    assert quiet.balance("USDT")[1] == 0


def test_what_stays_in_range_or_rests_is_not_touched_by_the_rule(quiet: Any) -> None:
    ruled(quiet)
    assert quiet.place("BUY", "102", "0.5")["status"] == "PARTIALLY_FILLED"
    assert quiet.place("BUY", "90", "0.5", kind="LIMIT_MAKER")["status"] == "NEW"
    killed = quiet.place("BUY", "103", "0.1", timeInForce="FOK")
    assert (killed["status"], killed["expiryReason"]) == ("EXPIRED", "UNFILLED_FOK_ORDER_EXPIRED")
    quiet.market.offer(Side.SELL, "90", "0.5", TimeInForce.IOC)
    quiet.exchange.advance()
    assert quiet.account.fills[-1].maker


@pytest.mark.parametrize("missing", ["price_range_rule", "reference_e8"])
def test_without_a_rule_or_a_reference_price_takers_trade_at_any_price(quiet: Any, missing: str) -> None:
    ruled(quiet)
    setattr(quiet.exchange, missing, None)
    assert quiet.place("BUY", "103", "0.7")["status"] == "FILLED"


def test_execution_rules_are_told(quiet: Any) -> None:
    path = "/api/v3/executionRules"
    assert quiet.ok("GET", path, signed=False) == {"symbolRules": []}
    ruled(quiet)
    rule = {
        "ruleType": "PRICE_RANGE",
        "bidLimitMultUp": "1.02000000",
        "bidLimitMultDown": "0.98000000",
        "askLimitMultUp": "1.02000000",
        "askLimitMultDown": "0.98000000",
    }
    assert quiet.ok("GET", path, {"symbol": "BTCUSDT"}, signed=False) == {
        "symbolRules": [{"symbol": "BTCUSDT", "rules": [rule]}]
    }
