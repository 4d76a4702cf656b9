"""The traders who make the synthetic market live: seeded crowds around a slowly moving fair price.

A *touch* crowd keeps queues at the two prices that meet at the fair price, a *depth* crowd places orders away from it
(as far away as orders on the real book are placed), *flickering* orders come and go within milliseconds, *noise*
takers trade small quantities at the best price. The fair price makes small moves, each pushed through by a taker, and
every few seconds a *sweep*: part of the crowd draws back and a taker runs ten basis points or more into one side,
which recovers at once but for a part of the way. The numbers below are chosen so that the streams have the statistics
of a real recording (`mmcore.venue.statistics` compares them).

Everything happens on a virtual timeline of microseconds since the opening. Each population draws from its own
generator, in an order that depends on the timeline and on the book alone. Of `random.Random` only `random()` is used,
whose sequence is the same in all Python versions, and of floating-point arithmetic only what IEEE 754 rounds in one
way: a seed is the same market on every machine.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Protocol

from mmcore.venue.market import NewOrder, OrderKind, Side, TimeInForce
from mmcore.venue.matching import MatchingEngine

OWNER_PREFIX = "agent:"
TICK_E8 = 10**6
STEP_E8 = 10**3
OPENING_FAIR_TICKS = 6_700_000

_S = 1_000_000
_MS = 1_000
_BPS = 10_000

# Mean times between actions are `_GAP_US`, mean lives of orders `_LIFE_US`. Quantities (`_STEPS`, of 0.00001 BTC) and
# the ticks of a move are drawn by `draw_scaled`: (smallest, doublings).

_TOUCH_GAP_US = 26 * _MS
_TOUCH_LIFE_US = 900 * _MS
_TOUCH_STEPS = (16, 11)
_TOUCH_OPENING_ORDERS = 15

_DEPTH_GAP_US = 18 * _MS
_DEPTH_NEAR_LIFE_US = 8_500 * _MS
_DEPTH_FAR_LIFE_US = 160 * _S
_DEPTH_STEPS = (10, 12)
_DEPTH_NEAR_OPENING_ORDERS = 180
_DEPTH_FAR_OPENING_ORDERS = 1_100
# How far from the best price orders are placed: that share of them within that many ticks. The real book's level
# updates are about as far away. The near ones (by share) are within the reach of a sweep.
_DEPTH_SHARES = (0.0, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 1.0)
_DEPTH_TICKS = (1, 100, 900, 3_500, 9_000, 38_000, 130_000, 600_000, 1_500_000)
_DEPTH_NEAR_SHARE = 0.75

_FLICKER_GAP_US = 31 * _MS
_FLICKER_LIFE_US = 20 * _MS

_NOISE_GAP_US = 150 * _MS
_NOISE_STEPS = (5, 12)

# A mover takes up to 5 BTC. The fair price is the likelier to move home the farther it has gone: surely, once it is
# half of `_MOVE_HOME_TICKS` away.
_MOVE_GAP_US = 850 * _MS
_MOVE_TICKS = (1, 9)
_MOVE_DRAW_BACK = 0.7
_MOVE_STEPS = 500_000
_MOVE_JOINS = 4
_MOVE_HOME_TICKS = 3_000_000

# A sweep takes up to 40 BTC. A quote 10 bps from mid is within the reach of each, one at 13 bps of a few. The side that
# was hit gets its first new order (ANSWER) before the other follows (CLOSE), so the spread is wide for a millisecond.
_SWEEP_GAP_US = (2_500 * _MS, 5_000 * _MS)
_SWEEP_BPS = (10.8, 13.5)
_SWEEP_DEEP_SHARE = 0.2
_SWEEP_DEEP_BPS = (13.5, 17.0)
_SWEEP_IMPACT = (0.05, 0.28)
_SWEEP_DRAW_BACK = 0.75
_SWEEP_STEPS = 4_000_000
_SWEEP_ANSWER_US = (500, 1_000)
_SWEEP_CLOSE_US = (1_000, 1_800)
_SWEEP_JOINS = 10
_SWEEP_RECENTRE = 0.7
_SWEEP_REFILL_US = 150 * _MS

_REPAIR_JOINS = 2
_REPAIR_US = (200, 16 * _MS)


class Desk(Protocol):
    """Where agents send what they do; `time_us` is the timeline's."""

    def place_agent_order(self, order: NewOrder, time_us: int) -> None:
        """Hand an order to the matching engine."""

    def cancel_agent_order(self, order_id: int, time_us: int) -> None:
        """Take an order off if it still rests."""


class Schedule(Protocol):
    """Where agents enter what they will do."""

    def at(self, time_us: int, act: Callable[[int], None]) -> None:
        """Have `act` called at that time, with the time."""


class Timeline:
    """Things to be done at their times; what falls on one microsecond is done in the order in which it was entered."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, Callable[[int], None]]] = []
        self._entered = 0
        self.now_us = 0
        """The time of what is being done, or was done last."""

    def at(self, time_us: int, act: Callable[[int], None]) -> None:
        """Have `act(time_us)` called at that time."""
        heapq.heappush(self._entries, (time_us, self._entered, act))
        self._entered += 1

    def next_us(self) -> int | None:
        """The time of the next entry."""
        return self._entries[0][0] if self._entries else None

    def run(self, until_us: int) -> None:
        """Do all that is due up to and at that time, with what it brings about."""
        entries = self._entries
        while entries and entries[0][0] <= until_us:
            time_us, _, act = heapq.heappop(entries)
            self.now_us = time_us
            act(time_us)


class Slowed:
    """A schedule on which all waiting takes `pace` times as long."""

    def __init__(self, timeline: Timeline, pace: int) -> None:
        self._timeline = timeline
        self._pace = pace

    def at(self, time_us: int, act: Callable[[int], None]) -> None:
        now_us = self._timeline.now_us
        self._timeline.at(now_us + (time_us - now_us) * self._pace, act)


class Agents:
    """All populations on one desk. `populate` builds the book before the opening, `open` enters the first actions."""

    def __init__(self, seed: int, engine: MatchingEngine, timeline: Schedule, desk: Desk) -> None:
        self._pit = _Pit(engine, timeline, desk)
        self._touch = _TouchCrowd(self._pit, seed)
        self._depth = _DepthCrowd(self._pit, seed)
        self._others = (
            _Flickerers(self._pit, seed),
            _NoiseTakers(self._pit, seed, self._touch),
            _Movers(self._pit, seed, self._touch),
            _Sweepers(self._pit, seed, self._touch, self._depth),
        )

    def populate(self) -> None:
        """Place the orders that rest when the market opens."""
        self._touch.populate()
        self._depth.populate()

    def open(self) -> None:
        """Let everybody begin to act."""
        for population in (self._touch, self._depth, *self._others):
            population.await_next(0)


class _Pit:
    """What all agents share: the fair price (of the best bid, in ticks; the best ask is one above) and the ways to
    act on the book.
    """

    def __init__(self, engine: MatchingEngine, timeline: Schedule, desk: Desk) -> None:
        self.fair_ticks = OPENING_FAIR_TICKS
        self.engine = engine
        self.timeline = timeline
        self._desk = desk
        self._last_order_id = 0

    def price_ticks(self, side: Side, distance_ticks: int) -> int:
        """The price so far from where the best price of that side belongs."""
        return self.fair_ticks - distance_ticks if side is Side.BUY else self.fair_ticks + 1 + distance_ticks

    def rest(self, who: str, side: Side, price_ticks: int, steps: int, time_us: int, life_us: int) -> None:
        """Place a limit order and take it off after its life."""
        order_id = self._place(who, side, OrderKind.LIMIT, TimeInForce.GTC, price_ticks, steps, time_us)
        self.timeline.at(time_us + life_us, lambda now_us: self.cancel(order_id, now_us))

    def take_to(self, who: str, side: Side, price_ticks: int, steps: int, time_us: int) -> None:
        """Trade with everything up to a price, at most that quantity."""
        self._place(who, side, OrderKind.LIMIT, TimeInForce.IOC, price_ticks, steps, time_us)

    def take_at_market(self, who: str, side: Side, steps: int, time_us: int) -> None:
        """Trade that quantity at any price."""
        self._place(who, side, OrderKind.MARKET, TimeInForce.IOC, 0, steps, time_us)

    def cancel(self, order_id: int, time_us: int) -> None:
        """Take an order off, if it is still there."""
        self._desk.cancel_agent_order(order_id, time_us)

    def agent_orders(self, side: Side, limit_ticks: int) -> list[tuple[int, int]]:
        """(order id, price in ticks) of the agents' orders at that price or better, best first."""
        return [
            (order.order_id, order.price_e8 // TICK_E8)
            for order in self.engine.queue(side, limit_ticks * TICK_E8)
            if order.owner.startswith(OWNER_PREFIX)
        ]

    def is_thin(self, side: Side) -> bool:
        """Whether the best price of a side is worse than where it belongs."""
        best = self.engine.best(side)
        if best is None:
            return True
        ticks = best[0] // TICK_E8
        return ticks < self.fair_ticks if side is Side.BUY else ticks > self.fair_ticks + 1

    def _place(
        self, who: str, side: Side, kind: OrderKind, tif: TimeInForce, price_ticks: int, steps: int, time_us: int
    ) -> int:
        self._last_order_id -= 1
        order = NewOrder(
            self._last_order_id, OWNER_PREFIX + who, side, kind, tif, price_ticks * TICK_E8, steps * STEP_E8
        )
        self._desk.place_agent_order(order, time_us)
        return order.order_id


class _Population:
    """Agents of one kind, who act one after another at random intervals."""

    name: str

    def __init__(self, pit: _Pit, seed: int) -> None:
        self.pit = pit
        self.random = Random(f"{seed}:{self.name}")

    def await_next(self, time_us: int) -> None:
        """Enter the next action after `time_us` into the timeline."""
        self.pit.timeline.at(time_us + self.gap_us(), self._act_and_go_on)

    def gap_us(self) -> int:
        """Draw the time until the next action."""
        raise NotImplementedError

    def act(self, time_us: int) -> None:
        """Do what these agents do."""
        raise NotImplementedError

    def draw_side(self) -> Side:
        return Side.BUY if self.random.random() < 0.5 else Side.SELL

    def draw_waiting(self, mean_us: int) -> int:
        """An exponential time of at least 1 us, by von Neumann's comparison of uniform numbers."""
        draw = self.random.random
        whole = 0
        while True:
            first = last = draw()
            is_odd = True
            while (following := draw()) < last:
                last = following
                is_odd = not is_odd
            if is_odd:
                return int((whole + first) * mean_us) + 1
            whole += 1

    def draw_between(self, low: float, high: float) -> float:
        return low + (high - low) * self.random.random()

    def draw_scaled(self, low: int, doublings: int) -> int:
        """A whole number from low to low * 2**doublings, every doubling as likely as another: mostly small, sometimes
        large.
        """
        position = self.random.random() * doublings
        whole = int(position)
        return int((low << whole) * (1.0 + position - whole))

    def _act_and_go_on(self, time_us: int) -> None:
        self.act(time_us)
        self.await_next(time_us)


class _TouchCrowd(_Population):
    """Queues up at the best prices."""

    name = "touch"

    def gap_us(self) -> int:
        return self.draw_waiting(_TOUCH_GAP_US)

    def populate(self) -> None:
        for _ in range(_TOUCH_OPENING_ORDERS):
            for side in Side:
                self._join(side, 0)

    def act(self, time_us: int) -> None:
        self._join(self.draw_side(), time_us)

    def join_soon(self, side: Side, orders: int, time_us: int, within_us: tuple[int, int]) -> None:
        """Have orders join the queue at what is the best price when they arrive."""
        for _ in range(orders):
            delay_us = int(self.draw_between(*within_us))
            self.pit.timeline.at(time_us + delay_us, lambda now_us: self._join(side, now_us))

    def _join(self, side: Side, time_us: int) -> None:
        price_ticks = self.pit.price_ticks(side, 0)
        steps = self.draw_scaled(*_TOUCH_STEPS)
        self.pit.rest(self.name, side, price_ticks, steps, time_us, self.draw_waiting(_TOUCH_LIFE_US))


class _DepthCrowd(_Population):
    """Places orders away from the best price; those near it live for seconds, those far from it for minutes."""

    name = "depth"

    def gap_us(self) -> int:
        return self.draw_waiting(_DEPTH_GAP_US)

    def populate(self) -> None:
        for side in Side:
            for _ in range(_DEPTH_NEAR_OPENING_ORDERS):
                self._place(side, self.draw_between(0.0, _DEPTH_NEAR_SHARE), 0)
            for _ in range(_DEPTH_FAR_OPENING_ORDERS):
                self._place(side, self.draw_between(_DEPTH_NEAR_SHARE, 1.0), 0)

    def act(self, time_us: int) -> None:
        self._place(self.draw_side(), self.random.random(), time_us)

    def return_soon(self, side: Side, orders: int, time_us: int, within_us: tuple[int, int]) -> None:
        """Have orders placed near the best price."""
        for _ in range(orders):
            delay_us = int(self.draw_between(*within_us))
            share = self.draw_between(0.0, _DEPTH_NEAR_SHARE)
            self.pit.timeline.at(time_us + delay_us, partial(self._place, side, share))

    def _place(self, side: Side, share: float, time_us: int) -> None:
        life_us = _DEPTH_NEAR_LIFE_US if share < _DEPTH_NEAR_SHARE else _DEPTH_FAR_LIFE_US
        price_ticks = self.pit.price_ticks(side, depth_ticks(share))
        steps = self.draw_scaled(*_DEPTH_STEPS)
        self.pit.rest(self.name, side, price_ticks, steps, time_us, self.draw_waiting(life_us))


class _Flickerers(_Population):
    """Place orders away from the best price and take them off at once."""

    name = "flicker"

    def gap_us(self) -> int:
        return self.draw_waiting(_FLICKER_GAP_US)

    def act(self, time_us: int) -> None:
        side = self.draw_side()
        price_ticks = self.pit.price_ticks(side, depth_ticks(self.random.random()))
        steps = self.draw_scaled(*_DEPTH_STEPS)
        self.pit.rest(self.name, side, price_ticks, steps, time_us, self.draw_waiting(_FLICKER_LIFE_US))


class _NoiseTakers(_Population):
    """Take a small quantity at the best price; if that was the last of it, the touch crowd comes back."""

    name = "noise"

    def __init__(self, pit: _Pit, seed: int, touch: _TouchCrowd) -> None:
        super().__init__(pit, seed)
        self._touch = touch

    def gap_us(self) -> int:
        return self.draw_waiting(_NOISE_GAP_US)

    def act(self, time_us: int) -> None:
        side = self.draw_side()
        self.pit.take_at_market(self.name, side, self.draw_scaled(*_NOISE_STEPS), time_us)
        for maker in Side:
            if self.pit.is_thin(maker):
                self._touch.join_soon(maker, _REPAIR_JOINS, time_us, _REPAIR_US)


class _Movers(_Population):
    """Move the fair price a little: the queue in the way draws back in part, a taker trades with the rest of it."""

    name = "mover"

    def __init__(self, pit: _Pit, seed: int, touch: _TouchCrowd) -> None:
        super().__init__(pit, seed)
        self._touch = touch

    def gap_us(self) -> int:
        return self.draw_waiting(_MOVE_GAP_US)

    def act(self, time_us: int) -> None:
        pit = self.pit
        away = (pit.fair_ticks - OPENING_FAIR_TICKS) / _MOVE_HOME_TICKS
        side = Side.BUY if self.random.random() < 0.5 - away else Side.SELL
        ticks = self.draw_scaled(*_MOVE_TICKS)
        maker = Side.SELL if side is Side.BUY else Side.BUY
        limit_ticks = pit.price_ticks(maker, -1) + (ticks if side is Side.BUY else -ticks)
        for order_id, _ in pit.agent_orders(maker, limit_ticks):
            if self.random.random() < _MOVE_DRAW_BACK:
                pit.cancel(order_id, time_us)
        pit.take_to(self.name, side, limit_ticks, _MOVE_STEPS, time_us)
        pit.fair_ticks += ticks if side is Side.BUY else -ticks
        for joining in Side:
            self._touch.join_soon(joining, _MOVE_JOINS, time_us, _REPAIR_US)


class _Sweepers(_Population):
    """Run deep into one side, then into the other, in a random order within each pair.

    The depth crowd within reach draws back in part just before. Afterwards it returns, on both sides, around a fair
    price that has gone a part of the way.
    """

    name = "sweeper"

    def __init__(self, pit: _Pit, seed: int, touch: _TouchCrowd, depth: _DepthCrowd) -> None:
        super().__init__(pit, seed)
        self._touch = touch
        self._depth = depth
        self._next_side: Side | None = None

    def gap_us(self) -> int:
        return int(self.draw_between(*_SWEEP_GAP_US))

    def act(self, time_us: int) -> None:
        side = self._draw_side_of_pair()
        deep = self.random.random() < _SWEEP_DEEP_SHARE
        reach_bps = self.draw_between(*(_SWEEP_DEEP_BPS if deep else _SWEEP_BPS))
        impact = self.draw_between(*_SWEEP_IMPACT)
        self._sweep(side, reach_bps, impact, time_us)

    def _draw_side_of_pair(self) -> Side:
        if self._next_side is not None:
            side, self._next_side = self._next_side, None
            return side
        side = self.draw_side()
        self._next_side = Side.SELL if side is Side.BUY else Side.BUY
        return side

    def _sweep(self, side: Side, reach_bps: float, impact: float, time_us: int) -> None:
        pit = self.pit
        direction = 1 if side is Side.BUY else -1
        maker = Side.SELL if side is Side.BUY else Side.BUY
        reach_ticks = int(pit.fair_ticks * reach_bps / _BPS)
        limit_ticks = pit.price_ticks(maker, reach_ticks)
        in_reach = pit.agent_orders(maker, limit_ticks)
        self._draw_back(in_reach, _SWEEP_DRAW_BACK, time_us)
        pit.take_to(self.name, side, limit_ticks, _SWEEP_STEPS, time_us)
        opposite = pit.agent_orders(side, pit.price_ticks(side, reach_ticks))
        gone = self._draw_back(opposite, _SWEEP_RECENTRE, time_us)
        pit.fair_ticks += direction * int(reach_ticks * impact)
        self._touch.join_soon(maker, 1, time_us, _SWEEP_ANSWER_US)
        self._touch.join_soon(side, 1, time_us, _SWEEP_CLOSE_US)
        self._recover(maker, len(in_reach), time_us)
        self._recover(side, gone, time_us)

    def _draw_back(self, orders: list[tuple[int, int]], share: float, time_us: int) -> int:
        """Cancel about that share of the orders behind the best price, farthest first; how many it were."""
        gone = 0
        for order_id, price_ticks in reversed(orders):
            if price_ticks != orders[0][1] and self.random.random() < share:
                self.pit.cancel(order_id, time_us)
                gone += 1
        return gone

    def _recover(self, side: Side, orders: int, time_us: int) -> None:
        self._touch.join_soon(side, _SWEEP_JOINS, time_us, (_SWEEP_ANSWER_US[1], _SWEEP_REFILL_US))
        self._depth.return_soon(side, orders, time_us, (_SWEEP_ANSWER_US[1], _SWEEP_REFILL_US))


def depth_ticks(share: float) -> int:
    """The distance from the best price within which that share (0..1) of the orders away from it are placed."""
    above = min(bisect_right(_DEPTH_SHARES, share), len(_DEPTH_SHARES) - 1)
    low, high = _DEPTH_SHARES[above - 1], _DEPTH_SHARES[above]
    near, far = _DEPTH_TICKS[above - 1], _DEPTH_TICKS[above]
    return near + int((far - near) * (share - low) / (high - low))
