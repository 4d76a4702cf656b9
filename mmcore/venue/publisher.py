"""Turns what happens in the matching engine into Binance's market-data streams of a symbol, as far as somebody listens.

JSON, times in milliseconds or microseconds:

- `@trade`: one message per match; `@aggTrade`: one for a taker's consecutive matches at one price.
- `@bookTicker`: one whenever an operation has changed the best price or its quantity on either side.
- `@depth@100ms`, `@depth` (1000 ms): one for each window in which levels changed. In a window a level's last quantity
  alone counts: a level that came and went is reported once, as gone.
- `@depth5`, `@depth10`, `@depth20`, with `@100ms` or each 1000 ms: the best levels, if the book changed since.

SBE: `@trade` (all matches of one taker in one message), `@bestBidAsk`, `@depth` (windows of 20 ms), `@depth20` (50 ms).

Update ids are the engine's, so that the windows' first and last ids follow each other without a hole whatever their
length, and a snapshot of the engine's book mostly falls inside a window. One thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from itertools import groupby

from mmcore.venue.jsontext import TimeUnit
from mmcore.venue.market import Feed, Side, StreamMessage, Wire
from mmcore.venue.matching import LevelChange, MatchingEngine, Trade
from mmcore.venue.sbe import Encoder, Level, TradeRow

_E8 = 10**8
_NO_LEVEL = (0, 0)
_UNITS = {Wire.JSON: TimeUnit.MILLISECOND, Wire.JSON_MICROSECOND: TimeUnit.MICROSECOND}
_JSON_DIFFS = {"depth": 1_000_000, "depth@100ms": 100_000}
_JSON_PARTIAL = {
    f"depth{count}{suffix}": (count, period_us)
    for count in (5, 10, 20)
    for suffix, period_us in (("", 1_000_000), ("@100ms", 100_000))
}
_SBE_DIFF_US, _SBE_PARTIAL_US = 20_000, 50_000


class _Window:
    """The levels that changed since the last diff of one period."""

    __slots__ = ("asks", "bids", "published_id")

    def __init__(self, update_id: int) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.published_id = update_id

    def note(self, changes: Iterable[LevelChange]) -> None:
        """Take in changes, in order."""
        for _, side, price_e8, qty_e8 in changes:
            (self.bids if side is Side.BUY else self.asks)[price_e8] = qty_e8

    def close(self, update_id: int) -> tuple[int, list[Level], list[Level]]:
        """(first update id, bids, asks), best first; the next window begins."""
        first_id, self.published_id = self.published_id + 1, update_id
        bids, asks = sorted(self.bids.items(), reverse=True), sorted(self.asks.items())
        self.bids.clear()
        self.asks.clear()
        return first_id, bids, asks


class Publisher:
    """Writes the stream messages of one engine, in the order in which things happened.

    `symbol` is in upper case ("BTCUSDT"). What the engine did before a feed was wanted is not published on it.
    """

    def __init__(self, symbol: str, engine: MatchingEngine, tick_e8: int, step_e8: int) -> None:
        self._symbol = symbol
        self._name = symbol.lower()
        self._engine = engine
        self._encoder = Encoder(symbol, tick_e8, step_e8)
        self._json: dict[str, list[Wire]] = {}
        self._sbe: set[str] = set()
        self._wants_best = False
        self._windows: dict[int, _Window] = {}
        self._shown_ids: dict[int, int] = {}
        self._messages: list[StreamMessage] = []
        self._aggregate_id = 0
        self._best = (_NO_LEVEL, _NO_LEVEL)
        self.restart()

    def restart(self) -> None:
        """Begin here: what the engine has done so far is part of a snapshot, not of the streams."""
        self._engine.drain_level_changes()
        self._engine.drain_trades()
        self._best = self._best_now()
        self._messages.clear()
        self._windows = {period_us: _Window(self._engine.update_id) for period_us in self._windows}

    def want(self, feeds: Set[Feed]) -> None:
        """Publish these feeds from now on, and no others; feeds of other symbols or kinds are never published."""
        self._json, self._sbe = {}, set()
        for stream, wire in sorted(feeds, key=lambda feed: (feed.stream, feed.wire.value)):
            name, _, kind = stream.partition("@")
            if name == self._name and wire is Wire.SBE:
                self._sbe.add(kind)
            elif name == self._name:
                self._json.setdefault(kind, []).append(wire)
        wanted_best, self._wants_best = self._wants_best, "bookTicker" in self._json or "bestBidAsk" in self._sbe
        if not wanted_best:
            self._best = self._best_now()
        update_id = self._engine.update_id
        self._windows = {period: self._windows.get(period) or _Window(update_id) for period in self._diff_periods()}
        self._shown_ids.clear()

    def periods_us(self) -> set[int]:
        """At which periods `close_windows` is to be called."""
        partial = {period for kind, (_, period) in _JSON_PARTIAL.items() if kind in self._json}
        return partial | self._diff_periods() | ({_SBE_PARTIAL_US} if "depth20" in self._sbe else set())

    def has_messages(self) -> bool:
        """Whether `drain` would return anything."""
        return bool(self._messages)

    def drain(self) -> list[StreamMessage]:
        """The messages since the last call, oldest first."""
        messages, self._messages = self._messages, []
        return messages

    def collect(self, time_us: int) -> None:
        """Publish an operation that has just been done on the engine: its trades, then the best levels if it moved
        them.
        """
        changes = self._engine.drain_level_changes()
        if not changes:
            return
        trades = self._engine.drain_trades()
        if trades:
            self._publish_trades(trades, time_us)
        for window in self._windows.values():
            window.note(changes)
        if self._wants_best:
            best = self._best_now()
            if best != self._best:
                self._best = best
                self._publish_best(time_us)

    def close_windows(self, period_us: int, time_us: int) -> None:
        """End the windows of one period: publish the levels that changed in it, if any, and the best levels."""
        update_id = self._engine.update_id
        window = self._windows.get(period_us)
        if window is not None and window.published_id != update_id:
            self._publish_diff(period_us, window, update_id, time_us)
        if self._shown_ids.get(period_us) != update_id:
            self._shown_ids[period_us] = update_id
            self._publish_partial(period_us, update_id, time_us)

    def _diff_periods(self) -> set[int]:
        json = {period for kind, period in _JSON_DIFFS.items() if kind in self._json}
        return json | ({_SBE_DIFF_US} if "depth" in self._sbe else set())

    def _best_now(self) -> tuple[Level, Level]:
        return self._engine.best(Side.BUY) or _NO_LEVEL, self._engine.best(Side.SELL) or _NO_LEVEL

    def _say(self, kind: str, data: str | bytes, wire: Wire) -> None:
        self._messages.append(StreamMessage(f"{self._name}@{kind}", data, wire))

    def _publish_diff(self, period_us: int, window: _Window, update_id: int, time_us: int) -> None:
        first_id, bids, asks = window.close(update_id)
        if period_us == _SBE_DIFF_US:
            self._say("depth", self._encoder.depth_diff(time_us, first_id, update_id, bids, asks), Wire.SBE)
            return
        kind = next(kind for kind, period in _JSON_DIFFS.items() if period == period_us)
        levels = f'"U":{first_id},"u":{update_id},"b":[{_levels(bids)}],"a":[{_levels(asks)}]}}'
        for wire in self._json[kind]:
            head = f'{{"e":"depthUpdate","E":{_UNITS[wire].of(time_us)},"s":"{self._symbol}",'
            self._say(kind, head + levels, wire)

    def _publish_partial(self, period_us: int, update_id: int, time_us: int) -> None:
        if period_us == _SBE_PARTIAL_US and "depth20" in self._sbe:
            _, bids, asks = self._engine.depth(20)
            self._say("depth20", self._encoder.depth_snapshot(time_us, update_id, bids, asks), Wire.SBE)
        for kind, (count, period) in _JSON_PARTIAL.items():
            wires = self._json.get(kind, ()) if period == period_us else ()
            if wires:
                _, bids, asks = self._engine.depth(count)
                data = f'{{"lastUpdateId":{update_id},"bids":[{_levels(bids)}],"asks":[{_levels(asks)}]}}'
                for wire in wires:
                    self._say(kind, data, wire)

    def _publish_best(self, time_us: int) -> None:
        bid, ask = self._best
        if "bestBidAsk" in self._sbe:
            data = self._encoder.best_bid_ask(time_us, self._engine.update_id, bid, ask)
            self._say("bestBidAsk", data, Wire.SBE)
        wires = self._json.get("bookTicker", ())
        if wires:
            text = (
                f'{{"u":{self._engine.update_id},"s":"{self._symbol}","b":"{decimal(bid[0])}","B":"{decimal(bid[1])}",'
                f'"a":"{decimal(ask[0])}","A":"{decimal(ask[1])}"}}'
            )
            for wire in wires:
                self._say("bookTicker", text, wire)

    def _publish_trades(self, trades: list[Trade], time_us: int) -> None:
        if "trade" in self._sbe:
            rows = [
                TradeRow(trade.trade_id, trade.price_e8, trade.qty_e8, trade.taker_side is Side.SELL)
                for trade in trades
            ]
            self._say("trade", self._encoder.trades(time_us, trades[0].time_us, rows), Wire.SBE)
        for wire in self._json.get("trade", ()):
            for trade in trades:
                self._say("trade", self._trade_text(trade, time_us, _UNITS[wire]), wire)
        for _, group in groupby(trades, key=lambda trade: trade.price_e8):
            self._aggregate_id += 1
            same_price = list(group)
            for wire in self._json.get("aggTrade", ()):
                self._say("aggTrade", self._aggregate_text(same_price, time_us, _UNITS[wire]), wire)

    def _trade_text(self, trade: Trade, time_us: int, unit: TimeUnit) -> str:
        return (
            f'{{"e":"trade","E":{unit.of(time_us)},"s":"{self._symbol}","t":{trade.trade_id},'
            f'"p":"{decimal(trade.price_e8)}","q":"{decimal(trade.qty_e8)}","T":{unit.of(trade.time_us)},'
            f'"m":{_buyer_is_maker(trade)},"M":true}}'
        )

    def _aggregate_text(self, trades: list[Trade], time_us: int, unit: TimeUnit) -> str:
        first, last = trades[0], trades[-1]
        qty_e8 = sum(trade.qty_e8 for trade in trades)
        return (
            f'{{"e":"aggTrade","E":{unit.of(time_us)},"s":"{self._symbol}","a":{self._aggregate_id},'
            f'"p":"{decimal(first.price_e8)}","q":"{decimal(qty_e8)}","f":{first.trade_id},"l":{last.trade_id},'
            f'"T":{unit.of(first.time_us)},"m":{_buyer_is_maker(first)},"M":true}}'
        )


def decimal(value_e8: int) -> str:
    """A count of 1e-8, >= 0, as Binance prints it: always eight decimals."""
    return f"{value_e8 // _E8}.{value_e8 % _E8:08d}"


def _buyer_is_maker(trade: Trade) -> str:
    return "true" if trade.taker_side is Side.SELL else "false"


def _levels(levels: Iterable[Level]) -> str:
    return ",".join([f'["{decimal(price_e8)}","{decimal(qty_e8)}"]' for price_e8, qty_e8 in levels])
