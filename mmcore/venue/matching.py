"""A matching engine with price-time priority, in exact integers.

Orders are ranked by price, then by the order in which they came to rest; a trade happens at the resting order's
price. One sequence of update ids numbers every change of a price level's total quantity, another numbers the trades.
Both kinds of change pile up until they are drained, in the order in which they happened.

Cost: with n price levels a side, `place` is O(log n) per new or emptied level plus O(1) per resting order it trades
with (a FOK order also looks at the k levels it needs, O(k log k)), `cancel` is O(1), amortised. One thread.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from mmcore.venue.market import NewOrder, OrderKind, Prevention, Side, StpMode, TimeInForce, prevented

_SORTED_SHARE = 16
"""Of so many levels, asking for one or more is answered by sorting them all."""
_SLACK_ENTRIES = 64
"""Emptied levels that a price queue may hold before it is rebuilt, on top of as many as there are live ones."""


class LevelChange(NamedTuple):
    """A price level's new total quantity; 0 means that the level is gone."""

    update_id: int
    side: Side
    price_e8: int
    qty_e8: int


@dataclass(frozen=True, slots=True)
class Trade:
    """One match of a taker with one resting order."""

    trade_id: int
    time_us: int
    price_e8: int
    qty_e8: int
    taker_side: Side
    taker_order_id: int
    taker_owner: str
    maker_order_id: int
    maker_owner: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a new order: trades + prevented + resting + expired make up its quantity, unless it `would_match`
    (a refused LIMIT_MAKER: no change).
    """

    trades: tuple[Trade, ...]
    resting_e8: int
    expired_e8: int
    would_match: bool
    preventions: tuple[tuple[int, Prevention], ...] = ()
    """Each with the number of this order's trades before it."""
    out_of_range: bool = False
    """Whether it expired because the next price was outside the order's range."""


class RestingOrder(NamedTuple):
    """An order on the book, as it stands."""

    order_id: int
    owner: str
    side: Side
    price_e8: int
    remaining_e8: int


class _Resting:
    """A resting order: a link in its level's queue."""

    __slots__ = ("before", "behind", "level", "order_id", "owner", "remaining_e8")

    def __init__(self, order: NewOrder, remaining_e8: int, level: _Level) -> None:
        self.order_id = order.order_id
        self.owner = order.owner
        self.remaining_e8 = remaining_e8
        self.level = level
        self.before: _Resting | None = None
        self.behind: _Resting | None = None


class _Level:
    """All orders at one price, first come first."""

    __slots__ = ("first", "last", "price_e8", "qty_e8", "side")

    def __init__(self, side: _BookSide, price_e8: int) -> None:
        self.side = side
        self.price_e8 = price_e8
        self.qty_e8 = 0
        self.first: _Resting | None = None
        self.last: _Resting | None = None

    def append(self, order: _Resting) -> None:
        order.before = self.last
        if self.last is None:
            self.first = order
        else:
            self.last.behind = order
        self.last = order
        self.qty_e8 += order.remaining_e8

    def remove(self, order: _Resting) -> None:
        if order.before is None:
            self.first = order.behind
        else:
            order.before.behind = order.behind
        if order.behind is None:
            self.last = order.before
        else:
            order.behind.before = order.before
        self.qty_e8 -= order.remaining_e8


class _BookSide:
    """The levels of one side by rank, where the smaller rank is the better price (bids count downwards).

    The heap holds each live rank once, and ranks of levels that have emptied until they come to the top or outnumber
    the live ones.
    """

    __slots__ = ("_heap", "_heaped", "levels", "side", "sign")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.sign = -1 if side is Side.BUY else 1
        self.levels: dict[int, _Level] = {}
        self._heap: list[int] = []
        self._heaped: set[int] = set()

    def best(self) -> _Level | None:
        heap = self._heap
        while heap:
            level = self.levels.get(heap[0])
            if level is not None:
                return level
            self._heaped.discard(heapq.heappop(heap))
        return None

    def at(self, price_e8: int) -> _Level:
        """The level at a price, made if there is none."""
        rank = price_e8 * self.sign
        level = self.levels.get(rank)
        if level is None:
            level = self.levels[rank] = _Level(self, price_e8)
            if rank not in self._heaped:
                self._heaped.add(rank)
                heapq.heappush(self._heap, rank)
        return level

    def drop(self, level: _Level) -> None:
        del self.levels[level.price_e8 * self.sign]
        if len(self._heap) > 2 * len(self.levels) + _SLACK_ENTRIES:
            self._heap = list(self.levels)
            heapq.heapify(self._heap)
            self._heaped = set(self._heap)

    def from_best(self) -> Iterator[_Level]:
        """Levels from the best on, O(log k) each; the book must not change meanwhile."""
        heap = self._heap
        frontier = [(heap[0], 0)] if heap else []
        while frontier:
            rank, place = heapq.heappop(frontier)
            level = self.levels.get(rank)
            if level is not None:
                yield level
            for child in (2 * place + 1, 2 * place + 2):
                if child < len(heap):
                    heapq.heappush(frontier, (heap[child], child))

    def best_levels(self, limit: int) -> Iterable[_Level]:
        """At most `limit` levels, best first. Sorting is the quicker way to many of them."""
        levels = self.levels
        if limit < len(levels) // _SORTED_SHARE:
            return islice(self.from_best(), limit)
        return [levels[rank] for rank in sorted(levels)[:limit]]

    def trades_at(self, level: _Level, limit_e8: int | None) -> bool:
        """Whether a taker with this limit (None: any price) trades with the level."""
        return limit_e8 is None or level.price_e8 * self.sign <= limit_e8 * self.sign


class MatchingEngine:
    """The book of one symbol.

    `tick_e8` and `step_e8` are the grids of prices and quantities, both > 0. An order off its grid, of no quantity,
    with an id in use or of an impossible kind is a programmer's mistake: ValueError, and nothing has changed.

    Where an order meets one of its own owner, its `stp` says what happens; what is better placed trades before. A FOK
    order that would not fill whole from other owners' orders expires and prevents nothing. A LIMIT_MAKER that would
    match is refused whoever it would match with. An order that comes to a price outside its range expires there.
    """

    def __init__(self, tick_e8: int, step_e8: int) -> None:
        if tick_e8 <= 0 or step_e8 <= 0:
            raise ValueError("tick and step must be positive")
        self._tick_e8 = tick_e8
        self._step_e8 = step_e8
        self._sides = {Side.BUY: _BookSide(Side.BUY), Side.SELL: _BookSide(Side.SELL)}
        self._orders: dict[int, _Resting] = {}
        self._update_id = 0
        self._trade_id = 0
        self._last_price_e8: int | None = None
        self._changes: list[LevelChange] = []
        self._trades: list[Trade] = []

    @property
    def update_id(self) -> int:
        """The id of the last level change; 0 before the first."""
        return self._update_id

    @property
    def last_price_e8(self) -> int | None:
        """The price of the last trade; None before the first."""
        return self._last_price_e8

    def place(self, order: NewOrder, time_us: int) -> Outcome:
        """Match an order as far as it goes, then rest or expire its remainder. `time_us` only stamps the trades."""
        self._check(order)
        takes_from = self._sides[Side.SELL if order.side is Side.BUY else Side.BUY]
        limit_e8 = None if order.kind is OrderKind.MARKET else order.price_e8
        if order.kind is OrderKind.LIMIT_MAKER:
            best = takes_from.best()
            if best is not None and takes_from.trades_at(best, limit_e8):
                return Outcome((), 0, 0, True)
        elif order.tif is TimeInForce.FOK and not self._can_fill(takes_from, order, limit_e8):
            return Outcome((), 0, order.qty_e8, False)
        preventions: list[tuple[int, Prevention]] = []
        trades, remaining_e8 = self._take(order, takes_from, limit_e8, time_us, preventions)
        if remaining_e8 and order.allowed is not None:
            best = takes_from.best()
            if best is not None and takes_from.trades_at(best, limit_e8):
                return Outcome(trades, 0, remaining_e8, False, tuple(preventions), True)
        if remaining_e8 and limit_e8 is not None and order.tif is TimeInForce.GTC:
            self._rest(order, remaining_e8)
            return Outcome(trades, remaining_e8, 0, False, tuple(preventions))
        return Outcome(trades, 0, remaining_e8, False, tuple(preventions))

    def cancel(self, order_id: int) -> int | None:
        """Take an order off the book: the quantity that was left of it, or None if it does not rest."""
        order = self._orders.pop(order_id, None)
        if order is None:
            return None
        level = order.level
        level.remove(order)
        self._settle(level)
        return order.remaining_e8

    def reduce(self, order_id: int, remaining_e8: int) -> bool:
        """Leave less of a resting order, in its place; False if it does not rest. A quantity off the grid, of nothing
        or not less than now is a programmer's mistake: ValueError.
        """
        order = self._orders.get(order_id)
        if order is None:
            return False
        if not 0 < remaining_e8 < order.remaining_e8 or remaining_e8 % self._step_e8:
            raise ValueError(f"{remaining_e8} is not a smaller multiple of {self._step_e8} than {order.remaining_e8}")
        order.level.qty_e8 -= order.remaining_e8 - remaining_e8
        order.remaining_e8 = remaining_e8
        self._settle(order.level)
        return True

    def best(self, side: Side) -> tuple[int, int] | None:
        """Best price and its total quantity; None when the side is empty."""
        level = self._sides[side].best()
        return None if level is None else (level.price_e8, level.qty_e8)

    def depth(self, limit: int) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]]:
        """(last update id, bids, asks): at most `limit` levels a side, best first, as (price_e8, qty_e8)."""
        bids, asks = (
            [(level.price_e8, level.qty_e8) for level in self._sides[side].best_levels(limit)]
            for side in (Side.BUY, Side.SELL)
        )
        return self._update_id, bids, asks

    def resting(self, order_id: int) -> RestingOrder | None:
        """An order as it rests; None if it does not."""
        order = self._orders.get(order_id)
        return None if order is None else _view(order)

    def queue(self, side: Side, limit_e8: int) -> list[RestingOrder]:
        """The resting orders priced at the limit or better, in the order in which they would trade."""
        book_side = self._sides[side]
        orders: list[RestingOrder] = []
        for level in book_side.from_best():
            if not book_side.trades_at(level, limit_e8):
                break
            order = level.first
            while order is not None:
                orders.append(_view(order))
                order = order.behind
        return orders

    def drain_level_changes(self) -> list[LevelChange]:
        """Level changes since the last call, oldest first: contiguous update ids that end with `update_id`."""
        changes, self._changes = self._changes, []
        return changes

    def drain_trades(self) -> list[Trade]:
        """Trades since the last call, oldest first."""
        trades, self._trades = self._trades, []
        return trades

    def _check(self, order: NewOrder) -> None:
        if order.qty_e8 <= 0 or order.qty_e8 % self._step_e8:
            raise ValueError(f"quantity {order.qty_e8} is not a positive multiple of {self._step_e8}")
        if order.order_id in self._orders:
            raise ValueError(f"order id {order.order_id} is in use")
        if order.kind is OrderKind.MARKET:
            if order.price_e8:
                raise ValueError("a MARKET order has no price")
        elif order.price_e8 <= 0 or order.price_e8 % self._tick_e8:
            raise ValueError(f"price {order.price_e8} is not a positive multiple of {self._tick_e8}")
        if order.kind is OrderKind.LIMIT_MAKER and order.tif is not TimeInForce.GTC:
            raise ValueError("a LIMIT_MAKER order rests: it cannot be IOC or FOK")

    def _can_fill(self, book_side: _BookSide, order: NewOrder, limit_e8: int | None) -> bool:
        left_e8 = order.qty_e8
        for level in book_side.from_best():
            if not book_side.trades_at(level, limit_e8):
                return False
            if order.allowed is not None and not order.allowed.holds(level.price_e8):
                return False
            if order.stp is StpMode.NONE:
                left_e8 -= level.qty_e8
            else:
                maker = level.first
                while maker is not None and left_e8 > 0:
                    if maker.owner != order.owner:
                        left_e8 -= maker.remaining_e8
                    elif order.stp is not StpMode.EXPIRE_MAKER:
                        return False
                    maker = maker.behind
            if left_e8 <= 0:
                return True
        return False

    def _take(
        self,
        order: NewOrder,
        book_side: _BookSide,
        limit_e8: int | None,
        time_us: int,
        preventions: list[tuple[int, Prevention]],
    ) -> tuple[tuple[Trade, ...], int]:
        trades: list[Trade] = []
        remaining_e8 = order.qty_e8
        while remaining_e8:
            level = book_side.best()
            if level is None or not book_side.trades_at(level, limit_e8):
                break
            if order.allowed is not None and not order.allowed.holds(level.price_e8):
                break
            before_e8 = level.qty_e8
            remaining_e8 = self._take_level(order, level, remaining_e8, time_us, trades, preventions)
            if level.qty_e8 != before_e8:
                self._settle(level)
        if trades:
            self._last_price_e8 = trades[-1].price_e8
            self._trades += trades
        return tuple(trades), remaining_e8

    def _take_level(
        self,
        order: NewOrder,
        level: _Level,
        remaining_e8: int,
        time_us: int,
        trades: list[Trade],
        preventions: list[tuple[int, Prevention]],
    ) -> int:
        prevents = order.stp is not StpMode.NONE
        maker = level.first
        while maker is not None and remaining_e8:
            if prevents and maker.owner == order.owner:
                prevention = self._prevent(order, maker, remaining_e8)
                preventions.append((len(trades), prevention))
                remaining_e8 -= prevention.taker_e8
                maker = level.first
                continue
            qty_e8 = min(remaining_e8, maker.remaining_e8)
            remaining_e8 -= qty_e8
            self._trade_id += 1
            trades.append(
                Trade(
                    self._trade_id,
                    time_us,
                    level.price_e8,
                    qty_e8,
                    order.side,
                    order.order_id,
                    order.owner,
                    maker.order_id,
                    maker.owner,
                )
            )
            self._use_up(maker, qty_e8)
            maker = level.first
        return remaining_e8

    def _prevent(self, order: NewOrder, maker: _Resting, remaining_e8: int) -> Prevention:
        taker_e8, maker_e8 = prevented(order.stp, remaining_e8, maker.remaining_e8)
        qty_e8 = min(remaining_e8, maker.remaining_e8)
        self._use_up(maker, maker_e8)
        return Prevention(order.owner, order.order_id, maker.order_id, maker.level.price_e8, qty_e8, taker_e8, maker_e8)

    def _use_up(self, maker: _Resting, qty_e8: int) -> None:
        """Take from a resting order; one that is used up goes."""
        if qty_e8 == maker.remaining_e8:
            maker.level.remove(maker)
            del self._orders[maker.order_id]
        else:
            maker.remaining_e8 -= qty_e8
            maker.level.qty_e8 -= qty_e8

    def _rest(self, order: NewOrder, remaining_e8: int) -> None:
        level = self._sides[order.side].at(order.price_e8)
        resting = _Resting(order, remaining_e8, level)
        level.append(resting)
        self._orders[order.order_id] = resting
        self._settle(level)

    def _settle(self, level: _Level) -> None:
        """Number and note a level's change; an emptied level goes."""
        self._update_id += 1
        self._changes.append(LevelChange(self._update_id, level.side.side, level.price_e8, level.qty_e8))
        if level.first is None:
            level.side.drop(level)


def _view(order: _Resting) -> RestingOrder:
    level = order.level
    return RestingOrder(order.order_id, order.owner, level.side.side, level.price_e8, order.remaining_e8)
