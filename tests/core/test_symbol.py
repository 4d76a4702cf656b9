"""The symbol's filters through cffi against Python's integers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore._native import ffi, lib
from mmcore.core.engine import reasons

E8 = 10**8
small = st.integers(0, 60)
values = st.integers(-3, 80) | st.integers(-(2**63), 2**63 - 1)


def symbol(**values: Any) -> Any:
    return ffi.new("mm_symbol *", {"name": b"ABCUSDT", "base": b"ABC", "quote": b"USDT", "tick_e8": 1, "step_e8": 1,
                                   **values})


def bounded(value: int, low: int, high: int) -> bool:
    return value > 0 and value >= low and (high == 0 or value <= high)


@given(st.integers(1, 7), st.integers(1, 7), small, small, small, small, st.sampled_from((0, 1)), values, values,
       values, st.integers(0, 3), st.integers(0, 3))
def test_a_verdict_names_each_filter_that_fails(tick: int, step: int, price_min: int, price_max: int, qty_min: int,
                                                qty_max: int, side: int, price: int, qty: int, reference: int,
                                                down: int, up: int) -> None:
    mine, other = ("bid", "ask") if side == lib.MM_BID else ("ask", "bid")
    raw = symbol(tick_e8=tick, step_e8=step, price_min_e8=price_min, price_max_e8=price_max, qty_min_e8=qty_min,
                 qty_max_e8=qty_max, notional_min_e8=1, notional_max_e8=10,
                 **{f"{mine}_down_e8": down * E8, f"{mine}_up_e8": up * E8, f"{other}_down_e8": 3 * E8})
    wanted = []
    if not bounded(price, price_min, price_max) or price % tick:
        wanted.append("PRICE_FILTER")
    if not bounded(qty, qty_min, qty_max) or qty % step:
        wanted.append("LOT_SIZE")
    if price * qty < E8:
        wanted.append("MIN_NOTIONAL")
    if reference > 0 and not (reference * down <= price and (up == 0 or price <= reference * up)):
        wanted.append("PERCENT_PRICE")
    if price * qty > 10 * E8:
        wanted.append("ORDER_NOTIONAL")
    assert reasons(lib.mm_symbol_verdict(raw, side, price, qty, reference)) == wanted


@pytest.mark.parametrize("bad", [
    {"tick_e8": 0}, {"step_e8": 0}, {"tick_e8": -1}, {"price_min_e8": 2, "price_max_e8": 1}, {"qty_min_e8": -1},
    {"qty_max_e8": 2**62}, {"notional_min_e8": 2, "notional_max_e8": 1}, {"ask_down_e8": 2, "ask_up_e8": 1},
    {"orders_max": -1}, {"name": b"A" * 24}, {"base": b""}, {"maker_fee_e8": E8},
    {"no_amend": 2}, {"no_replace": -1},
])
def test_what_cannot_be_a_symbol_is_refused(bad: dict[str, Any]) -> None:
    assert lib.mm_symbol_check(symbol()) == lib.MM_OK
    assert lib.mm_symbol_check(symbol(**bad)) == lib.MM_E_ARGUMENT
