"""Filters and commissions that change while the bot trades: what the engine is told of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from mmcore._native import ffi, lib
from mmcore.exchange.base import Balance, CommissionRates, Discount, SymbolFilters
from mmcore.exchange.binance.filters import SymbolRules
from mmcore.host.assemble import symbol_values
from mmcore.host.rules import RulesWatch
from mmcore.units import E8

FILTERS = SymbolFilters(
    price_min_e8=E8 // 100, price_max_e8=1_000_000 * E8, tick_e8=E8 // 100, qty_min_e8=1000, qty_max_e8=9000 * E8,
    step_e8=1000, notional_min_e8=5 * E8, notional_max_e8=9_000_000 * E8, bid_multiplier_down_e8=E8 // 5,
    bid_multiplier_up_e8=5 * E8, ask_multiplier_down_e8=E8 // 5, ask_multiplier_up_e8=5 * E8, open_orders_max=200)
RULES = SymbolRules(
    symbol="BTCUSDT", status="TRADING", base_asset="BTC", quote_asset="USDT", base_commission_decimals=8,
    quote_commission_decimals=8, order_types=frozenset({"LIMIT_MAKER"}), spot_allowed=True, permission_sets=(),
    stp_modes=frozenset(), amend_allowed=True, replace_allowed=True, filters=FILTERS, filter_names=frozenset())
CHEAPER = CommissionRates(75_000, 75_000, 75_000, 75_000)
RATES = CommissionRates(100_000, 100_000, 100_000, 100_000, Discount("BNB", CHEAPER))


class Told:
    """A watch, and the failures it told of."""

    def __init__(self, rates: CommissionRates = RATES) -> None:
        self.failures: list[Exception] = []
        self.watch = RulesWatch(RULES, rates, 1000 * E8, self.failures.append)


def read(event: Any) -> Any:
    """The symbol as the engine has it after the event."""
    symbol = ffi.new("mm_symbol *", symbol_values(RULES, RATES))
    assert event[0].kind == lib.MM_KIND_RULES
    assert lib.mm_symbol_read(symbol, event) == lib.MM_OK
    return symbol


def with_filters(**changed: int) -> SymbolRules:
    return dataclasses.replace(RULES, filters=dataclasses.replace(FILTERS, **changed))


def test_rules_that_stay_say_nothing_and_rules_that_change_say_all() -> None:
    told = Told()
    assert told.watch.take_rules(RULES) is None
    assert told.watch.take_rules(dataclasses.replace(RULES, status="BREAK")) is None
    event = told.watch.take_rules(with_filters(tick_e8=E8 // 10, notional_min_e8=10 * E8))
    symbol = read(event)
    assert (symbol.tick_e8, symbol.notional_min_e8, symbol.step_e8) == (E8 // 10, 10 * E8, 1000)
    assert (symbol.maker_fee_e8, symbol.taker_fee_e8, symbol.orders_max) == (100_000, 100_000, 200)
    assert told.watch.take_rules(with_filters(tick_e8=E8 // 10, notional_min_e8=10 * E8)) is None
    assert told.failures == []


def test_a_change_is_told_to_a_person_in_plain_numbers(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    symbol = read(told.watch.take_rules(dataclasses.replace(
        with_filters(tick_e8=E8 // 10, open_orders_max=7), amend_allowed=False)))
    assert (symbol.no_amend, symbol.no_replace) == (1, 0)
    assert [line.message for line in caplog.records] == [
        "the exchange has changed the rules of BTCUSDT: tick 0.01, now 0.1; open_orders_max 200, now 7; "
        "amends are no longer allowed"]


def test_another_asset_or_rules_no_order_can_keep_end_the_run_with_a_message() -> None:
    told = Told()
    assert told.watch.take_rules(dataclasses.replace(RULES, quote_asset="USDC")) is None
    assert [str(one) for one in told.failures] == ["BTCUSDT now trades BTC for USDC: start again to trade it"]
    told = Told()
    assert told.watch.take_rules(with_filters(step_e8=0)) is None
    assert "the new rules of BTCUSDT cannot be traded by" in str(told.failures[0])


def test_the_discount_counts_only_while_its_asset_lasts_for_the_largest_order() -> None:
    """0.075 % of 1,000 is 0.75: at 500 each that takes 0.0015."""
    told = Told()
    enough = [Balance("BTC", 1, 0), Balance("BNB", 150_000, 0)]
    short = [Balance("BTC", 1, 0), Balance("BNB", 149_999, 7 * E8)]
    assert told.watch.take_balances(enough) is None, "nobody knows what it is worth"
    assert told.watch.take_price("XRP", 500 * E8) is None
    assert read(told.watch.take_price("BNB", 500 * E8)).maker_fee_e8 == 75_000
    assert told.watch.take_balances(enough) is None
    assert read(told.watch.take_rules(with_filters(tick_e8=7))).maker_fee_e8 == 75_000
    assert read(told.watch.take_balances(short)).maker_fee_e8 == 100_000
    assert told.watch.take_balances(short) is None
    assert read(told.watch.take_price("BNB", 501 * E8)).maker_fee_e8 == 75_000
    assert read(told.watch.take_balances([])).maker_fee_e8 == 100_000


def test_without_a_discount_balances_say_nothing_of_commissions() -> None:
    told = Told(CHEAPER)
    assert told.watch.take_balances([Balance("BNB", E8, 0)]) is None
    assert told.watch.take_balances([]) is None
    assert told.watch.take_price("BNB", E8) is None
