"""What trades cost: the documentation's example to the last digit, BNB while it lasts, every place that tells it."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.venue.audit import audit
from mmcore.venue.commission import Commission, Rates
from mmcore.venue.market import Side, TimeInForce

UNIT = 100_000_000
DOCUMENTED = Commission(
    standard=Rates(maker=10, taker=20, buyer=30, seller=40),
    special=Rates(maker=1_000_000, taker=2_000_000, buyer=3_000_000, seller=4_000_000),
    tax=Rates(maker=112, taker=114, buyer=118, seller=116),
    pays_in_bnb=True,
    discount_e8=25_000_000,
)
NOTIONAL_E8 = 1_749_125_000_000


def test_the_documented_example_in_the_asset_received() -> None:
    alone = {
        name: Commission(**{name: getattr(DOCUMENTED, name)}).fee_e8(NOTIONAL_E8, maker=False, side=Side.SELL)
        for name in ("standard", "tax", "special")
    }
    assert alone == {"standard": 1_049_475, "tax": 4_022_988, "special": 104_947_500_000}
    assert DOCUMENTED.fee_e8(NOTIONAL_E8, maker=False, side=Side.SELL) == 104_952_572_463


def test_the_documented_example_in_bnb() -> None:
    fee_e8 = DOCUMENTED.fee_in_bnb_e8(NOTIONAL_E8, maker=False, side=Side.SELL, worth_e8=UNIT, bnb_e8=260 * UNIT)
    exact = Fraction(NOTIONAL_E8) * (Fraction(60, 4) + 230 + 6_000_000) / UNIT / 260
    assert fee_e8 == int(exact + Fraction(1, 2)) == 403_660_713


@given(
    st.integers(0, 10**16),
    st.tuples(*[st.integers(0, 10**6)] * 4),
    st.booleans(),
    st.sampled_from(Side),
    st.integers(1, 10**13),
    st.integers(1, 10**12),
)
def test_a_fee_is_the_exact_product_rounded_once(
    received_e8: int, rates: tuple[int, ...], maker: bool, side: Side, worth_e8: int, bnb_e8: int
) -> None:
    held = Commission(standard=Rates(*rates), special=Rates(*rates[::-1]), tax=Rates(rates[0]), discount_e8=75_000_000)
    standard = (rates[0] if maker else rates[1]) + (rates[2] if side is Side.BUY else rates[3])
    special = (rates[3] if maker else rates[2]) + (rates[1] if side is Side.BUY else rates[0])
    tax = rates[0] if maker else 0
    plain = Fraction(received_e8) * (standard + special + tax) / UNIT
    in_bnb = Fraction(received_e8) * (standard * Fraction(3, 4) + special + tax) / UNIT * Fraction(worth_e8, bnb_e8)
    assert abs(held.fee_e8(received_e8, maker=maker, side=side) - plain) <= Fraction(1, 2)
    fee_e8 = held.fee_in_bnb_e8(received_e8, maker=maker, side=side, worth_e8=worth_e8, bnb_e8=bnb_e8)
    assert abs(fee_e8 - in_bnb) <= Fraction(1, 2)


def with_bnb(desk: Any, bnb: int) -> None:
    """Let the account pay its 10 bps in BNB, of which it has so much, at 200 USDT."""
    desk.account.fund({"BTC": UNIT, "USDT": 100_000 * UNIT, "BNB": bnb})
    desk.account.commission = replace(desk.account.commission, pays_in_bnb=True)
    desk.exchange.bnb_price_e8 = 200 * UNIT


def told(desk: Any) -> list[tuple[str, str]]:
    """(commission, asset) of each trade by the user stream."""
    return [(event["n"], event["N"]) for event in desk.events() if event.get("x") == "TRADE"]


def test_bnb_pays_with_the_discount_and_all_of_the_trade_is_received(desk: Any) -> None:
    with_bnb(desk, UNIT)
    bought = desk.place("BUY", "101", "0.5")
    sold = desk.place("SELL", "99", "0.5")
    # 0.5 BTC at 101 is 50.5 USDT: 0.0505 of fee, 0.037875 with the discount, at 200 USDT the BNB.
    assert (bought["fills"][0]["commission"], bought["fills"][0]["commissionAsset"]) == ("0.00018938", "BNB")
    assert (sold["fills"][0]["commission"], sold["fills"][0]["commissionAsset"]) == ("0.00018563", "BNB")
    assert desk.balance("BTC") == (UNIT, 0)
    assert desk.balance("USDT") == (100_000 * UNIT - UNIT, 0)
    assert desk.balance("BNB") == (UNIT - 18_938 - 18_563, 0)
    assert desk.exchange.fees_e8 == {"BTC": 0, "USDT": 0, "BNB": 37_501}
    rows = desk.ok("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT"})
    assert [(row["commission"], row["commissionAsset"]) for row in rows] == told(desk)


def test_a_trade_tells_the_balance_of_bnb_too(desk: Any) -> None:
    with_bnb(desk, UNIT)
    desk.place("BUY", "101", "0.5")
    assert [row["a"] for row in desk.events()[-1]["B"]] == ["BTC", "USDT", "BNB"]


def test_when_bnb_runs_out_the_full_fee_comes_off_what_is_received(desk: Any) -> None:
    with_bnb(desk, 18_937)
    assert desk.place("BUY", "101", "0.5")["fills"][0]["commissionAsset"] == "BTC"
    assert desk.balance("BTC") == (150_000_000 - 50_000, 0)
    assert desk.place("BUY", "101", "0.4")["fills"][0]["commissionAsset"] == "BNB"
    assert told(desk) == [("0.00050000", "BTC"), ("0.00015150", "BNB")]
    assert desk.balance("BNB") == (18_937 - 15_150, 0)


def test_without_a_price_of_bnb_nobody_pays_in_it(desk: Any) -> None:
    with_bnb(desk, UNIT)
    desk.exchange.bnb_price_e8 = 0
    assert desk.place("SELL", "99", "0.5")["fills"][0]["commissionAsset"] == "USDT"


def test_a_maker_pays_the_makers_rate(quiet: Any) -> None:
    quiet.account.commission = Commission(standard=Rates(maker=50_000, taker=100_000, seller=10_000))
    placed = quiet.place("SELL", "110", "0.5", kind="LIMIT_MAKER")
    quiet.market.offer(Side.BUY, "110", "0.5", TimeInForce.IOC)
    quiet.exchange.advance()
    assert told(quiet) == [("0.03300000", "USDT")]
    assert quiet.account.orders[placed["orderId"]].fills[0].maker


def test_the_rates_are_the_same_wherever_they_are_told(desk: Any) -> None:
    desk.account.commission = replace(DOCUMENTED, standard=Rates(50_000, 100_000, 10_000, 20_000))
    shown = desk.ok("GET", "/api/v3/account/commission", {"symbol": "BTCUSDT"})
    assert shown == {
        "symbol": "BTCUSDT",
        "standardCommission": {
            "maker": "0.00050000",
            "taker": "0.00100000",
            "buyer": "0.00010000",
            "seller": "0.00020000",
        },
        "specialCommission": {
            "maker": "0.01000000",
            "taker": "0.02000000",
            "buyer": "0.03000000",
            "seller": "0.04000000",
        },
        "taxCommission": {
            "maker": "0.00000112",
            "taker": "0.00000114",
            "buyer": "0.00000118",
            "seller": "0.00000116",
        },
        "discount": {
            "enabledForAccount": True,
            "enabledForSymbol": True,
            "discountAsset": "BNB",
            "discount": "0.25000000",
        },
    }
    account = desk.ok("GET", "/api/v3/account")
    assert account["commissionRates"] == shown["standardCommission"]
    legacy = [account[f"{name}Commission"] for name in ("maker", "taker", "buyer", "seller")]
    assert legacy == [5, 10, 1, 2]
    order = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.5", "computeCommissionRates": "true"}
    tested = desk.ok("POST", "/api/v3/order/test", order)
    assert tested == {
        "standardCommissionForOrder": {"maker": "0.00070000", "taker": "0.00120000"},
        "specialCommissionForOrder": {"maker": "0.05000000", "taker": "0.06000000"},
        "taxCommissionForOrder": {"maker": "0.00000228", "taker": "0.00000230"},
        "discount": shown["discount"],
    }


def test_what_fees_are_converted_at_can_be_asked_for_while_somebody_pays_in_bnb(desk: Any) -> None:
    asked = ("GET", "/api/v3/ticker/bookTicker", {"symbol": "BNBUSDT"})
    assert json.loads(desk.call(*asked).body)["code"] == -1121
    with_bnb(desk, UNIT)
    assert desk.ok(*asked, signed=False) == {
        "symbol": "BNBUSDT", "bidPrice": "200.00000000", "bidQty": "1.00000000", "askPrice": "200.00000000",
        "askQty": "1.00000000"}
    assert desk.ok("GET", "/api/v3/ticker/bookTicker", {"symbol": "BTCUSDT"}, signed=False)["symbol"] == "BTCUSDT"


@pytest.mark.parametrize("bnb", [0, 2_000_000, UNIT])
def test_the_audits_balances_are_start_and_trades_less_fees_to_the_last_digit(desk: Any, bnb: int) -> None:
    with_bnb(desk, bnb)
    desk.account.commission = replace(DOCUMENTED, pays_in_bnb=True)
    for side, price, qty in (("BUY", "102", "0.33333"), ("SELL", "98", "0.7"), ("BUY", "101", "0.11117")):
        desk.place(side, price, qty)
    told_ = audit(desk.exchange, None)
    (account,) = told_["accounts"]
    expected = {asset: _e8(row["start"]) for asset, row in account["balances"].items()}
    for fill in account["fills"]:
        sign = 1 if fill["side"] == "BUY" else -1
        expected["BTC"] += sign * _e8(fill["qty"])
        expected["USDT"] -= sign * _e8(fill["quote"])
        expected[fill["commission_asset"]] -= _e8(fill["commission"])
    held = {asset: _e8(row["free"]) + _e8(row["locked"]) for asset, row in account["balances"].items()}
    assert held == expected
    paid: dict[str, int] = {}
    for fill in account["fills"]:
        paid[fill["commission_asset"]] = paid.get(fill["commission_asset"], 0) + _e8(fill["commission"])
    assert {asset: _e8(fee) for asset, fee in told_["fees"].items() if _e8(fee)} == paid
    assert len(paid) == {0: 2, 2_000_000: 2, UNIT: 1}[bnb]


def _e8(text: str) -> int:
    return int(text.replace(".", ""))
