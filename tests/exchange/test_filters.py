"""exchangeInfo to exact rules: on every recording, on today's shape, and order checks against plain arithmetic."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.errors import ExitCode, UnreachableError
from mmcore.exchange.base import Side, SymbolError
from mmcore.exchange.binance.filters import ExchangeInfo, FilterFailure, RateLimit, SymbolRules
from mmcore.units import E8, INT64_MAX


def cryptofeed(path: Path) -> dict[str, Any]:
    for line in path.read_text().splitlines():
        match = re.fullmatch(r"https://\S+/exchangeInfo -> [\d.]+: (\{.*\})", line)
        if match:
            document: dict[str, Any] = json.loads(match[1])
            return document
    raise AssertionError(f"{path} has no exchangeInfo")


def vcr(path: Path) -> dict[str, Any]:
    match = re.search(r"^  body: '(\{.*\})'$", path.read_text(), re.MULTILINE)
    assert match is not None
    document: dict[str, Any] = json.loads(match[1].replace("''", "'"))
    return document


def recorded(data_dir: Path, name: str) -> dict[str, Any]:
    path = data_dir / name
    return vcr(path) if path.suffix == ".yml" else cryptofeed(path)


RECORDINGS = [
    # file, symbols, of which twice maxQty does not fit int64
    ("cryptofeed/BINANCE.0", 1695, 10),
    ("cryptofeed/BINANCE_US.0", 121, 2),
    ("mwlang_binance/binance.com_public_exchange_info.yml", 542, 0),
]


@pytest.mark.parametrize(("name", "count", "too_large"), RECORDINGS)
def test_every_symbol_of_a_recording_is_read_exactly_or_refused_by_name(
    data_dir: Path, name: str, count: int, too_large: int
) -> None:
    document = recorded(data_dir, name)
    info = ExchangeInfo(document)
    assert len(info.symbols) == count
    refused = 0
    for entry in document["symbols"]:
        lot = next(f for f in entry["filters"] if f["filterType"] == "LOT_SIZE")
        if Fraction(lot["maxQty"]) * 2 * E8 > INT64_MAX:
            with pytest.raises(SymbolError, match=f"^{entry['symbol']}: LOT_SIZE maxQty .* too large"):
                info.rules(entry["symbol"])
            refused += 1
            continue
        rules = info.rules(entry["symbol"])
        assert_equal_to_source(rules, entry)
        assert (rules.refusal() is None) == (entry["status"] == "TRADING" and entry["isSpotTradingAllowed"])
    assert refused == too_large


def assert_equal_to_source(rules: SymbolRules, entry: dict[str, Any]) -> None:
    """An independent reading of the source with fractions."""
    by_type = {f["filterType"]: f for f in entry["filters"]}

    def source(name: str, field: str) -> Fraction:
        return Fraction(by_type.get(name, {}).get(field, "0"))

    limits = rules.filters
    for got, expected in (
        (limits.price_min_e8, source("PRICE_FILTER", "minPrice")),
        (limits.price_max_e8, source("PRICE_FILTER", "maxPrice")),
        (limits.tick_e8, source("PRICE_FILTER", "tickSize")),
        (limits.qty_min_e8, source("LOT_SIZE", "minQty")),
        (limits.qty_max_e8, source("LOT_SIZE", "maxQty")),
        (limits.step_e8, source("LOT_SIZE", "stepSize")),
        (limits.notional_min_e8, source("MIN_NOTIONAL", "minNotional")),
        (limits.bid_multiplier_up_e8, source("PERCENT_PRICE", "multiplierUp")),
        (limits.ask_multiplier_down_e8, source("PERCENT_PRICE", "multiplierDown")),
    ):
        assert Fraction(got, E8) == expected, entry["symbol"]
    assert rules.base_asset + rules.quote_asset == entry["symbol"]
    if "MAX_NUM_ORDERS" in by_type:
        assert limits.open_orders_max == by_type["MAX_NUM_ORDERS"]["maxNumOrders"]
    assert rules.filter_names == set(by_type)


def test_the_rate_limits_of_a_recording_are_read(data_dir: Path) -> None:
    assert ExchangeInfo(recorded(data_dir, "cryptofeed/BINANCE.0")).rate_limits == (
        RateLimit("REQUEST_WEIGHT", 60_000, 1200),
        RateLimit("ORDERS", 10_000, 50),
        RateLimit("ORDERS", 86_400_000, 160_000),
        RateLimit("RAW_REQUESTS", 300_000, 6100),
    )


def today(**changes: Any) -> dict[str, Any]:
    """An exchangeInfo of today's shape with one symbol; `changes` replace keys of the symbol, None removes one."""
    entry: dict[str, Any] = {
        "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "baseAssetPrecision": 8, "quoteAsset": "USDT",
        "quotePrecision": 8, "quoteAssetPrecision": 8, "baseCommissionPrecision": 8, "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"], "isSpotTradingAllowed": True, "amendAllowed": True,
        "filters": filters(), "permissions": [], "permissionSets": [["SPOT", "MARGIN"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"],
    }
    entry.update(changes)
    return {
        "timezone": "UTC", "serverTime": 1784592000123,
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
            {"rateLimitType": "CONNECTIONS", "interval": "MINUTE", "intervalNum": 5, "limit": 300},
            {"rateLimitType": "THOUGHTS", "interval": "FORTNIGHT", "intervalNum": 1, "limit": 1},
        ],
        "exchangeFilters": [{"filterType": "EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders": 150}],
        "symbols": [{k: v for k, v in entry.items() if v is not None}],
    }


def filters(*extra: dict[str, Any], without: str = "") -> list[dict[str, Any]]:
    usual: list[dict[str, Any]] = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.00000000",
         "tickSize": "0.01000000"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
        {"filterType": "ICEBERG_PARTS", "limit": 100},
        {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "2", "bidMultiplierDown": "0.5",
         "askMultiplierUp": "5", "askMultiplierDown": "0.8", "avgPriceMins": 5},
        {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True,
         "maxNotional": "9000000.00000000", "applyMaxToMarket": False, "avgPriceMins": 5},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "T_PLUS_SELL", "endTime": 5},
    ]
    return [f for f in usual if f["filterType"] != without] + list(extra)


def rules_of(**changes: Any) -> SymbolRules:
    return ExchangeInfo(today(**changes)).rules("BTCUSDT")


def test_todays_shape_is_read_and_unknown_filters_and_limits_are_passed_over() -> None:
    info = ExchangeInfo(today())
    rules = info.rules("BTCUSDT")
    assert info.server_time_ms == 1784592000123
    assert [limit.kind for limit in info.rate_limits] == ["REQUEST_WEIGHT", "ORDERS", "CONNECTIONS"]
    assert rules.refusal() is None
    assert rules.refusal(["SPOT"]) is None
    assert {"ICEBERG_PARTS", "T_PLUS_SELL"} < rules.filter_names
    assert rules.filters.open_orders_max == 150, "the account-wide limit is the lower one"
    assert "EXPIRE_TAKER" in rules.stp_modes
    assert (rules.amend_allowed, rules.replace_allowed) == (True, True)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"status": "BREAK"}, "status is BREAK"),
        ({"status": "CANCEL_ONLY"}, "status is CANCEL_ONLY"),
        ({"status": "A_STATE_OF_2031\n"}, r"status is A_STATE_OF_2031\?"),
        ({"isSpotTradingAllowed": False}, "not open to spot"),
        ({"orderTypes": ["LIMIT"]}, "post-only"),
    ],
)
def test_a_symbol_that_takes_no_post_only_orders_says_why(changes: dict[str, Any], text: str) -> None:
    refusal = rules_of(**changes).refusal()
    assert refusal is not None
    assert re.search(text, refusal)


def test_permission_sets_are_an_and_of_ors() -> None:
    rules = rules_of(permissionSets=[["SPOT", "MARGIN"], ["TRD_GRP_004", "TRD_GRP_005"]])
    assert rules.refusal(["SPOT", "TRD_GRP_005"]) is None
    assert "no permission" in (rules.refusal(["SPOT"]) or "")
    assert "no permission" in (rules.refusal(["TRD_GRP_004"]) or "")


def test_an_unlisted_symbol_is_named_and_is_a_configuration_error() -> None:
    with pytest.raises(SymbolError, match=r"BTC\?USD is not listed") as caught:
        ExchangeInfo(today()).rules("BTC\nUSD")
    assert caught.value.exit_code is ExitCode.USAGE


def test_an_odd_symbol_elsewhere_does_not_matter() -> None:
    document = today()
    document["symbols"] += [{"symbol": "ODD"}, {"filters": 7}, 5, {"symbol": "这是测试币456", "filters": []}]
    assert ExchangeInfo(document).rules("BTCUSDT").symbol == "BTCUSDT"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"filters": filters(without="PRICE_FILTER")}, "BTCUSDT: exchangeInfo has no PRICE_FILTER"),
        ({"filters": filters(without="LOT_SIZE")}, "BTCUSDT: exchangeInfo has no LOT_SIZE"),
        ({"filters": filters({"filterType": "LOT_SIZE", "minQty": "0", "maxQty": "46116860414.00", "stepSize": "1"})},
         "LOT_SIZE maxQty 46116860414 is too large: twice that"),
        ({"filters": filters({"filterType": "LOT_SIZE", "minQty": "0", "maxQty": "99999999999999", "stepSize": "1"})},
         "LOT_SIZE maxQty 99999999999999 does not fit"),
        ({"filters": filters({"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "0", "tickSize": "0"})},
         "tickSize .* above 0"),
        ({"filters": filters({"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "0",
                              "tickSize": "0.0000000001"})}, "tickSize 0.0000000001 has more than 8 decimals"),
        ({"filters": filters({"filterType": "NOTIONAL", "minNotional": "NaN"})}, "NOTIONAL minNotional NaN is not"),
        ({"filters": filters({"filterType": "NOTIONAL", "minNotional": "-5"})}, "minNotional -5 is negative"),
    ],
)
def test_a_symbol_that_cannot_be_traded_exactly_is_refused_with_filter_and_number(
    changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(SymbolError, match=text):
        rules_of(**changes)


@pytest.mark.parametrize("changes", [{"baseAsset": "LONGER_THAN_15_B"}, {"quoteAsset": "币"}])
def test_a_symbol_of_assets_whose_names_the_core_cannot_hold_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SymbolError, match=r"BTCUSDT: (base|quote)Asset \S+ is not 1 to 15 characters of ASCII"):
        rules_of(**changes)


def test_an_open_orders_limit_that_the_core_cannot_hold_is_refused() -> None:
    limit = {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": -2**63}
    with pytest.raises(UnreachableError, match="maxNumOrders"):
        rules_of(filters=filters(limit, without="MAX_NUM_ORDERS"))


def test_the_largest_quantity_that_still_fits_twice_is_accepted() -> None:
    largest = f"{INT64_MAX // 2 // E8}.{INT64_MAX // 2 % E8:08d}"
    rules = rules_of(filters=filters({"filterType": "LOT_SIZE", "minQty": "0", "maxQty": largest, "stepSize": "1"}))
    assert 2 * rules.filters.qty_max_e8 == INT64_MAX - 1


@pytest.mark.parametrize("document", [{}, {"symbols": 5}, {"symbols": [], "serverTime": "x"},
                                      {"symbols": [], "rateLimits": [{"interval": "DAY", "limit": 1.5}]},
                                      {"symbols": [], "rateLimits": [{"interval": "DAY", "limit": 0}]},
                                      {"symbols": [], "rateLimits": [{"interval": "DAY", "limit": 2**31}]}])
def test_an_answer_that_is_no_exchange_info_is_no_exchange(document: dict[str, Any]) -> None:
    with pytest.raises(UnreachableError, match="exchangeInfo"):
        ExchangeInfo(document)


@pytest.mark.parametrize(
    ("side", "price", "qty", "reference", "open_orders", "expected"),
    [
        (Side.BUY, "100", "0.05", "100", 0, []),
        (Side.SELL, "1000", "9000", "1000", 0, []),
        (Side.BUY, "0.001", "9000", "0", 0,
         ["PRICE_FILTER: price 0.001 is under minPrice 0.01",
          "PRICE_FILTER: price 0.001 is not a multiple of tickSize 0.01"]),
        (Side.SELL, "1000000.01", "0.00001", "0", 0, ["PRICE_FILTER: price 1000000.01 is over maxPrice 1000000"]),
        (Side.BUY, "100", "0.00000999", "0", 0,
         ["LOT_SIZE: quantity 0.00000999 is under minQty 0.00001",
          "LOT_SIZE: quantity 0.00000999 is not a multiple of stepSize 0.00001",
          "NOTIONAL: price x quantity 0.000999 is under minNotional 5"]),
        (Side.SELL, "1000", "9000.00001", "0", 0,
         ["LOT_SIZE: quantity 9000.00001 is over maxQty 9000",
          "NOTIONAL: price x quantity 9000000.01 is over maxNotional 9000000"]),
        (Side.BUY, "49.99", "1", "100", 0,
         ["PERCENT_PRICE_BY_SIDE: BUY price 49.99 is under 0.5 x the reference price 100"]),
        (Side.BUY, "50", "1", "100", 0, []),
        (Side.BUY, "200", "1", "100", 0, []),
        (Side.BUY, "200.01", "1", "100", 0,
         ["PERCENT_PRICE_BY_SIDE: BUY price 200.01 is over 2 x the reference price 100"]),
        (Side.SELL, "79.99", "1", "100", 0,
         ["PERCENT_PRICE_BY_SIDE: SELL price 79.99 is under 0.8 x the reference price 100"]),
        (Side.SELL, "500", "1", "100", 149, []),
        (Side.SELL, "500", "1", "100", 150, ["MAX_NUM_ORDERS: 150 orders are open, 150 are allowed"]),
    ],
)
def test_an_order_that_fails_is_told_the_filter_and_the_numbers(
    side: Side, price: str, qty: str, reference: str, open_orders: int, expected: list[str]
) -> None:
    def e8(text: str) -> int:
        return int(Fraction(text) * E8)

    failures = rules_of().check(side, e8(price), e8(qty), reference_price_e8=e8(reference), open_orders=open_orders)
    assert [str(failure) for failure in failures] == expected


@pytest.mark.parametrize(
    ("qty", "price", "expected"),
    [
        ("0.001", "67000.01", None),
        ("0.0010099", "67000.01", None),  # rounded down to the lot as the bot does
        ("0.001", None, None),
        ("0.00005", "67000.019", "strategy.order_qty 0.00005 cannot be placed on BTCUSDT at a price of 67000.01: "
                                 "NOTIONAL: price x quantity 3.3500005 is under minNotional 5"),
        ("0.000009", "67000", "strategy.order_qty 0.000009 cannot be placed on BTCUSDT at a price of 67000: "
                              "LOT_SIZE: quantity 0 is under minQty 0.00001; "
                              "NOTIONAL: price x quantity 0 is under minNotional 5"),
        ("9001", None, "strategy.order_qty 9001 cannot be placed on BTCUSDT: "
                       "LOT_SIZE: quantity 9001 is over maxQty 9000"),
    ],
)
def test_a_configured_size_that_cannot_be_placed_names_the_filter_and_the_numbers(
    qty: str, price: str | None, expected: str | None
) -> None:
    price_e8 = None if price is None else int(Fraction(price) * E8)
    assert rules_of().size_refusal(int(Fraction(qty) * E8), price_e8) == expected


def test_an_account_that_holds_what_max_position_allows_is_told_that_it_cannot_buy() -> None:
    entry = today()["symbols"][0]
    filters = [*entry["filters"], {"filterType": "MAX_POSITION", "maxPosition": "10.5"}]
    rules = rules_of(filters=filters)
    assert rules.position_refusal(E8 // 2, 10 * E8) is None
    assert rules.position_refusal(E8 // 2, 10 * E8 + 1) == (
        "MAX_POSITION: the account holds 10.00000001 BTC, 0.5 more are over maxPosition 10.5")
    assert rules_of().position_refusal(10**18, 10**18) is None, "a symbol without the filter has no such limit"


def test_a_self_trade_prevention_the_symbol_does_not_allow_is_named_with_those_it_does() -> None:
    rules = rules_of(allowedSelfTradePreventionModes=["EXPIRE_MAKER", "EXPIRE_BOTH"])
    assert rules.stp_refusal("EXPIRE_MAKER") is None
    assert rules.stp_refusal("EXPIRE_TAKER") == (
        "BTCUSDT does not allow exchange.stp_mode EXPIRE_TAKER; it allows EXPIRE_BOTH, EXPIRE_MAKER")
    assert rules_of(allowedSelfTradePreventionModes=None).stp_refusal("EXPIRE_TAKER") is None


@pytest.mark.parametrize(("said", "allowed"), [(True, True), (False, False), (None, True)])
def test_amends_and_replacements_are_allowed_unless_the_exchange_says_no(said: bool | None, allowed: bool) -> None:
    assert rules_of(amendAllowed=said).amend_allowed is allowed
    assert rules_of(cancelReplaceAllowed=said).replace_allowed is allowed


def test_old_filters_are_told_by_their_own_names() -> None:
    old = [f for f in filters() if f["filterType"] in ("PRICE_FILTER", "LOT_SIZE")]
    rules = rules_of(filters=[*old, {"filterType": "MIN_NOTIONAL", "minNotional": "10"},
                              {"filterType": "PERCENT_PRICE", "multiplierUp": "1.2", "multiplierDown": "0.8"}])
    failures = rules.check(Side.BUY, 130 * E8, E8 // 100, reference_price_e8=100 * E8)
    assert failures == (
        FilterFailure("PERCENT_PRICE", "BUY price 130 is over 1.2 x the reference price 100"),
        FilterFailure("MIN_NOTIONAL", "price x quantity 1.3 is under minNotional 10"),
    )


@given(
    price_e8=st.integers(1, 2**62), qty_e8=st.integers(1, 2**62), reference_e8=st.integers(0, 2**62),
    side=st.sampled_from(Side),
)
def test_a_verdict_equals_exact_fractions_for_any_order(
    price_e8: int, qty_e8: int, reference_e8: int, side: Side
) -> None:
    price, qty, reference = (Fraction(value, E8) for value in (price_e8, qty_e8, reference_e8))
    down, up = (Fraction(1, 2), 2) if side is Side.BUY else (Fraction(4, 5), 5)
    expected = {
        "PRICE_FILTER": not Fraction(1, 100) <= price <= 1_000_000 or (price * 100).denominator != 1,
        "LOT_SIZE": not Fraction(1, 100_000) <= qty <= 9000 or (qty * 100_000).denominator != 1,
        "NOTIONAL": not 5 <= price * qty <= 9_000_000,
        "PERCENT_PRICE_BY_SIDE": reference > 0 and not down * reference <= price <= up * reference,
    }
    failures = rules_of().check(side, price_e8, qty_e8, reference_price_e8=reference_e8)
    assert {failure.filter for failure in failures} == {name for name, fails in expected.items() if fails}
