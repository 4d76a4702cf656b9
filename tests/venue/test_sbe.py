"""SBE streams: bytes worked out by hand from the published offsets, and the same market as the JSON streams."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mmcore.venue.frames import binary_frame
from mmcore.venue.market import Feed, NewOrder, OrderKind, Side, StreamMessage, TimeInForce, Wire
from mmcore.venue.matching import MatchingEngine
from mmcore.venue.publisher import Publisher
from mmcore.venue.sbe import Encoder, TradeRow
from mmcore.venue.signing import ed25519_key
from mmcore.venue.streams import StreamHub, StreamSession
from mmcore.venue.synthetic import SyntheticMarket

TICK_E8, STEP_E8 = 10**6, 10**3
E8 = 10**8
EVENT_US = 0x0102030405060708
ED_KEY = "e" * 64


def i64(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little", signed=True)


def i8(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 1], "little", signed=True)


def u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def e8(mantissa: int, exponent: int) -> int:
    return mantissa * 10 ** (8 + exponent)


def read_symbol(data: bytes, at: int) -> str:
    assert len(data) == at + 1 + data[at], "the symbol is the last of the message"
    return data[at + 1 :].decode()


def read_levels(data: bytes, at: int, exponents: tuple[int, int]) -> tuple[list[tuple[int, int]], int]:
    """The levels of a group with a four-byte head, and where it ends."""
    size, count = u16(data, at), u16(data, at + 2)
    assert size == 16
    starts = [at + 4 + size * number for number in range(count)]
    return [(e8(i64(data, s), exponents[0]), e8(i64(data, s + 8), exponents[1])) for s in starts], at + 4 + size * count


def read(data: bytes) -> dict[str, Any]:
    """A message by the absolute offsets of the documentation, values in 1e-8."""
    block, template, schema, version = (u16(data, at) for at in (0, 2, 4, 6))
    assert (schema, version) == (1, 0)
    assert block == {10000: 18, 10001: 50, 10002: 18, 10003: 26}[template]
    out: dict[str, Any] = {"template": template, "event_us": i64(data, 8)}
    if template == 10001:
        price, qty = i8(data, 24), i8(data, 25)
        out["bid"] = e8(i64(data, 26), price), e8(i64(data, 34), qty)
        out["ask"] = e8(i64(data, 42), price), e8(i64(data, 50), qty)
        return {**out, "u": i64(data, 16), "exponents": (price, qty), "symbol": read_symbol(data, 58)}
    if template == 10000:
        price, qty = i8(data, 24), i8(data, 25)
        size, count = u16(data, 26), int.from_bytes(data[28:32], "little")
        assert size == 25
        starts = [32 + size * number for number in range(count)]
        out["trades"] = [
            (i64(data, s), e8(i64(data, s + 8), price), e8(i64(data, s + 16), qty), bool(data[s + 24])) for s in starts
        ]
        symbol = read_symbol(data, 32 + size * count)
        return {**out, "transact_us": i64(data, 16), "exponents": (price, qty), "symbol": symbol}
    at = 24 if template == 10002 else 32
    exponents = i8(data, at), i8(data, at + 1)
    out["bids"], end = read_levels(data, at + 2, exponents)
    out["asks"], end = read_levels(data, end, exponents)
    ids = {"u": i64(data, 16)} if template == 10002 else {"U": i64(data, 16), "u": i64(data, 24)}
    return {**out, **ids, "exponents": exponents, "symbol": read_symbol(data, end)}


def test_a_best_bid_ask_is_66_bytes_at_the_documented_offsets() -> None:
    data = Encoder("BTCUSDT", TICK_E8, STEP_E8).best_bid_ask(
        EVENT_US, 4, (6_700_000 * TICK_E8, 12 * STEP_E8), (6_700_001 * TICK_E8, 34 * STEP_E8)
    )
    assert data.hex(" ") == (
        "32 00 11 27 01 00 00 00 08 07 06 05 04 03 02 01 04 00 00 00 00 00 00 00 fe fb "
        "e0 3b 66 00 00 00 00 00 0c 00 00 00 00 00 00 00 e1 3b 66 00 00 00 00 00 22 00 00 00 00 00 00 00 "
        "07 42 54 43 55 53 44 54"
    )


def test_a_trades_message_has_a_six_byte_group_head_and_25_bytes_a_trade() -> None:
    rows = [TradeRow(8, 256 * TICK_E8, STEP_E8, True), TradeRow(9, TICK_E8, 2 * STEP_E8, False)]
    assert Encoder("AB", TICK_E8, STEP_E8).trades(1, 2, rows).hex(" ") == (
        "12 00 10 27 01 00 00 00 01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 fe fb 19 00 02 00 00 00 "
        "08 00 00 00 00 00 00 00 00 01 00 00 00 00 00 00 01 00 00 00 00 00 00 00 01 "
        "09 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 00 02 41 42"
    )


def test_depth_messages_have_four_byte_group_heads() -> None:
    encoder = Encoder("AB", TICK_E8, STEP_E8)
    bids, asks = [(3 * TICK_E8, 0), (2 * TICK_E8, STEP_E8)], [(4 * TICK_E8, 7 * STEP_E8)]
    groups = (
        "10 00 02 00 03 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 "
        "10 00 01 00 04 00 00 00 00 00 00 00 07 00 00 00 00 00 00 00 02 41 42"
    )
    assert (
        encoder.depth_diff(1, 5, 8, bids, asks).hex(" ")
        == ("1a 00 13 27 01 00 00 00 01 00 00 00 00 00 00 00 05 00 00 00 00 00 00 00 08 00 00 00 00 00 00 00 fe fb ")
        + groups
    )
    assert encoder.depth_snapshot(1, 8, bids, asks).hex(" ") == (
        "12 00 12 27 01 00 00 00 01 00 00 00 00 00 00 00 08 00 00 00 00 00 00 00 fe fb " + groups
    )
    assert len(encoder.depth_diff(1, 5, 8, bids, asks)) == 42 + 16 * 3 + 1 + 2


@pytest.mark.parametrize(
    ("tick_e8", "step_e8", "coarse"), [(10**6, 10**3, (-2, -5)), (1, 10**8, (-8, 0)), (5 * 10**7, 10**10, (-1, 0))]
)
def test_exponents_change_from_message_to_message_and_values_do_not(
    tick_e8: int, step_e8: int, coarse: tuple[int, int]
) -> None:
    encoder = Encoder("AB", tick_e8, step_e8)
    bid, ask = (7 * tick_e8, 11 * step_e8), (9 * tick_e8, 0)
    messages = [read(encoder.best_bid_ask(1, update_id, bid, ask)) for update_id in range(4)]
    assert {message["exponents"] for message in messages} == {(p, q) for p in (coarse[0], -8) for q in (coarse[1], -8)}
    assert all((message["bid"], message["ask"]) == (bid, ask) for message in messages)


def test_both_feeds_of_one_market_tell_the_same_story() -> None:
    market = SyntheticMarket(3)
    json_kinds, sbe_kinds = ("depth@100ms", "bookTicker", "trade"), ("depth", "bestBidAsk", "trade", "depth20")
    market.want(
        {Feed(f"btcusdt@{kind}", Wire.JSON_MICROSECOND) for kind in json_kinds}
        | {Feed(f"btcusdt@{kind}", Wire.SBE) for kind in sbe_kinds}
    )
    market.start(0)
    first_id, *sides = market.depth(10**6)
    book = [dict(side) for side in sides]
    json_book = [dict(side) for side in sides]
    tickers: list[Any] = []
    trades: list[Any] = []
    json_trades: list[Any] = []
    times: dict[str, list[int]] = {"depth": [], "depth20": []}
    last_id = json_id = first_id
    compared = 0
    for message in market.advance(5_000_000)[0]:
        kind = message.stream.removeprefix("btcusdt@")
        if isinstance(message.data, bytes):
            event = read(message.data)
            assert event["symbol"] == "BTCUSDT"
            if kind == "depth":
                assert event["U"] == last_id + 1
                last_id = event["u"]
                apply(book, event["bids"], event["asks"])
                times["depth"].append(event["event_us"])
            elif kind == "depth20":
                assert event["u"] >= last_id
                assert len(event["bids"]) == len(event["asks"]) == 20
                times["depth20"].append(event["event_us"])
                if event["u"] == last_id:
                    assert event["bids"] == sorted(book[0].items(), reverse=True)[:20]
                    assert event["asks"] == sorted(book[1].items())[:20]
            elif kind == "trade":
                trades += [(event["transact_us"], *row) for row in event["trades"]]
            else:
                tickers.append((event["u"], event["bid"], event["ask"]))
            continue
        row = json.loads(message.data)
        if kind == "bookTicker":
            prices = [text_e8(row[key]) for key in "bBaA"]
            assert tickers.pop() == (row["u"], tuple(prices[:2]), tuple(prices[2:]))
            compared += 1
        elif kind == "trade":
            json_trades.append((row["T"], row["t"], text_e8(row["p"]), text_e8(row["q"]), row["m"]))
        else:
            assert row["U"] == json_id + 1
            json_id = row["u"]
            apply(json_book, *([(text_e8(p), text_e8(q)) for p, q in row[side]] for side in ("b", "a")))
            if json_id == last_id:
                assert json_book == book
    assert tickers == []
    assert compared > 300
    assert trades == json_trades
    assert len(trades) > 50
    assert json_id == last_id
    assert all(time % 20_000 == 0 for time in times["depth"])
    assert min(after - before for before, after in pairwise(times["depth"])) == 20_000
    assert all(time % 50_000 == 0 for time in times["depth20"])
    assert len(times["depth20"]) > 80


def text_e8(text: str) -> int:
    whole, fraction = text.split(".")
    return int(whole) * E8 + int(fraction)


def apply(book: list[dict[int, int]], *changes: list[tuple[int, int]]) -> None:
    for side, levels in zip(book, changes, strict=True):
        for price, qty in levels:
            side[price] = qty
            if not qty:
                del side[price]


def test_the_trades_of_one_taker_are_one_message_in_sbe_and_one_per_price_in_aggregate() -> None:
    engine = MatchingEngine(TICK_E8, STEP_E8)
    publisher = Publisher("BTCUSDT", engine, TICK_E8, STEP_E8)
    publisher.want({Feed("btcusdt@trade", Wire.SBE), Feed("btcusdt@aggTrade", Wire.JSON)})

    def place(order_id: int, side: Side, ticks: int, steps: int) -> None:
        order = NewOrder(order_id, "", side, OrderKind.LIMIT, TimeInForce.GTC, ticks * TICK_E8, steps * STEP_E8)
        engine.place(order, 5_000_000)
        publisher.collect(5_000_000)

    for number, ticks in enumerate((100, 100, 101), start=1):
        place(number, Side.SELL, ticks, number)
    place(4, Side.BUY, 101, 6)
    place(5, Side.SELL, 103, 1)
    place(6, Side.BUY, 103, 1)
    messages = publisher.drain()
    sbe = [read(message.data) for message in messages if isinstance(message.data, bytes)]
    assert [len(one["trades"]) for one in sbe] == [3, 1]
    assert [row[0] for row in sbe[0]["trades"]] == [1, 2, 3]
    rows = [json.loads(message.data) for message in messages if message.stream == "btcusdt@aggTrade"]
    assert [(row["a"], row["f"], row["l"], row["q"]) for row in rows] == [
        (1, 1, 2, "0.00003000"),
        (2, 3, 3, "0.00003000"),
        (3, 4, 4, "0.00001000"),
    ]
    assert {(row["e"], row["m"], row["T"]) for row in rows} == {("aggTrade", False, 5_000)}


def test_windows_of_every_length_cover_the_same_update_ids() -> None:
    engine = MatchingEngine(TICK_E8, STEP_E8)
    publisher = Publisher("BTCUSDT", engine, TICK_E8, STEP_E8)
    feeds = {Feed("btcusdt@depth", Wire.JSON), Feed("btcusdt@depth@100ms", Wire.JSON), Feed("btcusdt@depth", Wire.SBE)}
    publisher.want(feeds | {Feed("btcusdt@depth5", Wire.JSON), Feed("btcusdt@depth10@100ms", Wire.JSON)})
    assert publisher.periods_us() == {20_000, 100_000, 1_000_000}
    rng = random.Random(6)
    last: dict[str, int] = {}
    partial: list[Any] = []
    for now_us in range(10_000, 3_000_001, 10_000):
        ticks = rng.randint(-40, 10) * rng.choice((1, -1))
        side = Side.BUY if rng.random() < 0.5 else Side.SELL
        engine.place(
            NewOrder(now_us, "", side, OrderKind.LIMIT, TimeInForce.GTC, (1000 + ticks) * TICK_E8, STEP_E8), now_us
        )
        publisher.collect(now_us)
        for period_us in sorted(publisher.periods_us()):
            if now_us % period_us == 0:
                publisher.close_windows(period_us, now_us)
        for message in publisher.drain():
            row = read(message.data) if isinstance(message.data, bytes) else json.loads(message.data)
            if "U" not in row:
                partial.append((message.stream, row))
                assert row["lastUpdateId"] == engine.update_id
                assert len(row["bids"]) == min(engine_levels(engine, 0), 10 if "10" in message.stream else 5)
                continue
            key = f"{message.stream}/{message.wire.value}"
            assert row["U"] == last.get(key, 0) + 1
            last[key] = row["u"]
    assert set(last.values()) == {engine.update_id}
    assert len(last) == 3
    assert {stream: sum(stream == one for one, _ in partial) for stream, _ in partial} == {
        "btcusdt@depth5": 3,
        "btcusdt@depth10@100ms": 30,
    }


def engine_levels(engine: MatchingEngine, side: int) -> int:
    return len(engine.depth(10**6)[1 + side])


def test_what_nobody_wants_is_not_made() -> None:
    market = SyntheticMarket(1)
    market.start(0)
    assert market.advance(1_000_000)[0] == []
    market.want({Feed("btcusdt@depth", Wire.SBE), Feed("ethusdt@trade", Wire.JSON)})
    messages = market.advance(2_000_000)[0]
    assert {(message.stream, message.wire) for message in messages} == {("btcusdt@depth", Wire.SBE)}
    times = [read(message.data)["event_us"] for message in messages if isinstance(message.data, bytes)]
    assert times[0] == 1_020_000
    market.want(set())
    assert market.advance(3_000_000)[0] == []


class Wirebox:
    """A session's transport: what went out, and whether it is full."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.full = False

    def write(self, data: bytes) -> None:
        self.frames.append(data)


def test_a_slow_reader_gets_the_newest_best_prices_of_each_symbol_and_every_trade() -> None:
    hub, box = StreamHub(lambda feeds: None), Wirebox()
    names = ["a@bestBidAsk", "b@bestBidAsk", "a@trade"]
    StreamSession(hub, names, combined=True, write=box.write, wire=Wire.SBE, congested=lambda: box.full)

    def publish(*messages: tuple[str, bytes]) -> bytes:
        box.frames.clear()
        hub.publish([StreamMessage(stream, data, Wire.SBE) for stream, data in messages])
        return b"".join(box.frames)

    assert publish(("a@bestBidAsk", b"1"), ("a@bestBidAsk", b"2")) == binary_frame(b"1") + binary_frame(b"2")
    box.full = True
    assert publish(("a@bestBidAsk", b"3"), ("b@bestBidAsk", b"4"), ("a@trade", b"t")) == binary_frame(b"t")
    assert publish(("a@bestBidAsk", b"5")) == b""
    box.full = False
    assert publish() == binary_frame(b"4") + binary_frame(b"5")
    assert publish(("a@bestBidAsk", b"6")) == binary_frame(b"6")


def test_sbe_and_json_streams_of_one_name_are_two_feeds() -> None:
    wanted: list[set[Feed]] = []
    hub = StreamHub(lambda feeds: wanted.append(set(feeds)))
    json_box, sbe_box = Wirebox(), Wirebox()
    json_session = StreamSession(hub, ["a@trade"], combined=False, write=json_box.write)
    StreamSession(hub, ["a@trade"], combined=False, write=sbe_box.write, wire=Wire.SBE)
    assert wanted[-1] == {Feed("a@trade", Wire.JSON), Feed("a@trade", Wire.SBE)}
    hub.publish([StreamMessage("a@trade", "{}"), StreamMessage("a@trade", b"x", Wire.SBE)])
    assert json_box.frames == [b"\x81\x02{}"]
    assert sbe_box.frames == [b"\x82\x01x"]
    json_session.close()
    assert wanted[-1] == {Feed("a@trade", Wire.SBE)}


def test_an_sbe_connection_needs_the_name_of_an_ed25519_key(serve: Any, desk: Any) -> None:
    pem = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    async def body(server: Any, url: str) -> None:
        server.exchange.keys.add(ed25519_key(ED_KEY, "account-1", pem))
        async with aiohttp.ClientSession() as http:
            for headers in ({}, {"X-MBX-APIKEY": "k" * 64}, {"X-MBX-APIKEY": "u" * 64}, {"X-MBX-APIKEY": "short"}):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await http.ws_connect(f"{url}/sbe/ws/btcusdt@trade", headers=headers)
                assert refused.value.status == 401
            for path in ("/sbe/ws/btcusdt@trade", "/sbe/stream?streams=btcusdt@trade"):
                socket = await http.ws_connect(url + path, headers={"X-MBX-APIKEY": ED_KEY})
                await socket.send_str('{"method":"LIST_SUBSCRIPTIONS","id":"x"}')
                assert await socket.receive_str() == '{"result":["btcusdt@trade"],"id":"x"}'
                desk.market.messages = [StreamMessage("btcusdt@trade", b"\x00", Wire.SBE)]
                async with http.get(f"{url}/api/v3/ping"):
                    assert await socket.receive_bytes() == b"\x00"
                await socket.close()

    serve(body, desk.market)


def test_a_live_sbe_client_builds_the_book_of_a_snapshot(serve: Callable[..., Any]) -> None:
    pem = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    async def body(server: Any, url: str) -> None:
        server.exchange.keys.add(ed25519_key(ED_KEY, "account-1", pem))
        async with aiohttp.ClientSession() as http:
            target = f"{url}/sbe/stream?streams=btcusdt@depth/btcusdt@bestBidAsk"
            socket = await http.ws_connect(target, headers={"X-MBX-APIKEY": ED_KEY})
            diffs: list[Any] = []
            snapshot: Any = None
            while len(diffs) < 30:
                event = read(await asyncio.wait_for(socket.receive_bytes(), 5))
                if event["template"] == 10003:
                    diffs.append(event)
                if len(diffs) == 5 and snapshot is None:
                    async with http.get(f"{url}/api/v3/depth?symbol=BTCUSDT&limit=5000") as reply:
                        snapshot = await reply.json()
            assert all(after["U"] == before["u"] + 1 for before, after in pairwise(diffs))
            live = [diff for diff in diffs if diff["u"] > snapshot["lastUpdateId"]]
            assert live[0]["U"] <= snapshot["lastUpdateId"] + 1
            await socket.close()

    serve(body, SyntheticMarket(4))
