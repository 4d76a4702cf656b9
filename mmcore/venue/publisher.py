"""Turns what happens in the matching engine into Binance's three market-data streams of a symbol.

`<symbol>@trade` has one message per match, `<symbol>@bookTicker` one whenever an operation has changed the best price
or its quantity on either side, `<symbol>@depth@100ms` one for each window in which levels changed. In a window a
level's last quantity alone counts: a level that came and went is reported once, as gone. Update ids are the engine's,
so the windows' `U`..`u` follow each other without a hole, and a snapshot of the engine's book mostly falls inside a
window. One thread.
"""

from __future__ import annotations

from mmcore.venue.market import Side, StreamMessage
from mmcore.venue.matching import LevelChange, MatchingEngine, Trade

_E8 = 10**8
_NO_LEVEL = (0, 0)


class Publisher:
    """Writes the stream messages of one engine, in the order in which things happened.

    `symbol` is in upper case ("BTCUSDT"). What the engine did before the publisher was made is not published.
    """

    def __init__(self, symbol: str, engine: MatchingEngine) -> None:
        self._symbol = symbol
        name = symbol.lower()
        self._depth_stream = f"{name}@depth@100ms"
        self._ticker_stream = f"{name}@bookTicker"
        self._trade_stream = f"{name}@trade"
        self._engine = engine
        self._window: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        self._messages: list[StreamMessage] = []
        self.restart()

    def restart(self) -> None:
        """Begin here: what the engine has done so far is part of a snapshot, not of the streams."""
        self._engine.drain_level_changes()
        self._engine.drain_trades()
        self._published_id = self._engine.update_id
        self._best = self._best_now()
        self._messages.clear()
        for levels in self._window.values():
            levels.clear()

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
        for trade in self._engine.drain_trades():
            self._publish_trade(trade, time_us)
        self._note(changes)
        best = self._best_now()
        if best != self._best:
            self._best = best
            self._publish_best()

    def close_window(self, time_us: int) -> None:
        """End the 100 ms window: publish the levels that changed in it, if any."""
        if self._engine.update_id == self._published_id:
            return
        bids = self._window[Side.BUY]
        asks = self._window[Side.SELL]
        data = (
            f'{{"e":"depthUpdate","E":{time_us // 1000},"s":"{self._symbol}",'
            f'"U":{self._published_id + 1},"u":{self._engine.update_id},'
            f'"b":[{_levels(sorted(bids.items(), reverse=True))}],"a":[{_levels(sorted(asks.items()))}]}}'
        )
        self._messages.append(StreamMessage(self._depth_stream, data))
        self._published_id = self._engine.update_id
        bids.clear()
        asks.clear()

    def _best_now(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return self._engine.best(Side.BUY) or _NO_LEVEL, self._engine.best(Side.SELL) or _NO_LEVEL

    def _note(self, changes: list[LevelChange]) -> None:
        bids = self._window[Side.BUY]
        asks = self._window[Side.SELL]
        for _, side, price_e8, qty_e8 in changes:
            (bids if side is Side.BUY else asks)[price_e8] = qty_e8

    def _publish_best(self) -> None:
        (bid_e8, bid_qty_e8), (ask_e8, ask_qty_e8) = self._best
        data = (
            f'{{"u":{self._engine.update_id},"s":"{self._symbol}","b":"{decimal(bid_e8)}","B":"{decimal(bid_qty_e8)}",'
            f'"a":"{decimal(ask_e8)}","A":"{decimal(ask_qty_e8)}"}}'
        )
        self._messages.append(StreamMessage(self._ticker_stream, data))

    def _publish_trade(self, trade: Trade, time_us: int) -> None:
        buyer_is_maker = "true" if trade.taker_side is Side.SELL else "false"
        data = (
            f'{{"e":"trade","E":{time_us // 1000},"s":"{self._symbol}","t":{trade.trade_id},'
            f'"p":"{decimal(trade.price_e8)}","q":"{decimal(trade.qty_e8)}","T":{trade.time_us // 1000},'
            f'"m":{buyer_is_maker},"M":true}}'
        )
        self._messages.append(StreamMessage(self._trade_stream, data))


def decimal(value_e8: int) -> str:
    """A count of 1e-8, >= 0, as Binance prints it: always eight decimals."""
    return f"{value_e8 // _E8}.{value_e8 % _E8:08d}"


def _levels(levels: list[tuple[int, int]]) -> str:
    return ",".join([f'["{decimal(price_e8)}","{decimal(qty_e8)}"]' for price_e8, qty_e8 in levels])
