"""From settings and exchangeInfo to what the engine, the gate and the loop are configured with."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from mmcore._native import ffi, lib
from mmcore.config import HostSettings, InventorySettings, RiskSettings, Settings, StrategySettings, Wait
from mmcore.core.engine import Engine
from mmcore.core.gate import Gate
from mmcore.core.loop import Loop
from mmcore.errors import CoreError
from mmcore.exchange.base import CommissionRates
from mmcore.exchange.binance.filters import ExchangeInfo, RateLimit, SymbolRules
from mmcore.host.assemble import (
    budget_limits,
    burst_limit,
    decimals_of,
    engine_config,
    gate_config,
    loop_config,
)

ROOT = Path(__file__).resolve().parents[2]
E8 = 100_000_000
RATES = CommissionRates(maker_buy_e8=100_000, maker_sell_e8=90_000, taker_buy_e8=150_000, taker_sell_e8=200_000)
TEN_SECONDS, DAY = 10_000, 86_400_000

INFO: dict[str, Any] = {
    "serverTime": 1,
    "rateLimits": [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200000},
    ],
    "symbols": [{
        "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
        "orderTypes": ["LIMIT", "LIMIT_MAKER"], "isSpotTradingAllowed": True,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
            {"filterType": "NOTIONAL", "minNotional": "5", "maxNotional": "9000000"},
            {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "5", "bidMultiplierDown": "0.2",
             "askMultiplierUp": "4", "askMultiplierDown": "0.3"},
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        ],
    }],
}


@pytest.fixture(scope="module")
def info() -> ExchangeInfo:
    return ExchangeInfo(INFO)


@pytest.fixture(scope="module")
def rules(info: ExchangeInfo) -> SymbolRules:
    return info.rules("BTCUSDT")


def made(settings: Settings, info: ExchangeInfo, rules: SymbolRules, **more: Any) -> Any:
    values = {"utc_offset_ns": 17, "accept_reset": False, **more}
    return engine_config(settings, rules, RATES, info.rate_limits, **values)


# ---- our own share of the exchange's limits ------------------------------------------------------------------


def test_the_budget_is_what_the_exchange_states(info: ExchangeInfo) -> None:
    budget = budget_limits(info.rate_limits, 50)
    assert budget == {"orders_10s_limit": 100, "orders_day_limit": 200_000, "weight_1m_limit": 6000,
                      "raw_5m_limit": budget["raw_5m_limit"], "orders_pct": 50}
    assert burst_limit(budget) == 10


def test_limits_of_other_kinds_and_windows_are_not_ours() -> None:
    others = (RateLimit("REQUEST_WEIGHT", TEN_SECONDS, 1), RateLimit("ORDERS", 60_000, 1),
              RateLimit("RAW_REQUESTS", DAY, 1))
    assert budget_limits(others, 100) == budget_limits((), 100)
    assert list(budget_limits((), 100).values()) == [50, 160_000, 6000, 61_000, 100]


def test_a_share_of_next_to_nothing_is_still_one_order() -> None:
    assert burst_limit(budget_limits((RateLimit("ORDERS", TEN_SECONDS, 1),), 1)) == 1


def test_a_limit_beyond_what_is_counted_is_bounded() -> None:
    budget = budget_limits((RateLimit("ORDERS", TEN_SECONDS, 10**12), RateLimit("ORDERS", DAY, 10**12)), 100)
    assert (budget["orders_10s_limit"], budget["orders_day_limit"]) == (4000, 10**9)
    assert burst_limit(budget) <= 4000


# ---- decimals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step_e8", "decimals"),
    [(1, 8), (10, 7), (1_000, 5), (1_000_000, 2), (2_500_000, 3), (E8, 0), (5 * E8, 0), (1000 * E8, 0), (15, 8)],
)
def test_decimals_are_as_many_as_a_multiple_of_the_step_needs(step_e8: int, decimals: int) -> None:
    assert decimals_of(step_e8) == decimals


# ---- the engine ----------------------------------------------------------------------------------------------


def test_the_symbols_rules_reach_the_engine_exactly(info: ExchangeInfo, rules: SymbolRules) -> None:
    symbol = made(Settings(), info, rules).raw.symbol
    assert [ffi.string(getattr(symbol, name)) for name in ("name", "base", "quote")] == [b"BTCUSDT", b"BTC", b"USDT"]
    assert (symbol.tick_e8, symbol.step_e8) == (1_000_000, 1_000)
    assert (symbol.price_min_e8, symbol.price_max_e8) == (1_000_000, 1_000_000 * E8)
    assert (symbol.qty_min_e8, symbol.qty_max_e8) == (1_000, 9_000 * E8)
    assert (symbol.notional_min_e8, symbol.notional_max_e8) == (5 * E8, 9_000_000 * E8)
    assert (symbol.bid_up_e8, symbol.bid_down_e8) == (5 * E8, E8 // 5)
    assert (symbol.ask_up_e8, symbol.ask_down_e8) == (4 * E8, 3 * E8 // 10)
    assert symbol.orders_max == 200
    assert (symbol.no_amend, symbol.no_replace) == (0, 0)


def test_what_the_symbol_does_not_allow_is_never_asked_for(info: ExchangeInfo, rules: SymbolRules) -> None:
    symbol = made(Settings(), info, replace(rules, amend_allowed=False, replace_allowed=False)).raw.symbol
    assert (symbol.no_amend, symbol.no_replace) == (1, 1)


def test_the_dearer_side_of_each_fee_is_what_the_engine_counts_with(info: ExchangeInfo, rules: SymbolRules) -> None:
    symbol = made(Settings(), info, rules).raw.symbol
    assert (symbol.maker_fee_e8, symbol.taker_fee_e8) == (100_000, 200_000)


def test_the_defaults_make_an_engine(info: ExchangeInfo, rules: SymbolRules) -> None:
    config = made(Settings(), info, rules)
    assert lib.mm_engine_valid(Engine(config).raw)
    assert config.assets == {"BTC", "USDT"}
    assert (config.raw.utc_offset_ns, config.raw.accept_reset) == (17, 0)
    assert made(Settings(), info, rules, accept_reset=True).raw.accept_reset == 1


def test_limits_that_are_not_set_follow_from_the_others(info: ExchangeInfo, rules: SymbolRules) -> None:
    strategy = replace(StrategySettings(), order_qty_e8=300_000)
    risk = replace(RiskSettings(), position_notional_max_e8=700 * E8)
    limits = made(replace(Settings(), strategy=strategy, risk=risk), info, rules).raw.risk
    assert limits.order_qty_max_e8 == 600_000
    assert limits.open_notional_max_e8 == 1400 * E8


def test_limits_that_are_set_are_kept(info: ExchangeInfo, rules: SymbolRules) -> None:
    risk = replace(RiskSettings(), order_qty_max_e8=123_000, open_notional_max_e8=77 * E8, duplicate_window_ms=150,
                   stale_book_ms=900, loss_speed_pause_s=5)
    limits = made(replace(Settings(), risk=risk), info, rules).raw.risk
    assert (limits.order_qty_max_e8, limits.open_notional_max_e8) == (123_000, 77 * E8)
    assert (limits.duplicate_window_ns, limits.stale_book_ns) == (150_000_000, 900_000_000)
    assert limits.loss_speed_pause_ns == 5_000_000_000


def test_every_limit_of_the_risk_manager_is_set(info: ExchangeInfo, rules: SymbolRules) -> None:
    limits = made(Settings(), info, rules).raw.risk
    unset = [name for name, _ in ffi.typeof("mm_risk_config").fields if not getattr(limits, name) > 0]
    assert unset == ["quiet_max_ns"]  # book.max_quiet_ms, which is off by default


def test_every_strategy_setting_changes_the_configuration(info: ExchangeInfo, rules: SymbolRules) -> None:
    """A setting that reached nothing would be a lie to whoever sets it."""
    base = bytes(ffi.buffer(made(Settings(), info, rules).raw))
    silent = []
    for field in fields(StrategySettings):
        if field.name in ("name", "timeout_ms"):  # the host's own business
            continue
        value = getattr(StrategySettings(), field.name)
        other = not value if isinstance(value, bool) else value * 2 if value else 1.0
        strategy = replace(StrategySettings(), **{field.name: other})
        if bytes(ffi.buffer(made(replace(Settings(), strategy=strategy), info, rules).raw)) == base:
            silent.append(field.name)
    assert silent == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [("inventory_skew", "INVENTORY_SKEW"), ("avellaneda_stoikov", "AVELLANEDA_STOIKOV"), ("my.py:Mine", "PYTHON")],
)
def test_a_strategy_that_is_not_built_in_is_a_python_one(
    info: ExchangeInfo, rules: SymbolRules, name: str, kind: str
) -> None:
    config = made(replace(Settings(), strategy=replace(StrategySettings(), name=name)), info, rules)
    assert config.raw.strategy == getattr(lib, f"MM_STRATEGY_{kind}")


def test_no_inventory_target_means_the_balance_at_the_start(info: ExchangeInfo, rules: SymbolRules) -> None:
    assert made(Settings(), info, rules).raw.inventory_target_e8 == -(2**63)
    inventory = InventorySettings(target_e8=5)
    assert made(replace(Settings(), inventory=inventory), info, rules).raw.inventory_target_e8 == 5


def test_what_does_not_fit_the_engine_is_refused_by_name(info: ExchangeInfo, rules: SymbolRules) -> None:
    strategy = replace(StrategySettings(), kappa=float("nan"))
    with pytest.raises(CoreError, match=r"strategy\.kappa"):
        made(replace(Settings(), strategy=strategy), info, rules)
    risk = replace(RiskSettings(), book_levels_min=0)
    with pytest.raises(CoreError, match="book_levels_min"):
        Engine(made(replace(Settings(), risk=risk), info, rules))


# ---- the gate and the loop -----------------------------------------------------------------------------------


def test_the_gate_repeats_the_engines_last_limits(info: ExchangeInfo, rules: SymbolRules) -> None:
    config = made(Settings(), info, rules)
    values = gate_config(config, order_prefix="mA1-0000001-", api_key="key", rest=True, ed25519=True,
                         stp_mode="EXPIRE_MAKER", mask_seed=9)
    for name in ("stale_decision_ns", "orders_per_1s_max"):
        assert values[name] == getattr(config.raw.risk, name)
    assert values["orders_per_10s_max"] == config.raw.budget.orders_10s_limit
    assert values["orders_per_day_max"] == config.raw.budget.orders_day_limit
    assert (values["wire"], values["signature"]) == (lib.MM_WIRE_REST, lib.MM_SIGN_ED25519)
    assert (values["price_decimals"], values["qty_decimals"]) == (2, 5)
    assert Gate(values).client_id(36, 1, 3) == "mA1-0000001-0000010-a3"


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("wait", Wait)
def test_the_loop_takes_its_configuration(info: ExchangeInfo, rules: SymbolRules, wait: Wait, recorded: bool) -> None:
    settings = replace(Settings(), host=replace(HostSettings(), wait=wait))
    values = loop_config(settings, recorded=recorded)
    assert bool(values["log_records"]) is recorded
    assert values["wait_policy"] == getattr(lib, f"MM_WAIT_{wait.name}")
    loop = Loop(Engine(made(settings, info, rules)), values)
    assert loop.status(1).events == 0


# ---- memory --------------------------------------------------------------------------------------------------


def _anonymous_bytes() -> int:
    """Memory of this process that no file stands behind, as far as it was ever touched."""
    return int(re.findall(r"^RssAnon:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)[0]) * 1024


def tell_memory(recorded: str) -> None:
    """For a process of its own: prints what the parts of a bot say they need, and what they took."""
    known = ExchangeInfo(INFO)
    config = made(Settings(), known, known.rules("BTCUSDT"))
    values = loop_config(Settings(), recorded=recorded == "recorded")
    rings = [values[f"{ring}_records"] for ring in ("market", "exec", "rest", *["action"] * 4, "log")]
    before = _anonymous_bytes()
    parts: list[Any] = [Engine(config)]
    parts.append(Loop(parts[0], values))
    print(config.raw.book_levels, lib.mm_engine_bytes(config.raw) + sum(map(lib.mm_spsc_bytes, rings)),
          _anonymous_bytes() - before)


@pytest.mark.parametrize("recorded", ["recorded", "not recorded"])
def test_engine_rings_pools_and_a_book_of_10000_levels_take_32_mib_at_most(recorded: str) -> None:
    told = subprocess.run([sys.executable, "-c", f"from {__name__} import tell_memory as t; t({recorded!r})"],
                          capture_output=True, text=True, check=True, cwd=ROOT, timeout=60)
    levels, needed_bytes, taken_bytes = map(int, told.stdout.split())
    assert levels == 10_000
    # The loop's own scratch comes on top of what is summed; all of it was touched before the first event.
    assert needed_bytes <= taken_bytes <= 32 << 20, told.stdout
