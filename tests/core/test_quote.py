"""The strategies through cffi against their Python twins, number for number."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.core.engine import reasons
from mmcore.core.quote import QuoteConfig, QuoteInput, Quotes, avellaneda_stoikov, fit, inventory_skew
from mmcore.errors import CoreError
from tests.model import quote_twin as twin

E8 = 10**8


def shown(m: twin.Market) -> QuoteInput:
    return QuoteInput(bid=(m.bid_e8, E8), ask=(m.ask_e8, E8), tick_e8=m.tick_e8, step_e8=m.step_e8,
                      maker_fee_e8=m.maker_fee_e8, position_e8=m.position_e8, alpha=m.alpha,
                      volatility=m.volatility, imbalance=m.imbalance)


def same(quotes: Quotes, wanted: tuple[twin.Side, twin.Side]) -> bool:
    return all(
        list(levels) == side.levels and reasons(verdict) == ([side.reason] if side.reason else [])
        for levels, verdict, side in zip((quotes.bids, quotes.asks), (quotes.bid_verdict, quotes.ask_verdict), wanted,
                                         strict=True))


def some_market(rng: random.Random) -> twin.Market:
    tick, step = rng.choice((1, 10, 1000, 10**6, 10**8)), rng.choice((1, 1000, 10**5, 10**8))
    bid = rng.randint(1, rng.choice((1, 1000, 10**7)) * E8) // tick * tick + tick
    ask = bid + tick * rng.randint(1, rng.choice((3, 3, 5000)))
    return twin.Market(bid, ask, tick, step, position_e8=rng.randint(-(10**10), 10**10), alpha=rng.uniform(-1, 1),
                       volatility=rng.choice((0.0, 1e-4, 0.1)) * rng.random(), imbalance=rng.uniform(-1, 1))


def some_parameters(rng: random.Random, **given: int) -> twin.Parameters:
    low = rng.uniform(0.01, 50.0)
    return replace(twin.Parameters(
        order_qty_e8=rng.randint(1, 10 * E8), max_position_e8=rng.randint(1, 100 * E8), min_spread_bps=low,
        max_spread_bps=low + rng.choice((0.0, 500.0)) * rng.random(), vol_mult=rng.uniform(0, 10),
        skew=rng.uniform(0, 10), alpha_weight=rng.uniform(-10, 10), imbalance_weight=rng.uniform(-10, 10),
        layer_step_bps=rng.choice((0.1, 3.0, 1000.0)), risk_factor=rng.uniform(0.001, 10.0),
        kappa=rng.uniform(0.001, 10.0), horizon_s=rng.uniform(1.0, 3600.0),
        order_amount_shape_factor=rng.uniform(0.0, 10.0), min_spread_pct=rng.choice((0.0, 0.5))), **given)


def test_inventory_skew_is_its_formula_in_a_hundred_thousand_cases() -> None:
    rng = random.Random(1)
    quoted = 0
    for _ in range(2000):
        parameters = some_parameters(rng, allow_negative_edge=1)
        config = QuoteConfig(parameters.values())
        for _ in range(50):
            market = some_market(rng)
            quotes, wanted = inventory_skew(config, shown(market)), twin.inventory_skew(parameters, market)
            assert same(quotes, wanted), (parameters, market, quotes, wanted)
            quoted += len(quotes.bids) + len(quotes.asks)
    assert quoted > 50_000


def test_with_fees_and_layers_both_strategies_are_their_twins() -> None:
    rng = random.Random(2)
    for _ in range(500):
        parameters = some_parameters(rng, layers=rng.randint(1, 8))
        config = QuoteConfig(parameters.values())
        for _ in range(20):
            market = replace(some_market(rng), maker_fee_e8=rng.choice((-5000, 0, 10_000, 100_000, 1_000_000)))
            for compute, model in ((inventory_skew, twin.inventory_skew),
                                   (avellaneda_stoikov, twin.avellaneda_stoikov)):
                quotes, wanted = compute(config, shown(market)), model(parameters, market)
                assert same(quotes, wanted), (compute.__name__, parameters, market, quotes, wanted)


def test_at_the_ends_of_all_ranges_the_strategies_are_still_their_twins() -> None:
    rng = random.Random(3)

    def size() -> int:
        return rng.randint(1, 2 ** rng.randint(1, 62))

    quoted = 0
    for _ in range(2000):
        parameters = replace(some_parameters(rng, layers=rng.choice((1, 1, 3)), allow_negative_edge=rng.randint(0, 1)),
                             order_qty_e8=size(), max_position_e8=size(), skew=rng.choice((0.5, 1e-6, 1e3)))
        config = QuoteConfig(parameters.values())
        for _ in range(5):
            bid = rng.choice((size(), 2**62 - size() // 2 - 1))
            ask = min(2**62, bid + size())
            near = rng.choice((-1, 1)) * (parameters.max_position_e8 + rng.randint(-2, 2))
            market = replace(some_market(rng), bid_e8=bid, ask_e8=ask, tick_e8=size(), step_e8=size(),
                             maker_fee_e8=rng.choice((-5000, 0, 100_000)),
                             position_e8=rng.choice((near, size(), -2**63, 2**63 - 1)))
            for compute, model in ((inventory_skew, twin.inventory_skew),
                                   (avellaneda_stoikov, twin.avellaneda_stoikov)):
                quotes, wanted = compute(config, shown(market)), model(parameters, market)
                assert same(quotes, wanted), (compute.__name__, parameters, market, quotes, wanted)
                quoted += len(quotes.bids) + len(quotes.asks)
    assert quoted > 5_000


def test_a_width_under_twice_the_maker_fee_is_widened_to_it() -> None:
    market = twin.Market(100 * E8, 100 * E8 + 10**6, 10**6, 1000, maker_fee_e8=100_000)
    narrow = twin.Parameters(min_spread_bps=5.0, max_spread_bps=5.0, skew=0.0)
    quotes = inventory_skew(QuoteConfig(narrow.values()), shown(market))
    assert quotes.asks[0][0] - quotes.bids[0][0] == 21 * 10**6  # 20 bps of 100.005 is 0.20001, out to the ticks
    assert (quotes.bids[0][0], quotes.asks[0][0]) == (9990 * 10**6, 10011 * 10**6)
    allowed = inventory_skew(QuoteConfig(replace(narrow, allow_negative_edge=1).values()), shown(market))
    assert allowed.asks[0][0] - allowed.bids[0][0] == 7 * 10**6


def test_the_models_width_has_the_units_it_says() -> None:
    """BTC at 50,000 with 1e-5 a root second over 100 s moves 5 quote units; gamma 1 and kappa 1.5 add 2 ln(5/3)."""
    market = twin.Market(50_000 * E8 - 500_000, 50_000 * E8 + 500_000, 10**6, 1000, volatility=1e-5)
    config = QuoteConfig(twin.Parameters(horizon_s=100.0).values())
    quotes = avellaneda_stoikov(config, shown(market))
    assert (quotes.asks[0][0] - quotes.bids[0][0]) / E8 == pytest.approx(5.0 + 1.0217, abs=0.02)
    half_full = avellaneda_stoikov(config, shown(replace(market, position_e8=500_000)))
    assert (quotes.bids[0][0] - half_full.bids[0][0]) / E8 == pytest.approx(2.5, abs=0.02)


def test_a_bad_parameter_is_named() -> None:
    with pytest.raises(CoreError, match=r"strategy\.kappa"):
        QuoteConfig(replace(twin.Parameters(), kappa=0.0).values())
    with pytest.raises(CoreError, match=r"strategy\.max_spread_bps"):
        QuoteConfig(replace(twin.Parameters(), max_spread_bps=float("nan")).values())


prices = st.integers(-10, 3000) | st.integers(-(2**63), 2**63 - 1)
levels = st.lists(st.tuples(prices, st.integers(-5, 100) | st.integers(-(2**63), 2**63 - 1)), max_size=8)


@given(st.integers(1, 2000), st.integers(1, 500), st.integers(1, 40), st.integers(1, 30), st.integers(1, 60), levels,
       levels)
def test_any_wishes_come_out_as_the_twin_fits_them(bid: int, spread: int, tick: int, step: int, guard: int,
                                                   bids: list[twin.Level], asks: list[twin.Level]) -> None:
    market = twin.Market(bid, bid + spread, tick, step)
    quotes = fit(shown(market), guard, bids, asks)
    assert (list(quotes.bids), list(quotes.asks)) == twin.fit(market, guard, bids, asks)
    assert (quotes.bid_verdict == 0) == bool(quotes.bids)
    assert (quotes.ask_verdict == 0) == bool(quotes.asks)
