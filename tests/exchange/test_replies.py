"""REST bodies to records: recorded ones, today's shapes, and everything that is not one."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.exchange.base import Balance, CommissionRates, Discount, OpenOrder, OrderResponse, Outcome, OwnTrade, Side
from mmcore.exchange.binance import replies
from mmcore.exchange.binance.replies import MalformedError
from mmcore.units import E8, format_e8


def recorded(data_dir: Path) -> list[dict[str, Any]]:
    lines = (data_dir / "hummingbot_fixture_2020" / "orders.jsonl").read_text().splitlines()
    return [entry for entry in map(json.loads, lines) if entry["kind"].startswith("rest_")]


def test_every_recorded_order_reply_is_read_exactly(data_dir: Path) -> None:
    seen = []
    for entry in recorded(data_dir):
        value = entry["value"]
        client_id = value.get("origClientOrderId", value["clientOrderId"])
        response = replies.order(json.dumps(value).encode(), client_id)
        assert response.outcome is {"NEW": Outcome.ACKED, "FILLED": Outcome.FILLED, "CANCELED": Outcome.CANCELED}[
            value["status"]]
        assert response.client_id == client_id
        assert response.exchange_id == value["orderId"]
        assert response.side is Side(value["side"])
        for got, field in ((response.price_e8, "price"), (response.qty_e8, "origQty"),
                           (response.executed_e8, "executedQty"), (response.executed_quote_e8, "cummulativeQuoteQty")):
            assert format_e8(got) == value[field].rstrip("0").rstrip(".")
        assert response.time_ms == value.get("transactTime", value.get("updateTime", 0))
        seen.append(entry["kind"])
    assert set(seen) == {"rest_order_response", "rest_cancel_response", "rest_query_order_response"}


TRADE = {"symbol": "BNBBTC", "id": 28457, "orderId": 100234, "price": "4.00000100", "qty": "12.00000000",
         "quoteQty": "48.000012", "commission": "-0.00000001", "commissionAsset": "BNB", "time": 1499865549590,
         "isBuyer": True, "isMaker": False, "isBestMatch": True}


def order_body(**changes: Any) -> bytes:
    body: dict[str, Any] = {
        "symbol": "BTCUSDT", "orderId": 28, "orderListId": -1, "clientOrderId": "mA1-0000001-0000001-b0",
        "transactTime": 1784592000123, "price": "50000.01", "origQty": "0.001", "executedQty": "0.0005",
        "cummulativeQuoteQty": "25.000005", "status": "PARTIALLY_FILLED", "timeInForce": "GTC", "type": "LIMIT_MAKER",
        "side": "BUY", "workingTime": 1784592000123, "selfTradePreventionMode": "EXPIRE_TAKER",
    }
    body.update(changes)
    return json.dumps({k: v for k, v in body.items() if v is not ...}).encode()


def test_an_order_reply_is_read_whole() -> None:
    assert replies.order(order_body(), "mA1-0000001-0000001-b0") == OrderResponse(
        Outcome.ACKED, "mA1-0000001-0000001-b0", exchange_id=28, side=Side.BUY, price_e8=5_000_001_000_000,
        qty_e8=100_000, executed_e8=50_000, executed_quote_e8=2_500_000_500, time_ms=1784592000123)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("NEW", Outcome.ACKED), ("PENDING_NEW", Outcome.ACKED), ("FILLED", Outcome.FILLED),
     ("CANCELED", Outcome.CANCELED), ("REJECTED", Outcome.REJECTED), ("EXPIRED", Outcome.EXPIRED),
     ("EXPIRED_IN_MATCH", Outcome.EXPIRED), ("A_STATE_OF_2031", Outcome.UNKNOWN), (None, Outcome.ACKED)],
)
def test_each_state_of_an_order_has_its_outcome_and_a_new_one_is_unknown(
    status: str | None, outcome: Outcome
) -> None:
    body = order_body(status=... if status is None else status)
    assert replies.order(body, "mA1-0000001-0000001-b0").outcome is outcome


def test_the_shortest_reply_says_accepted_and_nothing_else() -> None:
    short = {"symbol": "BTCUSDT", "orderId": 28, "orderListId": -1, "clientOrderId": "x", "transactTime": 5}
    response = replies.order(json.dumps(short).encode(), "x")
    assert response == OrderResponse(Outcome.ACKED, "x", exchange_id=28, time_ms=5)
    assert (response.executed_e8, response.executed_quote_e8, response.trade_id) == (-1, -1, -1)


def test_a_cancels_reply_is_about_the_original_order() -> None:
    body = order_body(origClientOrderId="mine", clientOrderId="the-cancels-own", status="CANCELED")
    assert replies.order(body, "mine").client_id == "mine"
    with pytest.raises(MalformedError, match="another order"):
        replies.order(body, "the-cancels-own")


def test_the_name_of_an_order_is_read_from_a_query() -> None:
    assert replies.client_id(order_body()) == "mA1-0000001-0000001-b0"
    with pytest.raises(MalformedError, match="clientOrderId"):
        replies.client_id(b'{"orderId":1}')


@pytest.mark.parametrize(("body", "best"), [
    (b'{"lastUpdateId":1,"bids":[["67000.01","1"],["67000.00","2"]],"asks":[]}', 6_700_001_000_000),
    (b'{"lastUpdateId":1,"bids":[],"asks":[]}', None),
])
def test_the_best_bid_of_a_depth_is_its_first(body: bytes, best: int | None) -> None:
    assert replies.best_bid_e8(body) == best


@pytest.mark.parametrize("body", [b"{}", b'{"bids":[7]}', b'{"bids":[[]]}', b'{"bids":[[1,2]]}', b'{"bids":{"a":1}}'])
def test_a_depth_without_a_best_bid_is_none(body: bytes) -> None:
    with pytest.raises(MalformedError):
        replies.best_bid_e8(body)


def test_an_account_is_read_whole() -> None:
    body = {"makerCommission": 10, "canTrade": True, "accountType": "SPOT", "updateTime": 123, "permissions": ["SPOT"],
            "uid": 354937868, "balances": [{"asset": "BTC", "free": "4723846.89208129", "locked": "0.00000000"},
                                           {"asset": "USDT", "free": "0.1", "locked": "92233720368"}]}
    snapshot = replies.account(json.dumps(body).encode())
    assert snapshot.balances == (Balance("BTC", 472384689208129, 0), Balance("USDT", E8 // 10, 92233720368 * E8))
    assert snapshot.can_trade
    assert snapshot.permissions == {"SPOT"}
    assert snapshot.update_time_ms == 123


def test_a_balance_that_cannot_be_counted_exactly_is_no_asset_of_ours_and_harms_no_other() -> None:
    balances = [{"asset": "PEPE", "free": "92233720368.54775808", "locked": "0"},
                {"asset": "BTTC", "free": "0", "locked": "1" + "0" * 30},
                {"asset": "BTC", "free": "92233720368.54775807", "locked": "1"}]
    body = {"canTrade": True, "updateTime": 1, "balances": balances}
    assert replies.account(json.dumps(body).encode()).balances == (Balance("BTC", 2**63 - 1, E8),)
    body["balances"] = [{"asset": "BTC", "free": "1e3", "locked": "0"}]
    with pytest.raises(replies.MalformedError):
        replies.account(json.dumps(body).encode())


@pytest.mark.parametrize("name", ["LONGER_THAN_15_B", "币安人生", "", "UMLAUTÄ"])
def test_an_asset_whose_name_cannot_be_ours_is_passed_over_in_balances_and_refused_in_trades(name: str) -> None:
    rows = [{"asset": name, "free": "1", "locked": "0"}, {"asset": "EXACTLY_15_BYTE", "free": "1", "locked": "0"}]
    body = {"canTrade": True, "updateTime": 1, "balances": rows}
    assert replies.account(json.dumps(body).encode()).balances == (Balance("EXACTLY_15_BYTE", E8, 0),)
    with pytest.raises(MalformedError, match="commissionAsset"):
        replies.own_trades(json.dumps([{**TRADE, "commissionAsset": name}]).encode())


@pytest.mark.parametrize(("changes", "what"), [
    ({"id": 2**63}, "id"), ({"orderId": 2**63}, "orderId"), ({"time": 2**62 // 10**6 + 1}, "time"),
    ({"time": -1}, "time"),
])
def test_numbers_of_a_trade_that_the_core_cannot_hold_are_refused(changes: dict[str, int], what: str) -> None:
    with pytest.raises(MalformedError, match=what):
        replies.own_trades(json.dumps([{**TRADE, **changes}]).encode())


def test_an_open_order_or_account_of_impossible_numbers_is_refused() -> None:
    """A foreign order's too: an answer like that is none of the exchange's."""
    row = {"symbol": "LTCBTC", "orderId": 1, "clientOrderId": "x", "price": "0.1", "origQty": "1", "executedQty": "0",
           "side": "SELL", "time": 5}
    assert len(replies.open_orders(json.dumps([row]).encode())) == 1
    for changes in ({"orderId": 2**63}, {"time": 2**63}, {"time": -1}):
        with pytest.raises(MalformedError):
            replies.open_orders(json.dumps([{**row, **changes}]).encode())
    with pytest.raises(MalformedError):
        replies.account(json.dumps({"canTrade": True, "updateTime": 2**62, "balances": []}).encode())


def test_commissions_of_more_than_all_are_refused() -> None:
    rates = {"maker": "92233720368", "taker": "0", "buyer": "0", "seller": "0"}
    with pytest.raises(MalformedError, match="commission of more than all"):
        replies.commission(json.dumps({"standardCommission": rates}).encode())


def test_commissions_of_all_kinds_are_added_up_and_the_discount_is_on_the_standard_ones() -> None:
    def kind(maker: str, taker: str, buyer: str, seller: str) -> dict[str, str]:
        return {"maker": maker, "taker": taker, "buyer": buyer, "seller": seller}

    body: dict[str, Any] = {"symbol": "BTCUSDT",
            "standardCommission": kind("0.00100000", "0.00200000", "0.00010000", "0.00020000"),
            "specialCommission": kind("0.01000000", "0.02000000", "0.00000000", "0.00000000"),
            "taxCommission": kind("0.00000100", "0.00000200", "0.00000001", "0.00000002"),
            "discount": {"enabledForAccount": True, "enabledForSymbol": True, "discountAsset": "BNB",
                         "discount": "0.75000000"}}
    full = CommissionRates(
        maker_buy_e8=1_110_101, maker_sell_e8=1_120_102, taker_buy_e8=2_210_201, taker_sell_e8=2_220_202)
    cheaper = CommissionRates(maker_buy_e8=1_000_101 + 82_500, maker_sell_e8=1_000_102 + 90_000,
                              taker_buy_e8=2_000_201 + 157_500, taker_sell_e8=2_000_202 + 165_000)
    read = replies.commission(json.dumps(body).encode())
    assert read == dataclasses.replace(full, discount=Discount("BNB", cheaper))
    assert read.when(discounted=True) == cheaper
    assert read.when(discounted=False) == read
    for off in ("enabledForAccount", "enabledForSymbol"):
        without = {**body, "discount": {**body["discount"], off: False}}
        assert replies.commission(json.dumps(without).encode()) == full
        assert full.when(discounted=True) == full
    with pytest.raises(MalformedError, match="no commission"):
        replies.commission(b"{}")


def test_open_orders_are_read_whole() -> None:
    row = {"symbol": "LTCBTC", "orderId": 1, "orderListId": -1, "clientOrderId": "myOrder1", "price": "0.1",
           "origQty": "1.0", "executedQty": "0.25", "cummulativeQuoteQty": "0.0", "status": "NEW", "side": "SELL",
           "time": 1499827319559, "updateTime": 1499827319559, "isWorking": True}
    assert replies.open_orders(json.dumps([row, row]).encode()) == (
        OpenOrder("LTCBTC", "myOrder1", 1, Side.SELL, E8 // 10, E8, E8 // 4, 1499827319559),) * 2
    assert replies.open_orders(b"[]") == ()


def test_client_ids_of_orders_are_read_and_nothing_else_of_them() -> None:
    assert replies.client_ids(b'[{"clientOrderId":"a","orderId":1},{"clientOrderId":"b"}]') == ("a", "b")
    with pytest.raises(replies.MalformedError):
        replies.client_ids(b'[{"orderId":1}]')


def test_own_trades_are_read_whole() -> None:
    assert replies.own_trades(json.dumps([TRADE]).encode()) == (
        OwnTrade(28457, 100234, Side.BUY, 400000100, 12 * E8, 4800001200, -1, "BNB", False, 1499865549590),)


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b'{"code":-1121,"msg":"Invalid symbol."}', (-1121, "Invalid symbol.")),
     (b'{"msg":"x","code":-1,"more":[1]}', (-1, "x")),
     (b'{"code":0,"msg":"Service unavailable"}', (0, "Service unavailable")),
     (b'{"code":-2147483648,"msg":"x"}', (-2**31, "x")), (b'{"code":-2147483649,"msg":"x"}', (0, "")),
     (b"", (0, "")), (b"<html>", (0, "")), (b"[]", (0, "")), (b"{}", (0, "")), (b'{"code":-1}', (0, "")),
     (b'{"code":"-1","msg":"x"}', (0, "")), (b'{"code":5,"msg":"x"}', (0, "")), (b'{"code":true,"msg":"x"}', (0, "")),
     (b'{"code":-1,"msg":5}', (0, "")), (b"\xff\xfe", (0, "")), (b"[" * 100_000, (0, ""))],
)
def test_only_an_error_body_of_the_exchange_is_one(body: bytes, expected: tuple[int, str]) -> None:
    assert replies.error_of(body) == expected


BAD = [b"", b"<html>", b"null", b"5", b'"x"', b"{", b"NaN", b'{"a":Infinity}', b"\xff\xfe", b"[" * 100_000,
       b'{"serverTime":' + b"9" * 5000 + b"}"]


@pytest.mark.parametrize("told", [0, -1, 2**62 // 10**6 + 1, 2**63, 10**30])
def test_a_time_that_no_exchange_has_is_no_reply(told: int) -> None:
    with pytest.raises(MalformedError):
        replies.server_time_ms(b'{"serverTime":%d}' % told)
    assert replies.server_time_ms(b'{"serverTime":4611686018427}') == 4611686018427


@pytest.mark.parametrize("body", BAD)
def test_what_is_no_reply_is_an_error_for_every_reader(body: bytes) -> None:
    for reader in (replies.server_time_ms, replies.account, replies.commission, replies.open_orders,
                   replies.own_trades, lambda text: replies.order(text, "x")):
        with pytest.raises(MalformedError):
            reader(body)


@pytest.mark.parametrize(
    "changes",
    [{"orderId": ...}, {"orderId": "28"}, {"orderId": 1.5}, {"orderId": True}, {"clientOrderId": ...},
     {"clientOrderId": 5}, {"price": 50000.01}, {"price": "5e4"}, {"price": "NaN"}, {"price": "５０"},
     {"price": "0.123456789"}, {"origQty": "99999999999999"}, {"side": "HOLD"}, {"executedQty": ""},
     {"transactTime": "now"}, {"orderId": 2**63}, {"orderId": -2**63 - 1}, {"transactTime": 2**62 // 10**6 + 1},
     {"transactTime": -1}],
)
def test_a_field_of_the_wrong_form_is_an_error_and_never_a_guess(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        replies.order(order_body(**changes), "mA1-0000001-0000001-b0")


@pytest.mark.parametrize("body", [b'{"a":NaN}', b'[-Infinity]', b'{"a":1,}', b"[" * 100_000, b"\xff"])
def test_only_json_is_json(body: bytes) -> None:
    with pytest.raises(MalformedError, match="not JSON"):
        replies.document(body)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["orderId", "clientOrderId", "status", "price", "side", "balances", "x"]),
                        inner, max_size=4), max_leaves=8)


@given(JSON)
def test_any_json_is_read_or_refused_and_nothing_else_happens(value: Any) -> None:
    body = json.dumps(value).encode()
    for reader in (replies.account, replies.commission, replies.open_orders, replies.own_trades,
                   lambda text: replies.order(text, "x"), replies.server_time_ms):
        with contextlib.suppress(MalformedError):
            reader(body)
    replies.error_of(body)
