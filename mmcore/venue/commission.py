"""What a trade costs: three kinds of rates by role and side, and the discount for paying in BNB.

Rates are ratios in 1e-8 (10 bps = 100,000). A fee is rounded once, half up to 1e-8 of the asset it is paid in.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmcore.venue.decimals import UNIT_E8
from mmcore.venue.market import Side

DISCOUNT_ASSET = "BNB"


@dataclass(frozen=True, slots=True)
class Rates:
    """One kind of commission. A trade pays maker or taker, plus buyer or seller."""

    maker: int = 0
    taker: int = 0
    buyer: int = 0
    seller: int = 0

    def of(self, *, maker: bool, side: Side) -> int:
        """The rate of a trade on this side."""
        return (self.maker if maker else self.taker) + (self.buyer if side is Side.BUY else self.seller)


@dataclass(frozen=True, slots=True)
class Commission:
    """An account's rates, and whether it pays in BNB: then the standard rate is multiplied by `discount_e8`."""

    standard: Rates = Rates()
    special: Rates = Rates()
    tax: Rates = Rates()
    pays_in_bnb: bool = False
    discount_e8: int = 75_000_000

    def fee_e8(self, received_e8: int, *, maker: bool, side: Side) -> int:
        """The fee in the asset received."""
        rate_e8 = sum(rates.of(maker=maker, side=side) for rates in (self.standard, self.special, self.tax))
        return _half_up(received_e8 * rate_e8, UNIT_E8)

    def fee_in_bnb_e8(self, received_e8: int, *, maker: bool, side: Side, worth_e8: int, bnb_e8: int) -> int:
        """The discounted fee in BNB. One unit received is worth `worth_e8` of the quote asset, one BNB `bnb_e8`."""
        undiscounted_e8 = self.special.of(maker=maker, side=side) + self.tax.of(maker=maker, side=side)
        rate_e16 = self.standard.of(maker=maker, side=side) * self.discount_e8 + undiscounted_e8 * UNIT_E8
        return _half_up(received_e8 * rate_e16 * worth_e8, UNIT_E8 * UNIT_E8 * bnb_e8)


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
