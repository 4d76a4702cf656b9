"""JSON and SBE of one market make one book and the same decisions.

The local exchange's seeded market writes all streams both ways. The books made of them are compared whenever both are
at one update id, and their best prices and trades record by record. Then one list of events, written both ways, goes
through two engines, which must act alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mmcore._native import lib
from mmcore.config import Settings
from mmcore.core import loop as core_loop
from mmcore.core import record
from mmcore.core.book import Book, Side, Step, Sync
from mmcore.core.engine import Engine
from mmcore.core.feed import Feed
from mmcore.core.kinds import Command
from mmcore.core.layout import Records
from mmcore.core.loop import Loop
from mmcore.core.sbe import SbeDecoder
from mmcore.core.ws import BINARY, TEXT, WsParser
from mmcore.exchange.base import CommissionRates
from mmcore.exchange.binance.filters import ExchangeInfo
from mmcore.host import assemble
from mmcore.venue.market import Feed as Subscription
from mmcore.venue.market import Wire
from mmcore.venue.synthetic import SyntheticMarket
from tests.model import sbe_twin as twin

SYMBOL = "BTCUSDT"
E8 = 10**8
T0_US = 1_700_000_000_000_000
JSON_KINDS, SBE_KINDS = ("depth@100ms", "bookTicker", "trade"), ("depth", "bestBidAsk", "trade")


def market(seed: int) -> SyntheticMarket:
    """A market whose JSON and SBE streams all have takers."""
    made = SyntheticMarket(seed)
    made.want({Subscription(f"btcusdt@{kind}", Wire.JSON_MICROSECOND) for kind in JSON_KINDS}
              | {Subscription(f"btcusdt@{kind}", Wire.SBE) for kind in SBE_KINDS})
    made.start(T0_US)
    return made


def snapshot_text(made: SyntheticMarket) -> bytes:
    last_id, bids, asks = made.depth(5000)
    sides = {name: [[twin.decimal(price), twin.decimal(qty)] for price, qty in levels]
             for name, levels in (("bids", bids), ("asks", asks))}
    return json.dumps({"lastUpdateId": last_id, **sides}).encode()


class Reader:
    """A book of the diffs of one way of writing, and its best prices and trades as they came."""

    def __init__(self, snapshot: bytes) -> None:
        self.book = Book(tick_e8=10**6)
        self.sync = Sync(self.book)
        self.others: list[bytes] = []
        self._snapshot = Feed(SYMBOL)
        self._wanted = self._snapshot.decode(snapshot).copy()

    def take(self, events: Records) -> bool:
        """Whether the book took a diff."""
        if len(events) == 0 or events[0]["kind"] != lib.MM_KIND_DEPTH:
            self.others += [row.tobytes() for row in events]
            return False
        step = self.sync.depth(events)
        if step is Step.BUFFERED and not self.sync.synced:
            assert self.sync.snapshot(self._wanted, 5000) is Step.REPLAYED
            return True
        assert step is Step.APPLIED
        return True

    def levels(self) -> list[list[int]]:
        return [self.book.dump(side).tolist() for side in (Side.BID, Side.ASK)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_both_ways_of_writing_one_market_make_one_book_at_every_shared_update_id(seed: int) -> None:
    made = market(seed)
    text = snapshot_text(made)
    from_json, from_sbe = Reader(text), Reader(text)
    feed, decoder = Feed(SYMBOL), SbeDecoder(SYMBOL)
    compared = 0
    for message in made.advance(T0_US + 20_000_000)[0]:
        if isinstance(message.data, bytes):
            from_sbe.take(decoder.decode(message.data))
        else:
            wrapped = f'{{"stream":"{message.stream}","data":{message.data}}}'.encode()
            from_json.take(feed.decode(wrapped))
        if from_json.sync.synced and from_json.sync.last_id == from_sbe.sync.last_id:
            compared += 1
            if isinstance(message.data, str) and "depth" in message.stream:
                assert from_json.levels() == from_sbe.levels()
    assert compared > 150
    assert from_sbe.sync.statistics().applied > 4 * from_json.sync.statistics().applied
    assert from_json.others == from_sbe.others
    assert len(from_json.others) > 1000


# ---- Decisions -------------------------------------------------------------------------------------------------------


NS_PER_S = 10**9
INFO = {"symbols": [{
    "symbol": SYMBOL, "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
    "orderTypes": ["LIMIT", "LIMIT_MAKER"], "isSpotTradingAllowed": True,
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
        {"filterType": "NOTIONAL", "minNotional": "5", "maxNotional": "9000000"},
    ],
}], "rateLimits": [], "serverTime": 1}


def frame(opcode: int, payload: bytes) -> bytes:
    """As a server sends it."""
    size = len(payload)
    head = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + head + payload


def events(seed: int) -> Iterator[tuple[int, bytes, bytes]]:
    """(time in us, the event in JSON, the same in SBE), of 100 ms diffs, best prices and trades."""
    made = market(seed)
    for message in made.advance(T0_US + 15_000_000)[0]:
        if isinstance(message.data, bytes):
            continue
        row = json.loads(message.data)
        wrapped = f'{{"stream":"{message.stream}","data":{message.data}}}'.encode()
        yield row.get("E", 0), wrapped, as_sbe(row)


def e8(text: str) -> int:
    whole, fraction = text.split(".")
    return int(whole) * E8 + int(fraction)


def as_sbe(row: dict[str, Any]) -> bytes:
    wire = twin.Wire(-2, -5) if row.get("u", 0) % 2 else twin.Wire()
    if row.get("e") == "depthUpdate":
        sides = [[(e8(price), e8(qty)) for price, qty in row[side]] for side in ("b", "a")]
        return twin.depth(SYMBOL, row["U"], row["u"], *sides, row["E"], wire)
    if row.get("e") == "trade":
        return twin.trades(SYMBOL, [twin.Trade(row["t"], e8(row["p"]), e8(row["q"]), row["m"])], row["T"], wire)
    return twin.ticker(SYMBOL, row["u"], (e8(row["b"]), e8(row["B"])), (e8(row["a"]), e8(row["A"])), 1, wire)


class Bot:
    """An engine behind its loop, without threads, sockets and a clock; its orders are accepted at once."""

    def __init__(self, snapshot: bytes) -> None:
        rules = ExchangeInfo(INFO).rules(SYMBOL)
        rates = CommissionRates(10**5, 10**5, 10**5, 10**5)
        config = assemble.engine_config(Settings(), rules, rates, (), utc_offset_ns=0, accept_reset=False)
        self.loop = Loop(Engine(config), assemble.loop_config(Settings(), recorded=False))
        self.parser, self.feed = WsParser(1 << 20), Feed(SYMBOL)
        self.did: list[tuple[int, ...]] = []
        self._snapshot = snapshot
        self._reader = Feed(SYMBOL)
        self._record = core_loop.new_record()

    def start(self, now_ns: int) -> int:
        """Account, channels and clock known, no orders of an earlier run. Returns the time after it."""
        push = self.loop.push
        push(core_loop.RING_CONTROL, record.clock(10**18, 10**6, now_ns))
        for channel in (record.ORDER, record.USER):
            push(core_loop.RING_EXEC, record.order_link(channel, True, now_ns))
        push(core_loop.RING_MARKET, record.market_link(True, now_ns))
        push(core_loop.RING_REST, record.balance("BTC", E8, 0, 1))
        push(core_loop.RING_REST, record.balance("USDT", 100_000 * E8, 0, 1))
        push(core_loop.RING_REST, record.command(Command.START, now_ns))
        for _ in range(4):
            self.run(now_ns)
            now_ns += NS_PER_S
        return now_ns

    def take(self, opcode: int, payload: bytes, now_ns: int) -> None:
        """A message of the market connection."""
        whole = frame(opcode, payload)
        self.parser.space()[: len(whole)] = whole
        self.parser.filled(len(whole))
        self.loop.pump(core_loop.CHANNEL_MARKET, self.parser, self.feed, now_ns)
        self.run(now_ns)

    def run(self, now_ns: int) -> None:
        self.loop.run(1, now_ns)
        while self.loop.next_work(self._record):
            kind, token = int(self._record.kind), int(self._record.body.command.command)
            if kind == lib.MM_KIND_WANT_OPEN:
                self.loop.push(core_loop.RING_REST, record.open_end(token))
            elif kind == lib.MM_KIND_WANT_SNAPSHOT:
                (event,) = self._reader.decode_events(self._snapshot, now_ns)
                self.loop.push(core_loop.RING_REST, event)
        while self.loop.next_action(self._record):
            self._accept(now_ns)
        self.loop.run(1, now_ns)

    def _accept(self, now_ns: int) -> None:
        """The exchange does at once what an action asks."""
        kind, body = int(self._record.kind), self._record.body.action
        seq, price_e8, qty_e8 = int(body.order_seq), int(body.price_e8), int(body.qty_e8)
        self.did.append((kind, int(self._record.flags), seq, price_e8, qty_e8, int(body.decision_ns)))
        self.loop.sent(self._record, now_ns)
        reply, status = ((lib.MM_KIND_ACK, lib.MM_ORDER_LIVE) if kind == lib.MM_KIND_PLACE
                         else (lib.MM_KIND_CANCELED, lib.MM_ORDER_CANCELED))
        self.loop.push(core_loop.RING_EXEC, record.report(reply, seq, exchange_id=1000 + seq, status=status,
                                                          price_e8=price_e8, qty_e8=qty_e8, executed_e8=0))


@pytest.mark.parametrize("seed", [1, 2])
def test_where_the_data_is_equal_the_decisions_are(seed: int) -> None:
    made = SyntheticMarket(seed)
    made.start(T0_US)
    snapshot = snapshot_text(made)
    json_bot, sbe_bot = Bot(snapshot), Bot(snapshot)
    begun_ns = json_bot.start(NS_PER_S)
    assert sbe_bot.start(NS_PER_S) == begun_ns
    time_us = T0_US
    for said_us, text, binary in events(seed):
        time_us = max(time_us, said_us)
        json_bot.take(TEXT, text, begun_ns + 1000 * (time_us - T0_US))
        sbe_bot.take(BINARY, binary, begun_ns + 1000 * (time_us - T0_US))
        assert json_bot.did == sbe_bot.did
    told, other = json_bot.loop.status(1), sbe_bot.loop.status(1)
    assert told == other
    assert (told.gaps, told.malformed, told.book_audit_failures) == (0, 0, 0)
    assert told.book_updates > 100
    assert len(json_bot.did) > 20
