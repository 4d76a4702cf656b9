"""Exact decimal text to and from integers that count 1e-8."""

from __future__ import annotations

import re

UNIT_E8 = 100_000_000
MAX_E8 = 2**63 - 1
DECIMAL_PATTERN = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_DECIMAL = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,20}))?", re.ASCII)


class DecimalError(ValueError):
    """Text that is no plain decimal number, is finer than 1e-8 or does not fit 63 bits; `reason` says which."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse_e8(text: str) -> int:
    """Digits with an optional fraction of up to eight places, as a count of 1e-8.

    Raises `DecimalError` with reason "illegal", "precision" or "overflow". No sign, exponent or space is accepted, and
    nothing is rounded.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise DecimalError("illegal")
    fraction = match[2] or ""
    if len(fraction) > 8:
        raise DecimalError("precision")
    value = int(match[1]) * UNIT_E8 + int(fraction.ljust(8, "0"))
    if value > MAX_E8:
        raise DecimalError("overflow")
    return value


def format_e8(value_e8: int) -> str:
    """The number with exactly eight decimals, as the exchange prints every price, quantity and amount."""
    whole, fraction = divmod(abs(value_e8), UNIT_E8)
    return f"{'-' if value_e8 < 0 else ''}{whole}.{fraction:08d}"


def multiply_e8(price_e8: int, qty_e8: int) -> int:
    """Price times quantity in 1e-8 of the quote asset.

    Exact, because tick times step is a whole number of 1e-8 on every symbol that this venue trades.
    """
    product, rest = divmod(price_e8 * qty_e8, UNIT_E8)
    assert rest == 0, "tick times step must be a whole number of 1e-8"
    return product
