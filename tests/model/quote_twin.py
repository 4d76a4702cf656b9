"""The strategies once more in plain Python: floats in the same order of operations, integers without bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

Level = tuple[int, int]

PRICE_MAX = 2**62
ONE_E8 = 10**8


@dataclass(frozen=True)
class Market:
    bid_e8: int
    ask_e8: int
    tick_e8: int
    step_e8: int
    maker_fee_e8: int = 0
    position_e8: int = 0
    alpha: float = 0.0
    volatility: float = 0.0
    imbalance: float = 0.0


@dataclass(frozen=True)
class Parameters:
    """Named as in the settings; `min_spread_pct` is the field's `min_spread`."""

    order_qty_e8: int = 100_000
    max_position_e8: int = 1_000_000
    layers: int = 1
    layer_step_bps: float = 3.0
    min_spread_bps: float = 20.0
    max_spread_bps: float = 100.0
    vol_mult: float = 1.0
    skew: float = 0.5
    alpha_weight: float = 0.1
    imbalance_weight: float = 0.1
    allow_negative_edge: int = 0
    risk_factor: float = 1.0
    kappa: float = 1.5
    horizon_s: float = 60.0
    order_amount_shape_factor: float = 0.0
    min_spread_pct: float = 0.0

    def values(self) -> dict[str, int | float]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass
class Side:
    levels: list[Level] = field(default_factory=list)
    reason: str = ""


def _clamp(value: float, low: float, high: float) -> float:
    if value < low:
        return low
    return high if value > high else value


def skew_prices(p: Parameters, m: Market) -> tuple[float, float, float, float]:
    """Mid, reservation price, half width, inventory."""
    mid = float(m.bid_e8 + m.ask_e8) * 0.5
    spread = float(m.ask_e8 - m.bid_e8)
    min_half = mid * p.min_spread_bps * 0.5e-4
    max_half = mid * p.max_spread_bps * 0.5e-4
    half = _clamp(spread * 0.5 + mid * m.volatility * p.vol_mult, min_half, max_half)
    inventory = _clamp(float(m.position_e8) / float(p.max_position_e8), -1.0, 1.0)
    lean = m.alpha * p.alpha_weight + m.imbalance * p.imbalance_weight
    return mid, mid + lean * half - inventory * p.skew * half, half, inventory


def bid_at(price: int, m: Market) -> int:
    """The tick at or under, under the best ask; 0 where that is no price."""
    return max(min(price, m.ask_e8 - m.tick_e8) // m.tick_e8 * m.tick_e8, 0)


def ask_at(price: int, m: Market) -> int:
    """The tick at or over, over the best bid; 0 where that is no price."""
    ask = -(-max(price, m.bid_e8 + m.tick_e8) // m.tick_e8) * m.tick_e8
    return ask if ask <= PRICE_MAX else 0


def prices_around(m: Market, fair: float, half: float) -> tuple[int, int]:
    """Both 0 where one of them lies too far out."""
    if not abs(fair) + half < PRICE_MAX:
        return 0, 0
    return bid_at(int(fair - half), m), ask_at(int(fair + half), m)


def best_prices(p: Parameters, m: Market, fair: float, half: float) -> tuple[int, int]:
    bid, ask = prices_around(m, fair, half)
    floor = max(-(-(m.bid_e8 + m.ask_e8) * m.maker_fee_e8 // ONE_E8), 0)
    if p.allow_negative_edge or (bid and ask and ask - bid >= floor):
        return bid, ask
    half = max(floor * 0.5, half)
    bid, ask = prices_around(m, fair, half)
    if bid and ask and ask - bid < floor:
        ask = ask_at(bid + floor, m)
    return bid, ask


def _layers(p: Parameters, m: Market, mid: float, best: int, qty: int, way: int) -> list[Level]:
    step = max(mid * p.layer_step_bps * 1e-4, float(m.tick_e8))
    levels = []
    for layer in range(p.layers):
        if not layer * step < PRICE_MAX // 2:
            break
        price = best + way * int(layer * step)
        price = bid_at(price, m) if way < 0 else ask_at(price, m)
        if price == 0:
            break
        levels.append((price, qty))
    return levels


def _quotes(p: Parameters, m: Market, mid: float, fair: float, half: float, bid_size: float,
            ask_size: float) -> tuple[Side, Side]:
    bid, ask = best_prices(p, m, fair, half)
    sides = Side(), Side()
    for side, best, size, way, room in zip(
            sides, (bid, ask), (bid_size, ask_size), (-1, 1),
            (m.position_e8 < p.max_position_e8, m.position_e8 > -p.max_position_e8), strict=True):
        qty = int(size) // m.step_e8 * m.step_e8
        if not room:
            side.reason = "POSITION_LIMIT"
        elif best == 0 or qty == 0:
            side.reason = "STRATEGY_PASS"
        else:
            side.levels = _layers(p, m, mid, best, qty, way)
    return sides


def inventory_skew(p: Parameters, m: Market) -> tuple[Side, Side]:
    mid, fair, half, inventory = skew_prices(p, m)
    size = float(p.order_qty_e8)
    return _quotes(p, m, mid, fair, half, size * (1.0 - max(inventory, 0.0)), size * (1.0 + min(inventory, 0.0)))


def avellaneda_stoikov(p: Parameters, m: Market) -> tuple[Side, Side]:
    mid = float(m.bid_e8 + m.ask_e8) * 0.5
    q = _clamp(float(m.position_e8) / float(p.max_position_e8), -1.0, 1.0)
    risk = p.risk_factor * (mid * m.volatility * math.sqrt(p.horizon_s))
    constant = 2.0 / p.risk_factor * math.log1p(p.risk_factor / p.kappa)
    spread = risk + constant * ONE_E8
    min_half = mid * p.min_spread_pct * 0.5e-2
    reservation = mid - q * risk
    ask = max(reservation + spread * 0.5, mid + min_half)
    bid = min(reservation - spread * 0.5, mid - min_half)
    size = float(p.order_qty_e8)
    shrunk = size * _decay(p.order_amount_shape_factor, abs(q))
    return _quotes(p, m, mid, (ask + bid) * 0.5, (ask - bid) * 0.5, shrunk if q > 0 else size,
                   shrunk if q < 0 else size)


def _decay(eta: float, q: float) -> float:
    """exp(-eta * q) with q to the nearest 1/256, as a product of halved powers."""
    steps, product, power = int(q * 256 + 0.5), 1.0, eta
    for bit in range(9):
        if steps & (256 >> bit):
            product *= math.exp(-power)
        power *= 0.5
    return product


def fit(m: Market, guard_ticks: int, bids: list[Level], asks: list[Level]) -> tuple[list[Level], list[Level]]:
    """Wishes on tick and lot, behind the guard, best first, one a price; none at all where own quotes would cross."""
    highest = (m.ask_e8 - guard_ticks * m.tick_e8) // m.tick_e8 * m.tick_e8
    lowest = -(-(m.bid_e8 + guard_ticks * m.tick_e8) // m.tick_e8) * m.tick_e8
    fitted: list[list[Level]] = []
    for wishes, way in ((bids, -1), (asks, 1)):
        kept: dict[int, int] = {}
        for price, qty in wishes:
            if not (0 < price <= PRICE_MAX and 0 < qty <= PRICE_MAX):
                continue
            rounded = price // m.tick_e8 * m.tick_e8 if way < 0 else -(-price // m.tick_e8) * m.tick_e8
            guarded = min(rounded, highest) if way < 0 else max(rounded, lowest)
            qty = qty // m.step_e8 * m.step_e8
            if 0 < rounded <= PRICE_MAX and 0 < guarded <= PRICE_MAX and qty > 0:
                kept.setdefault(guarded, qty)
        fitted.append(sorted(kept.items(), key=lambda level: way * level[0]))
    if fitted[0] and fitted[1] and fitted[0][0][0] >= fitted[1][0][0]:
        return [], []
    return fitted[0], fitted[1]
