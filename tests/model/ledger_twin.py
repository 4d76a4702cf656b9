"""A slow twin of the ledger: dicts, a set of ids and fractions, written for reading.

It does not keep the library's equation between realized and unrealized profit; it states the definition instead: the
total is what the account is worth now, less what it was worth at the start, less what was put in since. Average cost is
an exact fraction, so the library's realized profit may differ by what its rounding leaves, one atom a sale at most.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

ONE_E8 = 100_000_000


class Refused(Exception):
    """Nothing is done: more base would leave than there is."""


def value(qty: int, price: int) -> int:
    """qty * price in atoms, rounded down."""
    return qty * price // ONE_E8


@dataclass(slots=True)
class Asset:
    free: int = 0
    locked: int = 0
    start: int = 0
    ledger: int = 0
    price: int = 0
    reported: bool = False
    time_us: int = 0
    fees: int = 0


@dataclass(slots=True)
class LedgerTwin:
    base: str
    quote: str
    ids_kept: int
    assets: dict[str, Asset] = field(default_factory=dict)
    ids: set[tuple[int, bool]] = field(default_factory=set)
    forgotten: tuple[int, bool] = (-1, True)
    applied: int = 0
    position: int = 0
    start_mid: int | None = None
    last_mid: int = 0
    basis: int = 0
    third_fees: int = 0
    fees: int = 0
    cost: Fraction = Fraction(0)
    realized: Fraction = Fraction(0)
    sales: int = 0
    unpriced: int = 0

    def __post_init__(self) -> None:
        self.assets = {self.base: Asset(), self.quote: Asset()}

    # -- balances --

    def held(self, name: str) -> int:
        return self.assets[name].ledger

    def report(self, name: str, free: int, locked: int, time_us: int = 0) -> None:
        """time_us: when the exchange says that this was so, 0 = not said."""
        if name not in self.assets:
            return
        asset = self.assets[name]
        if asset.reported and time_us > 0 and time_us // 1000 < asset.time_us // 1000:
            return
        asset.time_us = time_us or asset.time_us
        if not asset.reported:
            change = free + locked - asset.ledger
            self._move(name, change, self.start_mid or 0)
            asset.start += change
            asset.reported = True
        asset.free, asset.locked = free, locked

    def deposit(self, name: str, change: int) -> None:
        if name in self.assets:
            self._move(name, change, self.last_mid)

    def _move(self, name: str, change: int, mid: int) -> None:
        asset = self.assets[name]
        if name == self.base:
            if asset.ledger + change < 0:
                raise Refused
            worth = value(asset.ledger + change, mid) - value(asset.ledger, mid)
            if change >= 0:
                self.cost += worth
            else:
                self._base_out(-change, -worth)
            self.basis += worth
        elif name == self.quote:
            self.basis += change
        asset.ledger += change
        self._before_the_first_mid()

    def equal(self) -> bool:
        return all(not asset.reported or asset.free + asset.locked == asset.ledger for asset in self.assets.values())

    # -- fills --

    def seen(self, trade_id: int, bought: bool) -> bool:
        """The account may be on both sides of a trade."""
        key = (trade_id, not bought)
        return key in self.ids or key <= self.forgotten

    def fill(
        self, trade_id: int, bought: bool, price: int, qty: int, quote: int | None, fee_asset: str, fee: int
    ) -> bool:
        if self.seen(trade_id, bought):
            return False
        paid = value(qty, price) if quote is None else quote
        left = self.held(self.base) + (qty if bought else -qty)
        if left < 0 or left - (fee if fee_asset == self.base else 0) < 0:
            raise Refused
        if bought:
            self.cost += paid
        else:
            self._base_out(qty, paid)
        self.assets[self.base].ledger += qty if bought else -qty
        self.assets[self.quote].ledger += -paid if bought else paid
        self.position += qty if bought else -qty
        self._charge(fee_asset, fee, price)
        self._remember((trade_id, not bought))
        self._before_the_first_mid()
        return True

    def _charge(self, name: str, fee: int, price: int) -> None:
        if fee == 0:
            return
        asset = self.assets.setdefault(name, Asset())
        unit = {self.base: price, self.quote: ONE_E8}.get(name, asset.price)
        worth = value(abs(fee), unit) * (1 if fee > 0 else -1)
        if name == self.base:
            self.position -= fee
            if fee > 0:
                self._base_out(fee, worth)
            else:
                self.cost -= worth
        elif name != self.quote:
            self.third_fees += worth
            self.unpriced += asset.price == 0
        asset.fees += fee
        self.fees += worth
        asset.ledger -= fee

    def _base_out(self, qty: int, worth: int) -> None:
        held = self.held(self.base)
        share = self.cost * Fraction(qty, held) if qty else Fraction(0)
        self.cost -= share
        self.realized += worth - share
        self.sales += 1

    def _remember(self, key: tuple[int, bool]) -> None:
        self.ids.add(key)
        self.applied += 1
        if len(self.ids) > self.ids_kept:
            self.forgotten = min(self.ids)
            self.ids.remove(self.forgotten)

    # -- profit --

    def _before_the_first_mid(self) -> None:
        if self.start_mid is None:
            self.basis = self.third_fees = self.fees = self.sales = 0
            self.cost = self.realized = Fraction(0)

    def mid(self, mid: int) -> None:
        self.last_mid = mid
        if self.start_mid is None:
            self.start_mid = mid
            self.cost = Fraction(value(self.held(self.base), mid))
            self.basis = self.equity(mid)

    def equity(self, mid: int) -> int:
        return self.held(self.quote) + value(self.held(self.base), mid) - self.third_fees

    def total(self, mid: int) -> int:
        return self.equity(mid) - self.basis

    def rebase(self) -> None:
        for asset in self.assets.values():
            asset.start = asset.ledger = asset.free + asset.locked
            asset.reported = False
            asset.fees = 0
            asset.time_us = 0
        self.ids.clear()
        self.forgotten = (-1, True)
        self.applied = self.position = self.last_mid = self.unpriced = 0
        self.start_mid = None
        self._before_the_first_mid()
