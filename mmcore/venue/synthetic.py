"""A market of the venue's own: a matching engine, seeded agents, and Binance's streams of what they do."""

from __future__ import annotations

from collections.abc import Set

from mmcore.venue.agents import OPENING_FAIR_TICKS, OWNER_PREFIX, STEP_E8, TICK_E8, Agents, Slowed, Timeline
from mmcore.venue.market import Execution, Feed, NewOrder, PlaceResult, Prevention, Side, StreamMessage
from mmcore.venue.matching import MatchingEngine, Outcome, Trade
from mmcore.venue.publisher import Publisher
from mmcore.venue.tape import Print, Tape

_DELIVERY_GRAIN_US = 2_000
"""`next_due_us` is rounded up to a multiple of this, so that messages travel in small groups and the host need not
wake for each.
"""


class SyntheticMarket:
    """BTCUSDT around 67,000 as a `Market`: tick 0.01, step 0.00001, over a thousand levels a side from the start.

    The market is a function of `seed` and of what accounts place and cancel at which times; how often `advance` is
    called makes no difference. It opens at `start`, but never before `first_time_us` (venue clock); until then the
    opening book stands still. A call with a time before that of an earlier call counts as made at the later one. Ids
    of account orders are positive, the agents' negative. `place` and `cancel` first let happen what is due by then:
    executions of account orders in that come with the next `advance`, so call `advance` before them to see all
    executions in their order. One thread.
    """

    def __init__(self, seed: int, first_time_us: int = 0, pace: int = 1) -> None:
        """pace: >= 1; all that the agents wait for takes so many times as long, for a quieter market."""
        self.symbol = "BTCUSDT"
        self.tick_e8 = TICK_E8
        self.step_e8 = STEP_E8
        self.tape = Tape()
        self._opening_us = first_time_us
        self._now_us = first_time_us
        self._engine = MatchingEngine(TICK_E8, STEP_E8)
        self._publisher = Publisher(self.symbol, self._engine, TICK_E8, STEP_E8)
        self._executions: list[Execution] = []
        self._timeline = Timeline()
        schedule = self._timeline if pace == 1 else Slowed(self._timeline, pace)
        self._agents = Agents(seed, self._engine, schedule, self)
        self._agents.populate()
        self._publisher.restart()
        self._ticking: set[int] = set()
        self._is_open = False

    def start(self, now_us: int) -> None:
        """Open the market. Opening it twice is a programmer's mistake: ValueError."""
        if self._is_open:
            raise ValueError("the market is open")
        self._is_open = True
        self._opening_us = self._now_us = max(now_us, self._now_us)
        self._agents.open()
        self._tick()

    def want(self, feeds: Set[Feed]) -> None:
        """Publish these feeds from now on. Windows end at multiples of their length after the opening."""
        self._publisher.want(feeds)
        if self._is_open:
            self._tick()

    def next_due_us(self) -> int | None:
        """When `advance` should be called next; None before `start`."""
        if not self._is_open:
            return None
        if self._executions or self._publisher.has_messages():
            return self._now_us
        next_us = self._timeline.next_us()
        if next_us is None:
            return None
        grains = (next_us + _DELIVERY_GRAIN_US - 1) // _DELIVERY_GRAIN_US
        return self._opening_us + grains * _DELIVERY_GRAIN_US

    def advance(self, now_us: int) -> tuple[list[StreamMessage], list[Execution]]:
        """Let happen all that is due up to `now_us`: the messages and the account orders' executions since the last
        call, in order.
        """
        self._run(now_us)
        executions, self._executions = self._executions, []
        return self._publisher.drain(), executions

    def place(self, order: NewOrder, now_us: int) -> PlaceResult:
        """Match an account's order and rest what may rest. A faulty order is a programmer's mistake: ValueError."""
        if order.order_id <= 0:
            raise ValueError(f"id {order.order_id} of an account's order is not positive")
        self._run(now_us)
        outcome = self._engine.place(order, self._now_us)
        self._note(outcome.trades)
        self._publisher.collect(self._now_us)
        return PlaceResult(
            _in_order(outcome), outcome.resting_e8, outcome.expired_e8, outcome.would_match, outcome.out_of_range
        )

    def cancel(self, order_id: int, now_us: int) -> int | None:
        """Take an account's order off: the quantity that was left of it, or None if it does not rest."""
        self._run(now_us)
        remaining_e8 = self._engine.cancel(order_id) if order_id > 0 else None
        self._publisher.collect(self._now_us)
        return remaining_e8

    def reduce(self, order_id: int, remaining_e8: int, now_us: int) -> bool:
        """Make less of an account's order, which keeps its place; False if it does not rest."""
        self._run(now_us)
        rests = order_id > 0 and self._engine.reduce(order_id, remaining_e8)
        self._publisher.collect(self._now_us)
        return rests

    def depth(self, limit: int) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]]:
        """The book as of the last call that gave a time: (lastUpdateId, bids, asks), best first, (price_e8, qty_e8)
        each.
        """
        return self._engine.depth(limit)

    def reference_price_e8(self) -> int:
        """The last trade's price; before the first trade the opening price."""
        return self._engine.last_price_e8 or OPENING_FAIR_TICKS * TICK_E8

    def place_agent_order(self, order: NewOrder, time_us: int) -> None:
        """For the agents: `time_us` counts from the opening."""
        now_us = self._opening_us + time_us
        trades = self._engine.place(order, now_us).trades
        self._note(trades)
        for trade in trades:
            self._executions += _of_accounts(trade)
        self._publisher.collect(now_us)

    def cancel_agent_order(self, order_id: int, time_us: int) -> None:
        """For the agents: `time_us` counts from the opening."""
        if self._engine.cancel(order_id) is not None:
            self._publisher.collect(self._opening_us + time_us)

    def _note(self, trades: tuple[Trade, ...]) -> None:
        if trades:
            seller_takes = trades[0].taker_side is Side.SELL
            self.tape.note([Print(one.trade_id, one.time_us, one.price_e8, one.qty_e8, seller_takes) for one in trades])

    def _run(self, now_us: int) -> None:
        if now_us > self._now_us:
            self._now_us = now_us
        if self._is_open:
            self._timeline.run(self._now_us - self._opening_us)

    def _tick(self) -> None:
        """See to it that every window in use comes to an end."""
        for period_us in sorted(self._publisher.periods_us() - self._ticking):
            self._ticking.add(period_us)
            elapsed_us = self._now_us - self._opening_us
            self._close_at((elapsed_us // period_us + 1) * period_us, period_us)

    def _close_at(self, time_us: int, period_us: int) -> None:
        self._timeline.at(time_us, lambda time_us: self._close_windows(time_us, period_us))

    def _close_windows(self, time_us: int, period_us: int) -> None:
        if period_us in self._publisher.periods_us():
            self._publisher.close_windows(period_us, self._opening_us + time_us)
            self._close_at(time_us + period_us, period_us)
        else:
            self._ticking.remove(period_us)


def _in_order(outcome: Outcome) -> tuple[Execution | Prevention, ...]:
    """The trades and the prevented matches of an account's order as they came."""
    steps: list[Execution | Prevention] = []
    preventions = list(reversed(outcome.preventions))
    for number, trade in enumerate(outcome.trades):
        while preventions and preventions[-1][0] <= number:
            steps.append(preventions.pop()[1])
        steps += _of_accounts(trade)
    steps += [prevention for _, prevention in reversed(preventions)]
    return tuple(steps)


def _of_accounts(trade: Trade) -> list[Execution]:
    """The sides of a trade that accounts own, the maker's first."""
    sides = (
        (trade.maker_order_id, trade.maker_owner, _OTHER[trade.taker_side], True),
        (trade.taker_order_id, trade.taker_owner, trade.taker_side, False),
    )
    return [
        Execution(trade.trade_id, order_id, owner, side, trade.price_e8, trade.qty_e8, is_maker, trade.time_us)
        for order_id, owner, side, is_maker in sides
        if not owner.startswith(OWNER_PREFIX)
    ]


_OTHER = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}
