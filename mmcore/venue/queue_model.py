"""When an own order that rests in a recorded market would have been filled, judged risk-averse.

The recording knows nothing of our orders, so each gets a `front`: the public quantity ahead of it at its price. Rules:

1. On placing, `front` is the level's quantity then; 0 if the price improves on the best; unbounded where the recording
   does not know the level.
2. A level update with an update id not older than the newest known on placing: `front = min(front, level quantity)`.
3. A print by an aggressor on the other side, at our price: `front` falls by the printed quantity; only the excess over
   `front` fills. Own orders at one price are served in the order placed, and what one takes does not reach the next.
4. Such a print through our price fills us whole, and so does the opposite best reaching our price.

5. An order that is reduced keeps its `front`.

A fill is at our own price, as maker. Cancellations ahead of us never help but through rule 2. What orders of the venue
trade or prevent among each other is noted as "use". `log` holds every input and every fill, in order, so that anybody
can work the fills out again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mmcore.venue.decimals import format_e8
from mmcore.venue.market import NewOrder, Side

UNKNOWN_FRONT_E8 = 2**62


@dataclass(slots=True)
class Resting:
    """An own order on the book; `front_e8` is the public quantity that goes first."""

    order_id: int
    owner: str
    side: Side
    price_e8: int
    remaining_e8: int
    front_e8: int
    seen_update_id: int


@dataclass(frozen=True, slots=True)
class QueueFill:
    """A fill that the model gives, at the order's own price."""

    order_id: int
    owner: str
    side: Side
    price_e8: int
    qty_e8: int


class QueueModel:
    """The own orders resting in a recorded market, in the order they were placed."""

    def __init__(self) -> None:
        self._resting: dict[int, Resting] = {}
        self.log: list[dict[str, Any]] = []
        self.message = 0
        """How many recorded messages have been played; each log entry says it."""

    def place(self, order: NewOrder, resting_e8: int, front_e8: int, seen_update_id: int) -> None:
        """Rest what is left of an order, behind `front_e8`. `seen_update_id` is the newest update known now."""
        one = Resting(order.order_id, order.owner, order.side, order.price_e8, resting_e8, front_e8, seen_update_id)
        self._resting[order.order_id] = one
        self._note(
            "place",
            order_id=one.order_id,
            side=one.side.value,
            price=format_e8(one.price_e8),
            qty=format_e8(resting_e8),
            front=None if front_e8 == UNKNOWN_FRONT_E8 else format_e8(front_e8),
            update_id=seen_update_id,
        )

    def cancel(self, order_id: int) -> int | None:
        """Take an order off: what was left of it, None if it does not rest."""
        one = self._resting.pop(order_id, None)
        if one is None:
            return None
        self._note("cancel", order_id=order_id, qty=format_e8(one.remaining_e8))
        return one.remaining_e8

    def reduce(self, order_id: int, remaining_e8: int) -> bool:
        """Leave less of an order, in its place (rule 5); False if it does not rest."""
        one = self._resting.get(order_id)
        if one is None:
            return False
        assert 0 < remaining_e8 < one.remaining_e8, "an order is only ever reduced"
        one.remaining_e8 = remaining_e8
        self._note("reduce", order_id=order_id, qty=format_e8(remaining_e8))
        return True

    def facing(self, order: NewOrder) -> Iterator[Resting]:
        """The resting orders that a taker (a MARKET order: at any price) can reach, best first, then first come."""
        reached = [
            one
            for one in self._resting.values()
            if one.side is not order.side and (not order.price_e8 or _at_or_better(one, order.price_e8))
        ]
        reached.sort(key=lambda one: one.price_e8 if order.side is Side.BUY else -one.price_e8)
        return iter(reached)

    def use(self, one: Resting, qty_e8: int) -> None:
        """Take from an order for another order of the venue."""
        assert 0 < qty_e8 <= one.remaining_e8, "what is used was there"
        one.remaining_e8 -= qty_e8
        if not one.remaining_e8:
            del self._resting[one.order_id]
        self._note("use", order_id=one.order_id, qty=format_e8(qty_e8))

    def trade(self, price_e8: int, qty_e8: int, aggressor: Side) -> list[QueueFill]:
        """A recorded print: rules 3 and 4."""
        reached = [one for one in self._resting.values() if one.side is not aggressor and _at_or_better(one, price_e8)]
        if not reached:
            return []
        self._note("trade", price=format_e8(price_e8), qty=format_e8(qty_e8), aggressor=aggressor.value)
        fills, available_e8 = [], qty_e8
        for one in reached:
            if one.price_e8 != price_e8:
                fills.append(self._fill(one, one.remaining_e8))
                continue
            excess_e8 = min(max(0, available_e8 - one.front_e8), one.remaining_e8)
            one.front_e8 = max(0, one.front_e8 - available_e8)
            if excess_e8:
                available_e8 -= excess_e8
                fills.append(self._fill(one, excess_e8))
        return fills

    def level(self, side: Side, price_e8: int, qty_e8: int, update_id: int) -> None:
        """A recorded level's quantity as of `update_id`: rule 2."""
        if not self._resting:
            return
        concerned = [
            one
            for one in self._resting.values()
            if one.price_e8 == price_e8 and one.side is side and update_id >= one.seen_update_id
        ]
        if not concerned:
            return
        self._note("level", side=side.value, price=format_e8(price_e8), qty=format_e8(qty_e8), update_id=update_id)
        for one in concerned:
            one.front_e8 = min(one.front_e8, qty_e8)

    def best(self, side: Side, price_e8: int) -> list[QueueFill]:
        """The best price of `side` is now this: fills own orders of the other side that it reaches (rule 4)."""
        crossed = [one for one in self._resting.values() if one.side is not side and _at_or_better(one, price_e8)]
        if not crossed:
            return []
        self._note("best", side=side.value, price=format_e8(price_e8))
        return [self._fill(one, one.remaining_e8) for one in crossed]

    def _fill(self, one: Resting, qty_e8: int) -> QueueFill:
        assert 0 < qty_e8 <= one.remaining_e8, "a fill is part of what rests"
        one.remaining_e8 -= qty_e8
        if not one.remaining_e8:
            del self._resting[one.order_id]
        self._note("fill", order_id=one.order_id, price=format_e8(one.price_e8), qty=format_e8(qty_e8))
        return QueueFill(one.order_id, one.owner, one.side, one.price_e8, qty_e8)

    def _note(self, event: str, **facts: Any) -> None:
        self.log.append({"event": event, "message": self.message, **facts})


def _at_or_better(one: Resting, price_e8: int) -> bool:
    """Whether the order's price is at `price_e8` or gives more to a counterparty there."""
    return one.price_e8 >= price_e8 if one.side is Side.BUY else one.price_e8 <= price_e8
