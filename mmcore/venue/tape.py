"""The public trades of a market for those who ask by request: the latest one by one, older ones by the minute.

Bounded: the last 1,000 trades, the last 1,000 aggregates, and 25 hours of minutes. Adding costs O(1) a trade.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mmcore.venue.decimals import UNIT_E8

_TRADES_MAX = 1_000
_MINUTES_MAX = 25 * 60
MINUTE_US = 60_000_000


class Print(NamedTuple):
    """One public trade."""

    trade_id: int
    time_us: int
    price_e8: int
    qty_e8: int
    buyer_is_maker: bool


class Aggregate(NamedTuple):
    """What one taker traded at one price without a break."""

    aggregate_id: int
    first_id: int
    last_id: int
    time_us: int
    price_e8: int
    qty_e8: int
    buyer_is_maker: bool


@dataclass(slots=True)
class Candle:
    """The trades of a span of time from `open_us` on. Quantities of takers who bought are apart, too; what a trade is
    worth is rounded down to 1e-8, as a recording may be finer than its grid.
    """

    open_us: int
    open_e8: int
    high_e8: int
    low_e8: int
    close_e8: int
    volume_e8: int = 0
    quote_e8: int = 0
    taker_buy_e8: int = 0
    taker_buy_quote_e8: int = 0
    first_id: int = -1
    last_id: int = -1
    count: int = 0

    def take(self, trade: Print) -> None:
        """Add a trade."""
        quote_e8 = trade.price_e8 * trade.qty_e8 // UNIT_E8
        self.high_e8 = max(self.high_e8, trade.price_e8)
        self.low_e8 = min(self.low_e8, trade.price_e8)
        self.close_e8 = trade.price_e8
        self.volume_e8 += trade.qty_e8
        self.quote_e8 += quote_e8
        if not trade.buyer_is_maker:
            self.taker_buy_e8 += trade.qty_e8
            self.taker_buy_quote_e8 += quote_e8
        if not self.count:
            self.first_id = trade.trade_id
        self.last_id = trade.trade_id
        self.count += 1

    def join(self, later: Candle) -> None:
        """Add a later span to this one."""
        self.high_e8, self.low_e8 = max(self.high_e8, later.high_e8), min(self.low_e8, later.low_e8)
        self.close_e8 = later.close_e8
        self.volume_e8 += later.volume_e8
        self.quote_e8 += later.quote_e8
        self.taker_buy_e8 += later.taker_buy_e8
        self.taker_buy_quote_e8 += later.taker_buy_quote_e8
        if later.count:
            self.first_id = self.first_id if self.count else later.first_id
            self.last_id = later.last_id
            self.count += later.count


class Tape:
    """The trades of one market, in the order in which they happened."""

    def __init__(self) -> None:
        self.trades: deque[Print] = deque(maxlen=_TRADES_MAX)
        self.aggregates: deque[Aggregate] = deque(maxlen=_TRADES_MAX)
        self._minutes: deque[Candle] = deque(maxlen=_MINUTES_MAX)
        self._aggregate_id = 0

    def note(self, trades: Sequence[Print]) -> None:
        """The trades of one taker, who may have traded at several prices."""
        group: list[Print] = []
        for trade in trades:
            self.trades.append(trade)
            self._minute(trade).take(trade)
            if group and group[0].price_e8 != trade.price_e8:
                self._aggregate(group)
                group = []
            group.append(trade)
        if group:
            self._aggregate(group)

    @property
    def last(self) -> Print | None:
        """The last trade."""
        return self.trades[-1] if self.trades else None

    def candles(self, minutes: int) -> list[Candle]:
        """Spans of so many minutes from the first trade's to the last's; one without trades stays at its price."""
        span_us = minutes * MINUTE_US
        spans: list[Candle] = []
        for minute in self._minutes:
            start_us = minute.open_us - minute.open_us % span_us
            while spans and spans[-1].open_us + span_us < start_us:
                flat_e8 = spans[-1].close_e8
                spans.append(Candle(spans[-1].open_us + span_us, flat_e8, flat_e8, flat_e8, flat_e8))
            if not spans or spans[-1].open_us != start_us:
                spans.append(_empty(start_us, minute.open_e8))
            spans[-1].join(minute)
        return spans

    def since(self, minutes: int) -> Candle | None:
        """All of the so many minutes that end with the last trade's; None without a trade."""
        if not self._minutes:
            return None
        first_us = self._minutes[-1].open_us - (minutes - 1) * MINUTE_US
        held = [minute for minute in self._minutes if minute.open_us >= first_us]
        whole = _empty(held[0].open_us, held[0].open_e8)
        for minute in held:
            whole.join(minute)
        return whole

    def _minute(self, trade: Print) -> Candle:
        open_us = trade.time_us - trade.time_us % MINUTE_US
        if not self._minutes or self._minutes[-1].open_us < open_us:
            self._minutes.append(_empty(open_us, trade.price_e8))
        return self._minutes[-1]

    def _aggregate(self, group: list[Print]) -> None:
        first, self._aggregate_id = group[0], self._aggregate_id + 1
        qty_e8 = sum(trade.qty_e8 for trade in group)
        self.aggregates.append(
            Aggregate(
                self._aggregate_id,
                first.trade_id,
                group[-1].trade_id,
                first.time_us,
                first.price_e8,
                qty_e8,
                first.buyer_is_maker,
            )
        )


def _empty(open_us: int, price_e8: int) -> Candle:
    return Candle(open_us, price_e8, price_e8, price_e8, price_e8)
