"""From settings and what the exchange says to the configurations of engine, gate and loop."""

from __future__ import annotations

from typing import Any, Final

from mmcore.config import Settings, Wait
from mmcore.core.engine import EngineConfig
from mmcore.core.kinds import StrategyKind, WaitPolicy
from mmcore.exchange.base import CommissionRates
from mmcore.exchange.binance.filters import RateLimit, SymbolRules

_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_INT64_MIN: Final = -(2**63)
_DAY_MS: Final = 86_400_000
# The exchange's windows by kind and length, and what counts when it does not state one: the smallest figures its
# documentation shows.
_LIMITS: Final = {("ORDERS", 10_000): 50, ("ORDERS", _DAY_MS): 160_000, ("REQUEST_WEIGHT", 60_000): 6000,
                  ("RAW_REQUESTS", 300_000): 61_000}
_ORDERS_10S_MAX: Final = 4000
_LIMIT_MAX: Final = 10**9
_ORDERS_MAX: Final = 32
_TOMBSTONES: Final = 4096
_TRADE_IDS: Final = 65_536
_SYNC_RECORDS: Final = 65_536
_MARKET_RECORDS: Final = 32_768
_EXEC_RECORDS: Final = 4096
_REST_RECORDS: Final = 16_384
_ACTION_RECORDS: Final = 1024
_LOG_RECORDS: Final = 1 << 18
_BATCH_EVENTS: Final = 256

_STRATEGIES: Final = {"inventory_skew": StrategyKind.INVENTORY_SKEW,
                      "avellaneda_stoikov": StrategyKind.AVELLANEDA_STOIKOV}
BUILT_IN: Final = frozenset(_STRATEGIES)
"""Names of the engine's own strategies."""
_WAITS: Final = {Wait.BLOCK: WaitPolicy.BLOCK, Wait.YIELD: WaitPolicy.YIELD, Wait.SPIN: WaitPolicy.SPIN}


def budget_limits(limits: tuple[RateLimit, ...], pct: int) -> dict[str, int]:
    """The exchange's own limits in its windows, and the share of its orders that is ours."""
    stated = {(limit.kind, limit.interval_ms): limit.limit for limit in limits}
    ten, day, weight, raw = (min(max(1, stated.get(window, least)), _LIMIT_MAX) for window, least in _LIMITS.items())
    return {"orders_10s_limit": min(ten, _ORDERS_10S_MAX), "orders_day_limit": day, "weight_1m_limit": weight,
            "raw_5m_limit": raw, "orders_pct": pct}


def burst_limit(budget: dict[str, int]) -> int:
    """Most orders in one second: twice its part of our 10 s. Room for two full re-quotes, and never a burst that leaves
    the sides empty for the seconds that follow."""
    return max(1, budget["orders_10s_limit"] * budget["orders_pct"] // 500)


def engine_config(settings: Settings, rules: SymbolRules, rates: CommissionRates, limits: tuple[RateLimit, ...], *,
                  utc_offset_ns: int, accept_reset: bool, fee_asset: str = "") -> EngineConfig:
    """fee_asset: commissions may be paid in it, its price is asked for; "" = in none but base and quote.

    Raises CoreError naming the field when the values do not fit the engine."""
    strategy, inventory, book = settings.strategy, settings.inventory, settings.book
    target = inventory.target_e8
    budget = budget_limits(limits, settings.risk.order_rate_pct)
    return EngineConfig.of({
        "symbol": symbol_values(rules, rates),
        "signal": {
            "imbalance_levels": settings.signal.imbalance_levels,
            "volatility_halflife_s": settings.signal.volatility_halflife_s,
            "trade_flow_halflife_s": settings.signal.trade_flow_halflife_s,
            "warmup_s": settings.signal.warmup_s,
        },
        "budget": budget,
        "risk": _risk(settings, burst_limit(budget)),
        "quote": _quote(settings),
        "order": {
            "reply_timeout_ns": _NS_PER_S,
            "recv_window_ns": _NS_PER_S,
            "unknown_first_ns": 300 * _NS_PER_MS,
            "unknown_settle_ns": 12 * _NS_PER_S,
            "tombstone_ns": _DAY_MS * _NS_PER_MS,
        },
        "strategy": _STRATEGIES.get(strategy.name, StrategyKind.PYTHON),
        "refresh_tolerance_bps": strategy.refresh_tolerance_bps,
        "inventory_target_e8": _INT64_MIN if target is None else target,
        "book_levels": book.levels,
        "sync_records": _SYNC_RECORDS,
        "snapshot_levels": book.snapshot_levels,
        "orders_max": _ORDERS_MAX,
        "tombstones": _TOMBSTONES,
        "trade_ids": _TRADE_IDS,
        "crossed_max_ns": 250 * _NS_PER_MS,
        "warm_ns": 0,
        "stop_confirm_ns": _NS_PER_S,
        "audit_ns": book.audit_s * _NS_PER_S,
        "reconcile_open_ns": settings.reconcile.open_orders_s * _NS_PER_S,
        "reconcile_trades_ns": settings.reconcile.trades_s * _NS_PER_S,
        "reconcile_account_ns": settings.reconcile.account_s * _NS_PER_S,
        "fee_asset": fee_asset.encode(),
        "accept_reset": int(accept_reset),
        "utc_offset_ns": utc_offset_ns,
    })


def symbol_values(rules: SymbolRules, rates: CommissionRates) -> dict[str, Any]:
    """The fields of `mm_symbol`."""
    filters = rules.filters
    return {
        "name": rules.symbol.encode(), "base": rules.base_asset.encode(), "quote": rules.quote_asset.encode(),
        "tick_e8": filters.tick_e8, "step_e8": filters.step_e8,
        "price_min_e8": filters.price_min_e8, "price_max_e8": filters.price_max_e8,
        "qty_min_e8": filters.qty_min_e8, "qty_max_e8": filters.qty_max_e8,
        "notional_min_e8": filters.notional_min_e8, "notional_max_e8": filters.notional_max_e8,
        "bid_up_e8": filters.bid_multiplier_up_e8, "bid_down_e8": filters.bid_multiplier_down_e8,
        "ask_up_e8": filters.ask_multiplier_up_e8, "ask_down_e8": filters.ask_multiplier_down_e8,
        "orders_max": filters.open_orders_max,
        "maker_fee_e8": max(rates.maker_buy_e8, rates.maker_sell_e8),
        "taker_fee_e8": max(rates.taker_buy_e8, rates.taker_sell_e8),
        "no_amend": int(not rules.amend_allowed), "no_replace": int(not rules.replace_allowed),
    }


def _quote(settings: Settings) -> dict[str, Any]:
    s = settings.strategy
    return {
        "order_qty_e8": s.order_qty_e8, "max_position_e8": s.max_position_e8, "layers": s.layers,
        "layer_step_bps": s.layer_step_bps, "min_spread_bps": s.min_spread_bps, "max_spread_bps": s.max_spread_bps,
        "vol_mult": s.vol_mult, "skew": s.skew, "alpha_weight": s.alpha_weight,
        "imbalance_weight": s.imbalance_weight, "allow_negative_edge": int(s.allow_negative_edge),
        "risk_factor": s.risk_factor, "kappa": s.kappa, "horizon_s": s.horizon_s,
        "order_amount_shape_factor": s.order_amount_shape_factor, "min_spread_pct": s.min_spread,
    }


def _risk(settings: Settings, per_1s: int) -> dict[str, Any]:
    r, order_qty_e8 = settings.risk, settings.strategy.order_qty_e8
    return {
        "order_qty_max_e8": r.order_qty_max_e8 if r.order_qty_max_e8 is not None else 2 * order_qty_e8,
        "order_notional_max_e8": r.order_notional_max_e8,
        "collar_order_bps": r.collar_order_bps, "collar_period_bps": r.collar_period_bps,
        "cross_guard_ticks": r.cross_guard_ticks,
        "position_max_e8": r.position_max_e8, "position_notional_max_e8": r.position_notional_max_e8,
        "reducing_pct": r.reducing_pct,
        "open_notional_max_e8": (r.open_notional_max_e8 if r.open_notional_max_e8 is not None
                                 else 2 * r.position_notional_max_e8),
        "open_orders_max": r.open_orders_max_per_side, "in_flight_max": r.in_flight_max_per_side,
        "unknown_max": r.unknown_max,
        "orders_per_1s_max": per_1s,
        "rejects_per_min_max": r.rejects_per_min, "duplicate_window_ns": r.duplicate_window_ms * _NS_PER_MS,
        "stale_book_ns": r.stale_book_ms * _NS_PER_MS, "ticker_ahead_ns": r.ticker_ahead_ms * _NS_PER_MS,
        "quiet_max_ns": settings.book.max_quiet_ms * _NS_PER_MS,
        "stale_decision_ns": r.stale_decision_ms * _NS_PER_MS, "book_levels_min": r.book_levels_min,
        "malformed_per_min_max": 3,
        "loss_session_max_e8": r.loss_session_max_e8, "loss_day_max_e8": r.loss_day_max_e8,
        "drawdown_halt_pct": r.drawdown_halt_pct, "drawdown_kill_pct": r.drawdown_kill_pct,
        "loss_speed_max_e8": r.loss_speed_max_e8, "loss_speed_pause_ns": r.loss_speed_pause_s * _NS_PER_S,
    }


def gate_config(config: EngineConfig, *, order_prefix: str, api_key: str, rest: bool, ed25519: bool, stp_mode: str,
                mask_seed: int) -> dict[str, Any]:
    """The gate repeats the engine's last limits: it trusts nobody. Its windows are the exchange's own: it knows of no
    fills, for which the exchange gives orders back."""
    symbol, risk, budget = config.raw.symbol, config.raw.risk, config.raw.budget
    return {
        "symbol": symbol.name, "order_prefix": order_prefix.encode(), "api_key": api_key.encode(),
        "stp_mode": stp_mode.encode(),
        "wire": int(rest), "signature": int(ed25519),
        "price_decimals": decimals_of(int(symbol.tick_e8)), "qty_decimals": decimals_of(int(symbol.step_e8)),
        "place_window_ms": 1000, "other_window_ms": 5000,
        "stale_decision_ns": risk.stale_decision_ns, "orders_per_1s_max": risk.orders_per_1s_max,
        "orders_per_10s_max": budget.orders_10s_limit, "orders_per_day_max": budget.orders_day_limit,
        "mask_seed": mask_seed,
    }


def decimals_of(step_e8: int) -> int:
    """Decimals a multiple of `step_e8` needs: 1e-5 has 5."""
    decimals = 8
    while decimals > 0 and step_e8 % 10 == 0:
        step_e8 //= 10
        decimals -= 1
    return decimals


def loop_config(settings: Settings, *, recorded: bool) -> dict[str, int]:
    """Capacities of the rings in records of 64 bytes."""
    return {
        "market_records": _MARKET_RECORDS, "exec_records": _EXEC_RECORDS, "rest_records": _REST_RECORDS,
        "action_records": _ACTION_RECORDS, "log_records": _LOG_RECORDS if recorded else 0,
        "wait_policy": _WAITS[settings.host.wait], "batch_events": _BATCH_EVENTS,
    }
