"""Playback of recordings: verbatim messages, the venue's own book, and own orders judged by the queue model."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mmcore.venue.market import NewOrder, OrderKind, Prevention, PriceRange, Side, StpMode, TimeInForce
from mmcore.venue.recorded import RecordedMarket, RecordingError
from mmcore.venue.server import ServerSettings

UNIT = 100_000_000
FIRST_NS = 1_723_161_253_000_000_000
DEPTH = "btcusdt@depth@100ms"
REAL = "hftbacktest/spot/btcusdt_20240808.gz"


def stream(name: str, data: Any) -> str:
    return f'{{"stream":"{name}","data":{json.dumps(data, separators=(",", ":"))}}}'


def pairs(levels: Iterable[tuple[str, str]]) -> list[list[str]]:
    return [[f"{Decimal(price):.8f}", f"{Decimal(qty):.8f}"] for price, qty in levels]


def diff(first: int, last: int, bids: Any = (), asks: Any = (), symbol: str = "BTCUSDT") -> str:
    data = {"e": "depthUpdate", "E": 1, "s": symbol, "U": first, "u": last, "b": pairs(bids), "a": pairs(asks)}
    return stream(f"{symbol.lower()}@depth@100ms", data)


def snapshot(last: int, bids: Any, asks: Any) -> str:
    return json.dumps({"lastUpdateId": last, "bids": pairs(bids), "asks": pairs(asks)})


def ticker(update_id: int, bid: tuple[str, str], ask: tuple[str, str]) -> str:
    (b, big_b), (a, big_a) = pairs([bid, ask])
    return stream("btcusdt@bookTicker", {"u": update_id, "s": "BTCUSDT", "b": b, "B": big_b, "a": a, "A": big_a})


def trade(price: str, qty: str, *, seller_hits: bool) -> str:
    ((p, q),) = pairs([(price, qty)])
    return stream("btcusdt@trade", {"e": "trade", "s": "BTCUSDT", "t": 1, "p": p, "q": q, "m": seller_hits, "M": True})


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Path]:
    """`record(*messages)`: a recording with 100 ms between its messages."""

    def write(*messages: str, name: str = "a.gz", first_ns: int = FIRST_NS) -> Path:
        lines = [f"{first_ns + 100_000_000 * number} {text}\n" for number, text in enumerate(messages)]
        path = tmp_path / name
        path.write_bytes(gzip.compress("".join(lines).encode()))
        return path

    return write


OPENING = (
    diff(10, 12, bids=[("100", "1")]),
    diff(13, 20, bids=[("99.5", "7")]),
    snapshot(15, bids=[("100", "5"), ("99", "3")], asks=[("101", "4"), ("102", "2")]),
)


def play(market: RecordedMarket, count: int) -> list[Any]:
    """Play `count` messages; the fills they gave."""
    fills: list[Any] = []
    if market.next_due_us() is None:
        market.start(0)
    for _ in range(count):
        due_us = market.next_due_us()
        assert due_us is not None
        fills += market.advance(due_us)[1]
    return fills


def rest(market: RecordedMarket, order_id: int, side: Side, price: str, qty: str = "1", **more: Any) -> Any:
    kind, tif = more.get("kind", OrderKind.LIMIT_MAKER), more.get("tif", TimeInForce.GTC)
    price_e8 = 0 if kind is OrderKind.MARKET else int(Decimal(price) * UNIT)
    return market.place(NewOrder(order_id, "a", side, kind, tif, price_e8, int(Decimal(qty) * UNIT)), 0)


def front(market: RecordedMarket) -> str | None:
    entry = market.queue.log[-1]
    assert entry["event"] == "place"
    value: str | None = entry["front"]
    return value


def test_messages_come_verbatim_in_order_at_the_recorded_pace(record: Callable[..., Path]) -> None:
    market = RecordedMarket([record(*OPENING, trade("100", "1", seller_hits=True))], Fraction(10))
    assert market.next_due_us() is None
    market.start(5_000_000)
    due = []
    sent = []
    while (due_us := market.next_due_us()) is not None:
        due.append(due_us - 5_000_000)
        sent += market.advance(due_us)[0]
    assert due == [0, 10_000, 20_000, 30_000]
    wrapped = [f'{{"stream":"{message.stream}","data":{message.data}}}' for message in sent]
    assert wrapped == [OPENING[0], OPENING[1], trade("100", "1", seller_hits=True)]


def test_all_that_is_due_comes_at_once(record: Callable[..., Path]) -> None:
    market = RecordedMarket([record(*OPENING)], Fraction(1))
    market.start(0)
    assert len(market.advance(10**9)[0]) == 2
    assert market.advance(10**10) == ([], [])


def test_there_is_no_book_before_the_snapshot_and_then_one_with_the_diffs_since(record: Callable[..., Path]) -> None:
    market = RecordedMarket([record(*OPENING, diff(21, 21, bids=[("100", "0")], asks=[("101", "9")]))])
    play(market, 2)
    assert market.depth(5) is None
    play(market, 1)
    assert market.depth(5) == (
        20,
        [(100 * UNIT, 5 * UNIT), (9_950_000_000, 7 * UNIT), (99 * UNIT, 3 * UNIT)],
        [(101 * UNIT, 4 * UNIT), (102 * UNIT, 2 * UNIT)],
    )
    play(market, 1)
    assert market.depth(1) == (21, [(9_950_000_000, 7 * UNIT)], [(101 * UNIT, 9 * UNIT)])


def test_a_gap_takes_the_book_away_until_the_next_snapshot(record: Callable[..., Path]) -> None:
    late = snapshot(31, bids=[("100", "1")], asks=[("101", "1")])
    market = RecordedMarket([record(*OPENING, diff(30, 32, asks=[("101", "2")]), late)])
    play(market, 4)
    assert market.depth(1) is None
    play(market, 1)
    assert market.depth(1) == (32, [(100 * UNIT, UNIT)], [(101 * UNIT, 2 * UNIT)])


def test_files_of_one_symbol_are_one_run(record: Callable[..., Path]) -> None:
    first = record(*OPENING)
    second = record(diff(21, 22, bids=[("100", "8")]), name="b.gz", first_ns=FIRST_NS + 1_000_000_000)
    market = RecordedMarket([first, second])
    play(market, 3)
    assert market.next_due_us() == 1_000_000
    play(market, 1)
    assert market.depth(1) == (22, [(100 * UNIT, 8 * UNIT)], [(101 * UNIT, 4 * UNIT)])


def test_the_front_of_a_new_order_is_the_newest_known_quantity_of_its_level(record: Callable[..., Path]) -> None:
    market = RecordedMarket([record(*OPENING, ticker(22, ("100", "6"), ("101", "4")))])
    play(market, 3)
    for order_id, (side, price, expected) in enumerate(
        [
            (Side.BUY, "100", "5.00000000"),
            (Side.BUY, "99.5", "7.00000000"),
            (Side.BUY, "99.7", "0.00000000"),
            (Side.BUY, "100.5", "0.00000000"),
            (Side.BUY, "98", None),
            (Side.SELL, "102", "2.00000000"),
            (Side.SELL, "103", None),
        ],
        start=1,
    ):
        assert rest(market, order_id, side, price).resting_e8 == UNIT
        assert front(market) == expected
    play(market, 1)
    rest(market, 9, Side.BUY, "100")
    assert front(market) == "6.00000000"


def test_a_maker_order_that_crosses_the_newest_best_is_refused(record: Callable[..., Path]) -> None:
    market = RecordedMarket(
        [record(*OPENING, ticker(22, ("100", "6"), ("100.5", "4")), ticker(21, ("1", "1"), ("9", "9")))]
    )
    play(market, 3)
    assert not rest(market, 1, Side.BUY, "100.5").would_match
    assert rest(market, 2, Side.BUY, "101").would_match
    assert rest(market, 3, Side.SELL, "100").would_match
    play(market, 2)
    assert rest(market, 4, Side.BUY, "100.5").would_match


def test_prints_levels_and_the_opposite_best_fill_as_the_model_says(record: Callable[..., Path]) -> None:
    market = RecordedMarket(
        [
            record(
                *OPENING,
                trade("100", "3", seller_hits=True),
                diff(21, 21, bids=[("100", "1.5")]),
                trade("100", "2", seller_hits=True),
                trade("102.5", "0.1", seller_hits=False),
                ticker(30, ("98", "1"), ("98.5", "1")),
            )
        ]
    )
    play(market, 3)
    rest(market, 1, Side.BUY, "100")
    rest(market, 2, Side.SELL, "102")
    rest(market, 3, Side.BUY, "99")
    assert play(market, 2) == []
    (partial,) = play(market, 1)
    assert (partial.order_id, partial.qty_e8, partial.price_e8, partial.maker) == (1, UNIT // 2, 100 * UNIT, True)
    (through,) = play(market, 1)
    assert (through.order_id, through.qty_e8, through.price_e8) == (2, UNIT, 102 * UNIT)
    crossed = play(market, 1)
    assert [(fill.order_id, fill.qty_e8) for fill in crossed] == [(1, UNIT // 2), (3, UNIT)]
    assert len({fill.trade_id for fill in (partial, through, *crossed)}) == 4


def test_taking_orders_walk_the_own_book(record: Callable[..., Path]) -> None:
    market = RecordedMarket([record(*OPENING)])
    play(market, 3)
    walked = rest(market, 1, Side.BUY, "", "5", kind=OrderKind.MARKET)
    assert [(one.price_e8, one.qty_e8) for one in walked.executions] == [(101 * UNIT, 4 * UNIT), (102 * UNIT, UNIT)]
    fok = rest(market, 2, Side.BUY, "101", "5", kind=OrderKind.LIMIT, tif=TimeInForce.FOK)
    assert (fok.executions, fok.expired_e8) == ((), 5 * UNIT)
    ioc = rest(market, 3, Side.SELL, "99.5", "20", kind=OrderKind.LIMIT, tif=TimeInForce.IOC)
    assert (sum(one.qty_e8 for one in ioc.executions), ioc.expired_e8) == (12 * UNIT, 8 * UNIT)
    part = rest(market, 4, Side.BUY, "101", "5", kind=OrderKind.LIMIT)
    assert (part.resting_e8, part.expired_e8) == (UNIT, 0)
    assert market.cancel(4, 0) == UNIT
    assert market.cancel(4, 0) is None


def test_the_grid_of_another_symbol_is_read_off_its_snapshot(record: Callable[..., Path]) -> None:
    messages = [
        diff(1, 2, symbol="TRXUSDT"),
        snapshot(1, bids=[("0.2391", "10.5"), ("0.239", "3")], asks=[("0.2392", "7")]),
    ]
    market = RecordedMarket([record(*messages)])
    assert (market.symbol, market.grid_is_derived) == ("TRXUSDT", True)
    assert (market.tick_e8, market.step_e8) == (10_000, 10_000_000)


BROKEN: list[tuple[tuple[str, ...], str]] = [
    ((OPENING[0],), "no REST depth snapshot"),
    ((OPENING[2],), "no stream message"),
    ((*OPENING, diff(21, 22, symbol="ETHUSDT")), ":4: a message of ETHUSDT in a recording of BTCUSDT; one symbol only"),
    ((*OPENING, OPENING[0].replace('"u":12', '"u":12,"pu":9')), ":4: depth of a futures market ('pu')"),
    ((*OPENING, "hello"), ":4: not a line of the form"),
    ((*OPENING, '{"other":1}'), ":4: neither"),
    (('{"lastUpdateId":1,"bids":[["x","1"]],"asks":[]}', OPENING[0]), ":1: unreadable snapshot"),
]


@pytest.mark.parametrize(("messages", "says"), BROKEN)
def test_a_recording_that_cannot_be_played_is_refused_with_its_line(
    record: Callable[..., Path], messages: tuple[str, ...], says: str
) -> None:
    with pytest.raises(RecordingError) as caught:
        RecordedMarket([record(*messages)])
    assert says in str(caught.value)


def test_a_file_that_is_no_gzip_or_not_there_is_refused(tmp_path: Path) -> None:
    plain = tmp_path / "plain.gz"
    plain.write_text("not gzip")
    for path in (plain, tmp_path / "none.gz"):
        with pytest.raises(RecordingError, match=path.name):
            RecordedMarket([path])


def test_an_unreadable_message_stops_the_playback_with_its_line(record: Callable[..., Path]) -> None:
    market = RecordedMarket([record(*OPENING, stream(DEPTH, {"U": 21, "u": 22, "b": [["x", "1"]], "a": []}))])
    play(market, 3)
    with pytest.raises(RecordingError, match=":4: unreadable message"):
        play(market, 1)


# Orders of accounts among each other


def test_an_order_meets_its_own_behind_the_public_quantity_that_is_ahead_of_it(record: Callable[..., Path]) -> None:
    for mode, steps, expired in (
        (StpMode.EXPIRE_TAKER, [("prevented", 12, 0)], 0),
        (StpMode.EXPIRE_MAKER, [("prevented", 0, 1), ("trade", 7), ("trade", 3)], 2),
        (StpMode.EXPIRE_BOTH, [("prevented", 12, 1)], 0),
        (StpMode.DECREMENT, [("prevented", 1, 1), ("trade", 7), ("trade", 3)], 1),
    ):
        market = RecordedMarket([record(*OPENING)])
        play(market, 3)
        rest(market, 1, Side.BUY, "100")
        done = take(market, Side.SELL, "99", "17", mode)
        assert [described(step) for step in done.executions] == [("trade", 5), *steps], mode
        assert (done.resting_e8, done.expired_e8) == (0, expired * UNIT)
        assert market.queue.cancel(1) == (UNIT if mode is StpMode.EXPIRE_TAKER else None)


def test_without_a_mode_accounts_trade_with_each_other_inside_the_spread(record: Callable[..., Path]) -> None:
    market = RecordedMarket([record(*OPENING)])
    play(market, 3)
    rest(market, 1, Side.BUY, "100.50", "2")
    refused = rest(market, 2, Side.SELL, "100.50")
    assert refused.would_match
    done = take(market, Side.SELL, "100.20", "3", StpMode.NONE, IOC)
    maker, seller = done.executions
    assert (maker.order_id, maker.maker, maker.price_e8, maker.qty_e8) == (1, True, 10_050_000_000, 2 * UNIT)
    assert (seller.maker, seller.trade_id, seller.qty_e8, done.expired_e8) == (False, maker.trade_id, 2 * UNIT, UNIT)
    assert market.queue.cancel(1) is None


def test_a_fill_or_kill_counts_only_what_others_offer(record: Callable[..., Path]) -> None:
    market = RecordedMarket([record(*OPENING)])
    play(market, 3)
    rest(market, 1, Side.BUY, "100.50", "1")
    for qty, mode, filled in (("6", StpMode.NONE, True), ("6", StpMode.EXPIRE_MAKER, False)):
        done = take(market, Side.SELL, "100", qty, mode, TimeInForce.FOK)
        assert (done.expired_e8 == 0) is filled, mode
        rest(market, 1, Side.BUY, "100.50", "1")


def test_an_order_that_comes_to_a_price_out_of_its_range_expires_there(record: Callable[..., Path]) -> None:
    market = RecordedMarket([record(*OPENING)])
    play(market, 3)
    allowed = PriceRange(9_950_000_000, 10_050_000_000)
    for tif, traded, left in ((TimeInForce.GTC, 12, 5), (TimeInForce.FOK, 0, 17)):
        order = NewOrder(50, "a", Side.SELL, OrderKind.LIMIT, tif, 99 * UNIT, 17 * UNIT, StpMode.NONE, allowed)
        done = market.place(order, 0)
        assert sum(step.qty_e8 for step in done.executions) == traded * UNIT
        assert (done.resting_e8, done.expired_e8, done.out_of_range) == (0, left * UNIT, tif is TimeInForce.GTC)


def test_an_order_is_reduced_in_its_place(record: Callable[..., Path]) -> None:
    market = RecordedMarket([record(*OPENING, trade("100", "5.5", seller_hits=True))])
    play(market, 3)
    rest(market, 1, Side.BUY, "100", "3")
    assert market.reduce(1, UNIT, 0)
    assert not market.reduce(2, UNIT, 0)
    assert [(fill.order_id, fill.qty_e8) for fill in play(market, 1)] == [(1, UNIT // 2)]


IOC = TimeInForce.IOC


def take(market: RecordedMarket, side: Side, price: str, qty: str, mode: StpMode, tif: TimeInForce = IOC) -> Any:
    price_e8, qty_e8 = int(Decimal(price) * UNIT), int(Decimal(qty) * UNIT)
    return market.place(NewOrder(50, "a", side, OrderKind.LIMIT, tif, price_e8, qty_e8, mode), 0)


def described(step: Any) -> tuple[Any, ...]:
    if isinstance(step, Prevention):
        return "prevented", step.taker_e8 // UNIT, step.maker_e8 // UNIT
    return "trade", step.qty_e8 // UNIT


# Over real sockets


def test_playback_begins_with_the_first_depth_subscription_and_late_clients_sync(
    serve: Any, record: Callable[..., Path]
) -> None:
    more = [diff(n, n, bids=[("100", str(n))]) for n in range(21, 41)]
    messages = [*OPENING, *more]
    market = RecordedMarket([record(*messages)], Fraction(4))

    async def body(server: Any, url: str) -> None:
        async with aiohttp.ClientSession() as http:
            async with http.ws_connect(f"{url}/ws/btcusdt@trade") as other:
                with pytest.raises(TimeoutError):
                    await other.receive(timeout=0.2)
            async with http.get(f"{url}/api/v3/depth?symbol=BTCUSDT") as reply:
                assert (reply.status, (await reply.json())["code"]) == (503, -1001)
            async with http.ws_connect(f"{url}/stream?streams={DEPTH}") as first:
                held = asyncio.create_task(read_depth(http, url))
                got = [await first.receive_str(timeout=2) for _ in range(8)]
                assert got == [text for text in messages if "stream" in text][:8]
                early = await held
                assert early["lastUpdateId"] >= 20
                async with http.ws_connect(f"{url}/ws/{DEPTH}") as late:
                    head = json.loads(await late.receive_str(timeout=2))
                    book = await read_depth(http, url)
                    assert book["lastUpdateId"] >= head["U"] - 1
                    assert book["bids"][0] == ["100.00000000", f"{book['lastUpdateId']}.00000000"]
                    while head["u"] <= book["lastUpdateId"]:
                        head = json.loads(await late.receive_str(timeout=2))
                    assert head["U"] == book["lastUpdateId"] + 1

    serve(body, market, start_with_depth=True, settings=ServerSettings(book_wait_s=0.5), queue_log=market.queue.log)


async def read_depth(http: aiohttp.ClientSession, url: str) -> Any:
    async with http.get(f"{url}/api/v3/depth?symbol=BTCUSDT&limit=5000") as reply:
        assert reply.status == 200, await reply.text()
        return await reply.json()


def test_after_the_end_streams_are_silent_but_pings_go_on(serve: Any, record: Callable[..., Path]) -> None:
    market = RecordedMarket([record(*OPENING)], Fraction(100))

    async def body(server: Any, url: str) -> None:
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"{url}/ws/{DEPTH}", autoping=False) as socket,
        ):
            kinds = [(await socket.receive(timeout=2)).type for _ in range(4)]
            assert kinds == [aiohttp.WSMsgType.TEXT] * 2 + [aiohttp.WSMsgType.PING] * 2
            book = await read_depth(http, url)
            assert book["lastUpdateId"] == 20

    serve(body, market, start_with_depth=True, settings=ServerSettings(ping_interval_s=0.2))


# The real recording


def test_the_real_recording_ends_in_the_expected_book(data_dir: Path) -> None:
    market = RecordedMarket([data_dir / REAL])
    with gzip.open(data_dir / REAL, "rt") as file:
        recorded = [line.rstrip("\n").split(" ", 1)[1] for line in file]
    market.start(0)
    messages, _ = market.advance(10**15)
    wrapped = [f'{{"stream":"{message.stream}","data":{message.data}}}' for message in messages]
    assert wrapped == [text for text in recorded if text.startswith('{"stream"')]
    expected = json.loads((data_dir / "expected.jsonl").read_text().splitlines()[0])
    book = market.depth(1_000_000)
    assert book is not None
    update_id, bids, asks = book
    assert update_id == expected["final_u"]
    assert [len(bids), len(asks)] == expected["levels"]
    assert [Decimal(value) / UNIT for value in bids[0]] == [Decimal(text) for text in expected["final_best_bid"]]
    assert [Decimal(value) / UNIT for value in asks[0]] == [Decimal(text) for text in expected["final_best_ask"]]
    assert Decimal(sum(qty for _, qty in bids)) / UNIT == Decimal(expected["bid_qty_sum"])
    assert Decimal(sum(qty for _, qty in asks)) / UNIT == Decimal(expected["ask_qty_sum"])


class Recomputation:
    """The queue model's rules applied to the recorded lines themselves, in decimals; placings and cancels are given."""

    def __init__(self) -> None:
        self.book: dict[str, dict[Decimal, Decimal]] = {"BUY": {}, "SELL": {}}
        self.book_id = 0
        self.waiting: list[Any] = []
        self.newest = 0
        self.orders: dict[int, dict[str, Any]] = {}
        self.fills: list[tuple[int, Decimal]] = []

    def place(self, row: dict[str, Any]) -> None:
        front_ = Decimal("Infinity") if row["front"] is None else Decimal(row["front"])
        self.orders[row["order_id"]] = {
            "side": row["side"],
            "price": Decimal(row["price"]),
            "left": Decimal(row["qty"]),
            "front": front_,
            "since": self.newest,
        }

    def message(self, text: str) -> None:
        data = json.loads(text)
        if "lastUpdateId" in data:
            self.book = {side: {Decimal(p): Decimal(q) for p, q in data[key]} for side, key in SIDES}
            self.book_id = data["lastUpdateId"]
            for one in self.waiting:
                self.diff(one)
            self.newer(self.book_id)
        elif data["stream"].endswith("@trade"):
            self.trade(data["data"])
        elif data["stream"].endswith("@bookTicker"):
            if data["data"]["u"] > self.newest:
                one = data["data"]
                self.level("BUY", Decimal(one["b"]), Decimal(one["B"]), one["u"])
                self.level("SELL", Decimal(one["a"]), Decimal(one["A"]), one["u"])
                self.newer(one["u"], Decimal(one["b"]), Decimal(one["a"]))
        elif self.book_id:
            self.diff(data["data"])
        else:
            self.waiting.append(data["data"])

    def diff(self, data: Any) -> None:
        if data["u"] <= self.book_id:
            return
        assert data["U"] <= self.book_id + 1
        self.book_id = data["u"]
        for side, key in DIFF_SIDES:
            for price, qty in ((Decimal(p), Decimal(q)) for p, q in data[key]):
                self.book[side][price] = qty
                if not qty:
                    del self.book[side][price]
                self.level(side, price, qty, data["u"])
        if self.orders and data["u"] >= self.newest:
            self.newer(data["u"], max(self.book["BUY"]), min(self.book["SELL"]))
        self.newest = max(self.newest, data["u"])

    def level(self, side: str, price: Decimal, qty: Decimal, update_id: int) -> None:
        for one in self.orders.values():
            if (one["side"], one["price"]) == (side, price) and update_id >= one["since"]:
                one["front"] = min(one["front"], qty)

    def newer(self, update_id: int, bid: Decimal | None = None, ask: Decimal | None = None) -> None:
        self.newest = update_id
        for order_id, one in list(self.orders.items()):
            best = ask if one["side"] == "BUY" else bid
            if best is not None and (one["price"] >= best if one["side"] == "BUY" else one["price"] <= best):
                self.fill(order_id, one["left"])

    def trade(self, data: Any) -> None:
        hit, price, qty = ("BUY" if data["m"] else "SELL"), Decimal(data["p"]), Decimal(data["q"])
        for order_id, one in list(self.orders.items()):
            if one["side"] != hit:
                continue
            if one["price"] == price:
                excess = min(qty - one["front"], one["left"])
                one["front"] = max(one["front"] - qty, Decimal(0))
                if excess > 0:
                    qty -= excess
                    self.fill(order_id, excess)
            elif (one["price"] > price) == (hit == "BUY"):
                self.fill(order_id, one["left"])

    def fill(self, order_id: int, qty: Decimal) -> None:
        self.fills.append((order_id, qty))
        self.orders[order_id]["left"] -= qty
        if not self.orders[order_id]["left"]:
            del self.orders[order_id]


SIDES = (("BUY", "bids"), ("SELL", "asks"))
DIFF_SIDES = (("BUY", "b"), ("SELL", "a"))


def quote(market: RecordedMarket, messages: int) -> list[tuple[int, int]]:
    """Play and keep two orders a side near the best, moved every 60 messages; the fills."""
    fills: list[tuple[int, int]] = []
    mine: dict[int, None] = {}
    next_id = 1
    market.start(0)
    for number in range(messages):
        due_us = market.next_due_us()
        assert due_us is not None
        for one in market.advance(due_us)[1]:
            fills.append((one.order_id, one.qty_e8))
        book = market.depth(1)
        if number % 60 or book is None:
            continue
        for order_id in list(mine)[: len(mine) // 2 + 1]:
            market.cancel(order_id, 0)
            del mine[order_id]
        for side, best, away in ((Side.BUY, book[1][0][0], -1), (Side.SELL, book[2][0][0], 1)):
            for steps in (0, number % 7):
                price = best + away * steps * market.tick_e8
                order = NewOrder(
                    next_id, "a", side, OrderKind.LIMIT_MAKER, TimeInForce.GTC, price, (1 + number % 40) * 100_000
                )
                if not market.place(order, 0).would_match:
                    mine[next_id] = None
                next_id += 1
    return fills


def test_fills_on_the_real_recording_equal_two_independent_recomputations(
    data_dir: Path, recompute_fills: Callable[[list[dict[str, Any]]], list[tuple[int, str, int]]]
) -> None:
    market = RecordedMarket([data_dir / REAL])
    fills = quote(market, 12_000)
    assert len(fills) > 100
    log = json.loads(json.dumps(market.queue.log))
    assert [(order_id, qty) for order_id, _, qty in recompute_fills(log)] == fills

    actions: dict[int, list[dict[str, Any]]] = {}
    for row in log:
        if row["event"] in ("place", "cancel"):
            actions.setdefault(row["message"], []).append(row)
    again = Recomputation()
    with gzip.open(data_dir / REAL, "rt") as file:
        for number, line in zip(range(1, market.queue.message + 1), file, strict=False):
            again.message(line.split(" ", 1)[1])
            for row in actions.get(number, []):
                if row["event"] == "place":
                    assert row["update_id"] == again.newest
                    again.place(row)
                else:
                    del again.orders[row["order_id"]]
    assert [(order_id, int(qty * UNIT)) for order_id, qty in again.fills] == fills
