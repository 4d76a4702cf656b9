"""A market played back from a recording: messages verbatim, own orders resting by the queue model.

The recording's book never feels our orders. An order that takes trades against the venue's own book, the one that REST
depth shows, and against orders of accounts that rest within its reach, each behind its `front`; what rests is judged by
`queue_model`. Times inside messages stay as recorded.
"""

from __future__ import annotations

import gzip
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from mmcore.venue.decimals import parse_e8
from mmcore.venue.level_book import Level, LevelBook
from mmcore.venue.market import (
    Execution,
    Feed,
    NewOrder,
    OrderKind,
    PlaceResult,
    Prevention,
    Side,
    StpMode,
    StreamMessage,
    TimeInForce,
    prevented,
)
from mmcore.venue.queue_model import UNKNOWN_FRONT_E8, QueueFill, QueueModel, Resting
from mmcore.venue.tape import Print, Tape
from mmcore.venue.translate import Translator

_KNOWN_GRIDS = {"BTCUSDT": (1_000_000, 1_000)}
_STREAM_HEAD = '{"stream":"'
_DATA_HEAD = '","data":'
_SNAPSHOT_HEAD = '{"lastUpdateId"'
_WAITING_DIFFS_MAX = 10_000
_MICROSECONDS_FROM = 10**14


class RecordingError(ValueError):
    """A recording that cannot be played; the text names file and line and says why."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One line: `stream` is empty for a REST depth snapshot, `data` the payload's JSON text."""

    recv_ns: int
    stream: str
    data: str
    where: str


@dataclass(frozen=True, slots=True)
class _Top:
    """Best prices and quantities as of an update, 0 for an empty side."""

    update_id: int
    bid: Level
    ask: Level


@dataclass(frozen=True, slots=True)
class _Summary:
    """What a first pass over a recording tells."""

    symbol: str
    first_ns: int
    message_count: int
    snapshot: dict[str, Any]


class RecordedMarket:
    """A `Market` over recordings of one symbol in time order, in lines of `<receive nanoseconds> <json>`, gzipped.

    Playback begins at `start` and runs at `speed` times the recorded pace. Raises `RecordingError`. BTCUSDT has tick
    0.01 and step 0.00001; for other symbols both are read off the decimals of the first snapshot (`grid_is_derived`).
    """

    def __init__(self, paths: Sequence[Path], speed: Fraction = Fraction(1)) -> None:
        if speed <= 0:
            raise RecordingError(f"the speed {speed} is not above 0")
        summary = _scan(paths)
        self.symbol = summary.symbol
        self.message_count = summary.message_count
        self.grid_is_derived = summary.symbol not in _KNOWN_GRIDS
        self.tick_e8, self.step_e8 = _KNOWN_GRIDS.get(summary.symbol) or _derive_grid(summary.snapshot)
        self.queue = QueueModel()
        self.tape = Tape()
        self._speed = speed
        self._first_ns = summary.first_ns
        self._lines = _read(paths)
        self._next: _Line | None = next(self._lines)
        self._start_us: int | None = None
        self._book = LevelBook()
        self._book_id: int | None = None
        self._known_bid_e8 = 0
        self._known_ask_e8 = 0
        self._waiting: deque[dict[str, Any]] = deque(maxlen=_WAITING_DIFFS_MAX)
        self._top: _Top | None = None
        self._last_price_e8 = 0
        self._next_trade_id = 1
        self._fills: list[QueueFill] = []
        self._translator = Translator(summary.symbol)

    # Market

    def start(self, now_us: int) -> None:
        """Begin playback."""
        assert self._start_us is None, "playback begins once"
        self._start_us = now_us

    def want(self, feeds: Set[Feed]) -> None:
        """Messages go out as recorded, wanted or not, and in the other ways of writing them that are wanted."""
        self._translator.want(feeds)

    def next_due_us(self) -> int | None:
        """When the next recorded message goes out; None before `start` and at the end."""
        if self._start_us is None or self._next is None:
            return None
        elapsed_ns = self._next.recv_ns - self._first_ns
        return self._start_us + elapsed_ns * self._speed.denominator // (1000 * self._speed.numerator)

    def advance(self, now_us: int) -> tuple[list[StreamMessage], list[Execution]]:
        """The recorded messages due by now, verbatim, and the fills they give to own orders."""
        messages: list[StreamMessage] = []
        due_us = self.next_due_us()
        while self._next is not None and due_us is not None and due_us <= now_us:
            line, self._next = self._next, next(self._lines, None)
            self.queue.message += 1
            if line.stream:
                messages.append(StreamMessage(line.stream, line.data))
            self._take(line)
            messages += self._translate(line)
            due_us = self.next_due_us()
        fills, self._fills = self._fills, []
        return messages, [self._execution(fill, now_us) for fill in fills]

    def place(self, order: NewOrder, now_us: int) -> PlaceResult:
        """Take from the venue's own book what the order crosses, and rest the remainder behind the queue."""
        assert self._top is not None, "orders are taken only while there is a book"
        if order.kind is OrderKind.LIMIT_MAKER and (self._crosses_top(order) or any(self.queue.facing(order))):
            return PlaceResult((), 0, 0, would_match=True)
        if order.tif is TimeInForce.FOK and not self._can_fill(order):
            return PlaceResult((), 0, order.qty_e8, would_match=False)
        steps: tuple[Execution | Prevention, ...] = ()
        left_e8, out_of_range = order.qty_e8, False
        if order.kind is not OrderKind.LIMIT_MAKER:
            steps, left_e8, out_of_range = self._take_from_book(order, now_us)
        if out_of_range:
            return PlaceResult(steps, 0, left_e8, would_match=False, out_of_range=True)
        if order.kind is OrderKind.MARKET or order.tif is not TimeInForce.GTC:
            return PlaceResult(steps, 0, left_e8, would_match=False)
        if left_e8:
            self.queue.place(order, left_e8, self._front(order), self._top.update_id)
        return PlaceResult(steps, left_e8, 0, would_match=False)

    def cancel(self, order_id: int, now_us: int) -> int | None:
        """Take a resting order off."""
        return self.queue.cancel(order_id)

    def reduce(self, order_id: int, remaining_e8: int, now_us: int) -> bool:
        """Leave less of a resting order, in its place in the queue; False if it does not rest."""
        return self.queue.reduce(order_id, remaining_e8)

    def depth(self, limit: int) -> tuple[int, list[Level], list[Level]] | None:
        """The venue's own book as of the last message played; None until the recorded snapshot."""
        if self._book_id is None:
            return None
        return self._book_id, self._book.levels(Side.BUY, limit), self._book.levels(Side.SELL, limit)

    def reference_price_e8(self) -> int:
        """The last recorded trade's price; before the first, the best bid, or 0 without a book."""
        if self._last_price_e8 or self._top is None:
            return self._last_price_e8
        return self._top.bid[0]

    # Playing

    def _take(self, line: _Line) -> None:
        """Follow one message with the own book and the queue model."""
        kind = line.stream.partition("@")[2]
        try:
            if not line.stream:
                self._take_snapshot(json.loads(line.data))
            elif kind in ("depth", "depth@100ms"):
                self._take_diff(json.loads(line.data))
            elif kind == "bookTicker":
                self._take_ticker(json.loads(line.data))
            elif kind == "trade":
                self._take_trade(json.loads(line.data))
        except (ValueError, KeyError, TypeError) as error:
            raise RecordingError(f"{line.where}: unreadable message: {error!r}") from error

    def _translate(self, line: _Line) -> list[StreamMessage]:
        try:
            return self._translator.translate(line.stream, line.data, line.recv_ns // 1000)
        except (ValueError, KeyError, TypeError) as error:
            raise RecordingError(f"{line.where}: unreadable message: {error!r}") from error

    def _take_snapshot(self, snapshot: dict[str, Any]) -> None:
        if self._book_id is not None:
            return
        bids, asks = _levels(snapshot["bids"]), _levels(snapshot["asks"])
        self._book.replace(Side.BUY, bids)
        self._book.replace(Side.SELL, asks)
        self._known_bid_e8 = min((price for price, _ in bids), default=0)
        self._known_ask_e8 = max((price for price, _ in asks), default=0)
        self._book_id = int(snapshot["lastUpdateId"])
        waiting = list(self._waiting)
        self._waiting.clear()
        for diff in waiting:
            self._take_diff(diff)
        if self._book_id is not None:
            self._raise_top(self._top_of_book(self._book_id))

    def _take_diff(self, diff: dict[str, Any]) -> None:
        first, last = int(diff["U"]), int(diff["u"])
        if self._book_id is None:
            self._waiting.append(diff)
            return
        if last <= self._book_id:
            return
        if first > self._book_id + 1:
            self._book_id = None
            self._waiting.append(diff)
            return
        for side, levels in ((Side.BUY, diff["b"]), (Side.SELL, diff["a"])):
            for price, qty in _levels(levels):
                self._book.set(side, price, qty)
                self.queue.level(side, price, qty, last)
        self._book_id = last
        self._raise_top(self._top_of_book(last))

    def _take_ticker(self, ticker: dict[str, Any]) -> None:
        bid, ask = _levels(((ticker["b"], ticker["B"]), (ticker["a"], ticker["A"])))
        top = _Top(int(ticker["u"]), bid, ask)
        if self._top is not None and top.update_id <= self._top.update_id:
            return
        self.queue.level(Side.BUY, *bid, top.update_id)
        self.queue.level(Side.SELL, *ask, top.update_id)
        self._raise_top(top)

    def _take_trade(self, trade: dict[str, Any]) -> None:
        price, qty = _levels(((trade["p"], trade["q"]),))[0]
        self._last_price_e8 = price
        time = int(trade.get("T", 0))
        time_us = time if time >= _MICROSECONDS_FROM else time * 1000
        self.tape.note([Print(int(trade["t"]), time_us, price, qty, bool(trade["m"]))])
        self._fills += self.queue.trade(price, qty, Side.SELL if trade["m"] else Side.BUY)

    def _top_of_book(self, update_id: int) -> _Top:
        return _Top(update_id, self._book.best(Side.BUY) or (0, 0), self._book.best(Side.SELL) or (0, 0))

    def _raise_top(self, top: _Top) -> None:
        """Take the newer best prices, and fill what they reach."""
        if self._top is not None and top.update_id < self._top.update_id:
            return
        self._top = top
        if top.bid[1]:
            self._fills += self.queue.best(Side.BUY, top.bid[0])
        if top.ask[1]:
            self._fills += self.queue.best(Side.SELL, top.ask[0])

    # Own orders

    def _crosses_top(self, order: NewOrder) -> bool:
        assert self._top is not None, "there is a book"
        if order.side is Side.BUY:
            return self._top.ask[1] > 0 and order.price_e8 >= self._top.ask[0]
        return self._top.bid[1] > 0 and order.price_e8 <= self._top.bid[0]

    def _in_reach(self, order: NewOrder) -> Iterator[tuple[int, int, Resting | None]]:
        """(price, quantity, None for the public or the resting order): all that the order can reach, in the order in
        which it would trade. An account's order stands in its level behind its front.
        """
        opposite, sign = (Side.SELL, 1) if order.side is Side.BUY else (Side.BUY, -1)
        resting = list(self.queue.facing(order))
        for price, qty in self._book.levels(opposite, 1_000_000):
            if order.kind is not OrderKind.MARKET and price * sign > order.price_e8 * sign:
                break
            while resting and resting[0].price_e8 * sign < price * sign:
                yield _slot(resting.pop(0))
            ahead_e8 = 0
            while resting and resting[0].price_e8 == price:
                one = resting.pop(0)
                until_e8 = min(max(one.front_e8, ahead_e8), qty)
                if until_e8 > ahead_e8:
                    yield price, until_e8 - ahead_e8, None
                ahead_e8 = until_e8
                yield _slot(one)
            if qty > ahead_e8:
                yield price, qty - ahead_e8, None
        yield from map(_slot, resting)

    def _can_fill(self, order: NewOrder) -> bool:
        """Whether others offer the whole of a FOK order, before it meets an order of its own account that stops it."""
        left_e8 = order.qty_e8
        for price, qty, one in self._in_reach(order):
            if order.allowed is not None and not order.allowed.holds(price):
                return False
            if one is None or order.stp is StpMode.NONE or one.owner != order.owner:
                left_e8 -= qty
            elif order.stp is not StpMode.EXPIRE_MAKER:
                return False
            if left_e8 <= 0:
                return True
        return False

    def _take_from_book(self, order: NewOrder, now_us: int) -> tuple[tuple[Execution | Prevention, ...], int, bool]:
        """What happens to an order that takes, what is left of it, and whether it came to a price out of its range."""
        steps: list[Execution | Prevention] = []
        left_e8 = order.qty_e8
        for price, offered_e8, one in self._in_reach(order):
            if not left_e8:
                break
            if order.allowed is not None and not order.allowed.holds(price):
                return tuple(steps), left_e8, True
            qty = min(left_e8, offered_e8)
            if one is not None and order.stp is not StpMode.NONE and one.owner == order.owner:
                taker_e8, maker_e8 = prevented(order.stp, left_e8, offered_e8)
                steps.append(Prevention(order.owner, order.order_id, one.order_id, price, qty, taker_e8, maker_e8))
                if maker_e8:
                    self.queue.use(one, maker_e8)
                left_e8 -= taker_e8
                continue
            trade_id = self._trade_id()
            if one is not None:
                self.queue.use(one, qty)
                steps.append(Execution(trade_id, one.order_id, one.owner, one.side, price, qty, True, now_us))
            steps.append(Execution(trade_id, order.order_id, order.owner, order.side, price, qty, False, now_us))
            left_e8 -= qty
        return tuple(steps), left_e8, False

    def _front(self, order: NewOrder) -> int:
        """The public quantity ahead of a new order at its price."""
        assert self._top is not None, "there is a book"
        buy = order.side is Side.BUY
        best, best_qty = self._top.bid if buy else self._top.ask
        if order.price_e8 == best:
            return best_qty
        if order.price_e8 > best if buy else order.price_e8 < best:
            return 0
        unknown = order.price_e8 < self._known_bid_e8 if buy else order.price_e8 > self._known_ask_e8
        listed = self._book.quantity(order.side, order.price_e8)
        return UNKNOWN_FRONT_E8 if unknown and not listed else listed

    def _execution(self, fill: QueueFill, now_us: int) -> Execution:
        return Execution(
            self._trade_id(),
            fill.order_id,
            fill.owner,
            fill.side,
            fill.price_e8,
            fill.qty_e8,
            maker=True,
            time_us=now_us,
        )

    def _trade_id(self) -> int:
        trade_id, self._next_trade_id = self._next_trade_id, self._next_trade_id + 1
        return trade_id


def _slot(one: Resting) -> tuple[int, int, Resting]:
    return one.price_e8, one.remaining_e8, one


def _levels(pairs: Any) -> list[Level]:
    return [(_e8(price), _e8(qty)) for price, qty in pairs]


def _e8(text: str) -> int:
    if len(text) > 9 and text[-9] == ".":
        return int(text[:-9] + text[-8:])
    return parse_e8(text)


def _read(paths: Sequence[Path]) -> Iterator[_Line]:
    for path in paths:
        try:
            with gzip.open(path, "rt", encoding="utf-8") as file:
                for number, text in enumerate(file, start=1):
                    yield _split(text.rstrip("\n"), f"{path}:{number}")
        except gzip.BadGzipFile:
            raise RecordingError(f"{path}: not a recording: those are gzipped lines of `<receive nanoseconds> <json>`, "
                                 "the JSON a combined stream message or a REST depth snapshot") from None
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise RecordingError(f"{path}: {error}") from error


def _split(text: str, where: str) -> _Line:
    stamp, _, body = text.partition(" ")
    if not stamp.isdecimal() or not body.endswith("}"):
        raise RecordingError(f"{where}: not a line of the form `<receive nanoseconds> <json object>`")
    if body.startswith(_SNAPSHOT_HEAD):
        return _Line(int(stamp), "", body, where)
    stream, found, data = body.removeprefix(_STREAM_HEAD).partition(_DATA_HEAD)
    if not found or not body.startswith(_STREAM_HEAD):
        raise RecordingError(f'{where}: neither {{"stream":..,"data":..}} nor a REST depth snapshot')
    return _Line(int(stamp), stream, data[:-1], where)


def _scan(paths: Sequence[Path]) -> _Summary:
    symbol, first_ns, count, snapshot = "", 0, 0, None
    for line in _read(paths):
        count += 1
        first_ns = first_ns or line.recv_ns
        if not line.stream:
            snapshot = snapshot or _load_snapshot(line)
            continue
        name = line.stream.partition("@")[0].upper()
        if symbol and name != symbol:
            raise RecordingError(f"{line.where}: a message of {name} in a recording of {symbol}; one symbol only")
        symbol = name
        if '"pu":' in line.data:
            raise RecordingError(f"{line.where}: depth of a futures market ('pu'); this venue trades spot")
    if snapshot is None or not symbol:
        what = "REST depth snapshot" if snapshot is None else "stream message"
        raise RecordingError(f"{', '.join(map(str, paths))}: no {what}, so nobody could build a book from it")
    return _Summary(symbol, first_ns, count, snapshot)


def _load_snapshot(line: _Line) -> dict[str, Any]:
    try:
        snapshot = json.loads(line.data)
        _levels([*snapshot["bids"], *snapshot["asks"]])
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{line.where}: unreadable snapshot: {error!r}") from error
    assert isinstance(snapshot, dict)
    return snapshot


def _derive_grid(snapshot: dict[str, Any]) -> tuple[int, int]:
    """Tick and step as the finest decimal place that prices and quantities of a snapshot use."""
    levels = _levels([*snapshot["bids"], *snapshot["asks"]])
    return _finest(price for price, _ in levels), _finest(qty for _, qty in levels)


def _finest(values: Iterable[int]) -> int:
    grid = 10**16
    for value in values:
        while value % grid:
            grid //= 10
    return grid
