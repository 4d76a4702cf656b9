"""The decoder against an independent one in Python (json and Decimal): on all recordings, and on generated messages."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore._native import lib
from mmcore.core.feed import DecodeError, Feed, reject_class
from mmcore.core.layout import Records
from mmcore.errors import CoreError

E8 = 10**8
Json = dict[str, Any]
Event = tuple[Any, ...]

# ---- The independent decoder -----------------------------------------------------------------------------------------


def e8(text: str) -> int:
    value = Decimal(text) * E8
    assert value == int(value)
    return int(value)


def micros(time: int) -> int:
    return time if time >= 10**14 else time * 1000


def levels(side: list[list[str]]) -> list[tuple[int, int]]:
    return [(e8(price), e8(qty)) for price, qty in side]


def depth_event(m: Json) -> Event:
    kind, flags = lib.MM_KIND_DEPTH, lib.MM_FLAG_FUTURES if "pu" in m else 0
    ids = (m["U"], m["u"], m.get("pu", -1), micros(m.get("E", 0)))
    return kind, flags, *ids, levels(m["b"]), levels(m["a"])


def book_event(m: Json, *, partial: bool) -> Event:
    kind, last_id = lib.MM_KIND_PARTIAL if partial else lib.MM_KIND_SNAPSHOT, m["lastUpdateId"]
    return kind, 0, last_id, last_id, -1, micros(m.get("E", 0)), levels(m["bids"]), levels(m["asks"])


def ticker_event(m: Json) -> Event:
    return lib.MM_KIND_TICKER, 0, m["u"], *(e8(m[key]) for key in "bBaA")


def trade_event(m: Json) -> Event:
    aggregate = m["e"] == "aggTrade"
    flags = (lib.MM_FLAG_AGGREGATE if aggregate else 0) | (lib.MM_FLAG_BUYER_MAKER if m["m"] else 0)
    ids = (m["a"], m["f"]) if aggregate else (m["t"], m["t"])
    return lib.MM_KIND_TRADE, flags, *ids, e8(m["p"]), e8(m["q"]), micros(m["T"])


STATES = {
    "NEW": lib.MM_ORDER_LIVE,
    "PARTIALLY_FILLED": lib.MM_ORDER_LIVE,
    "FILLED": lib.MM_ORDER_FILLED,
    "CANCELED": lib.MM_ORDER_CANCELED,
    "REJECTED": lib.MM_ORDER_REJECTED,
    "EXPIRED": lib.MM_ORDER_EXPIRED,
}


def report_event(m: Json) -> Event:
    """executionReport; none of the recordings' orders is ours."""
    fill = m["x"] == "TRADE"
    flags = lib.MM_FLAG_FOREIGN | (lib.MM_FLAG_FILL if fill else 0) | (lib.MM_FLAG_MAKER if fill and m["m"] else 0)
    price, qty = (m["L"], m["l"]) if fill else (m["p"], m["q"])
    order = (m["i"], e8(price), e8(qty), e8(m["z"]), STATES[m["X"]], 0 if m["S"] == "BUY" else 1)
    asset = (m["N"] or "").encode() if fill else b""
    trade = (m["t"], e8(m["Y"]), e8(m["n"]), asset) if fill else (-1, -1, 0, b"")
    return lib.MM_KIND_REPORT, flags, *order, *trade, micros(m["T"])


OPERATIONS: dict[str, tuple[int, int]] = {
    "p": (lib.MM_KIND_ACK, 0),
    "c": (lib.MM_KIND_CANCELED, 0),
    "q": (lib.MM_KIND_STATUS, lib.MM_FLAG_FOUND),
}


def reply_event(m: Json) -> Event:
    """The reply to a request about one order."""
    order = m["result"]
    numbers = (e8(order["price"]), e8(order["origQty"]), e8(order["executedQty"]))
    side = 0 if order["side"] == "BUY" else 1
    return *OPERATIONS[m["id"][0]], order["orderId"], *numbers, STATES[order["status"]], side


NAMED: dict[str, Callable[[Json], Event]] = {
    "depthUpdate": depth_event,
    "bookTicker": ticker_event,
    "trade": trade_event,
    "aggTrade": trade_event,
    "executionReport": report_event,
}


def twin(message: bytes | str) -> list[Event]:
    """The events a message of the recordings stands for."""
    m = json.loads(message)
    wrapped = "stream" in m
    if wrapped:
        m = m["data"]
    if not isinstance(m, dict):
        return []
    if "e" in m:
        return [NAMED[m["e"]](m)] if m["e"] in NAMED else []
    if m.keys() >= set("usbBaA"):
        return [ticker_event(m)]
    if "lastUpdateId" in m:
        return [book_event(m, partial=wrapped)]
    return [reply_event(m)] if "result" in m else []


# ---- Records as events -----------------------------------------------------------------------------------------------


def side_of(records: Records, at: int, count: int) -> tuple[list[tuple[int, int]], int]:
    """The levels of one side and the record behind them; what is not used of the last record must be zero."""
    end = at + -(-count // 3)
    rows = records["levels"][at:end].reshape(-1)
    assert all(records["kind"][at:end] == lib.MM_KIND_LEVELS)
    assert not records["count"][at:end].any()
    assert not rows[count:].view("<i8").any()
    return rows[:count].tolist(), end


def depth_of(head: Any, records: Records) -> Event:
    first, last, previous, time, recv_ns, bid_count, ask_count = head["depth"].tolist()
    bids, at = side_of(records, 1, bid_count)
    asks, end = side_of(records, at, ask_count)
    assert (end, recv_ns) == (len(records), 7)
    return first, last, previous, time, bids, asks


def report_of(head: Any, records: Records) -> Event:
    _, exchange_id, price, qty, executed, status, side, code = head["report"].tolist()
    assert code == 0
    order = (exchange_id, price, qty, executed, status, side)
    if len(records) == 1:
        return order
    assert records[1]["kind"] == lib.MM_KIND_MORE
    trade_id, quote, fee, asset, time = records[1]["fill"].tolist()
    return *order, trade_id, quote, fee, asset, time


def ticker_of(head: Any, records: Records) -> Event:
    *values, recv_ns = head["ticker"].tolist()
    assert (len(records), recv_ns) == (1, 7)
    return tuple(values)


def trade_of(head: Any, records: Records) -> Event:
    trade_id, price, qty, time, recv_ns, first = head["trade"].tolist()
    assert (len(records), recv_ns) == (1, 7)
    return trade_id, first, price, qty, time


READERS: dict[int, Callable[[Any, Records], Event]] = {
    lib.MM_KIND_DEPTH: depth_of,
    lib.MM_KIND_SNAPSHOT: depth_of,
    lib.MM_KIND_PARTIAL: depth_of,
    lib.MM_KIND_TICKER: ticker_of,
    lib.MM_KIND_TRADE: trade_of,
    lib.MM_KIND_REPORT: report_of,
    lib.MM_KIND_ACK: report_of,
    lib.MM_KIND_CANCELED: report_of,
    lib.MM_KIND_STATUS: report_of,
}


def events(feed: Feed, message: bytes) -> list[Event]:
    """What the C decoder makes of a message."""
    records = feed.decode(message, recv_ns=7)
    found, at = [], 0
    while at < len(records):
        head = records[at]
        kind, end = int(head["kind"]), at + int(head["count"])
        found.append((kind, int(head["flags"]), *READERS[kind](head, records[at:end])))
        at = end
    return found


# ---- Recordings ------------------------------------------------------------------------------------------------------


def check(messages: Iterator[bytes]) -> dict[int, int]:
    """Every message decodes to what the twin says; returns how many events of each kind there were."""
    feed, kinds = Feed(), dict.fromkeys(READERS, 0)
    for message in messages:
        got = events(feed, message)
        assert got == twin(message), message
        for event in got:
            kinds[event[0]] += 1
    return kinds


def hftbacktest(path: Path, step: int = 1) -> Iterator[bytes]:
    with gzip.open(path) as lines:
        for i, line in enumerate(lines):
            if i % step == 0:
                yield line.partition(b" ")[2].rstrip(b"\n")


def test_every_message_of_the_spot_capture_is_decoded_exactly(data_dir: Path) -> None:
    kinds = check(hftbacktest(data_dir / "hftbacktest/spot/btcusdt_20240808.gz"))
    assert kinds[lib.MM_KIND_DEPTH] == 3_451
    assert kinds[lib.MM_KIND_TICKER] == 28_040
    assert kinds[lib.MM_KIND_TRADE] == 9_757
    assert kinds[lib.MM_KIND_SNAPSHOT] == 1


def test_messages_of_the_futures_capture_are_decoded_exactly(data_dir: Path) -> None:
    kinds = check(hftbacktest(data_dir / "hftbacktest/usdm/btcusdt_20240808.gz", step=7))
    assert kinds[lib.MM_KIND_DEPTH] > 500
    assert sum(kinds.values()) > 13_000


@pytest.mark.parametrize("exchange", ["BINANCE", "BINANCE_US", "BINANCE_DELIVERY"])
def test_every_message_of_the_multi_symbol_captures_is_decoded_exactly(data_dir: Path, exchange: str) -> None:
    def messages(name: str) -> Iterator[bytes]:
        for line in (data_dir / "cryptofeed" / name).read_bytes().splitlines():
            if b": {" in line:
                yield line.partition(b": ")[2]

    kinds = check(messages(f"{exchange}.ws.1.0"))
    assert kinds[lib.MM_KIND_DEPTH] > 100
    assert kinds[lib.MM_KIND_TICKER] > 50
    assert check(messages(f"{exchange}.http.0.0"))[lib.MM_KIND_SNAPSHOT] >= 4


def test_one_message_of_every_stream_type_is_decoded_or_passed_over(data_dir: Path) -> None:
    lines = (data_dir / "crypto_msg_parser/binance_messages.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    kinds = check(row["raw"].encode() for row in rows)
    assert kinds[lib.MM_KIND_PARTIAL] == 1
    assert kinds[lib.MM_KIND_SNAPSHOT] == 5
    assert kinds[lib.MM_KIND_DEPTH] >= 8
    assert kinds[lib.MM_KIND_TRADE] == 5
    assert kinds[lib.MM_KIND_TICKER] == 5
    spot = [row["raw"] for row in rows if row["market"] == "Spot" and "depth" in row["raw"]]
    assert all(twin(raw) for raw in spot)


def as_received(order: Json) -> Json:
    """A recorded event as it is, a recorded answer about an order as the WebSocket API gives it."""
    if "orderId" not in order:
        return order
    asked = "c9" if "origClientOrderId" in order else "q9" if "updateTime" in order else "p9"
    return {"id": asked, "status": 200, "result": order}


def test_recorded_orders_and_errors_are_decoded_exactly(data_dir: Path) -> None:
    folder = data_dir / "hummingbot_fixture_2020"
    rows = [json.loads(line) for line in (folder / "orders.jsonl").read_text().splitlines()]
    kinds = check(json.dumps(as_received(row["value"])).encode() for row in rows)
    assert kinds[lib.MM_KIND_REPORT] == 4
    assert kinds[lib.MM_KIND_ACK] == 4
    assert kinds[lib.MM_KIND_CANCELED] == 1
    assert kinds[lib.MM_KIND_STATUS] == 1
    feed, classes = Feed(), []
    for line in (folder / "real_errors.jsonl").read_text().splitlines():
        row = json.loads(line)
        assert len(feed.decode(json.dumps(row["body"]).encode())) == 0
        last = feed.last()
        assert (last.error_code, last.error_text) == (row["body"]["code"], row["body"]["msg"][:127])
        reply = {"id": "p9", "status": row["http"], "error": row["body"]}
        record = feed.decode(json.dumps(reply).encode())[0]
        assert record["kind"] == lib.MM_KIND_REJECT
        assert record["outcome"]["detail"] == reject_class(last.error_code, row["http"], last.error_text)
        classes.append(int(record["outcome"]["detail"]))
    filtered, other = lib.MM_REJECT_FILTER, lib.MM_REJECT_OTHER
    assert classes == [lib.MM_REJECT_LIMIT, lib.MM_REJECT_WOULD_MATCH, other, filtered, filtered, other]


def body_of(cassette: str) -> str:
    """The response body of a recorded request: a quoted YAML scalar, which may be folded over several lines."""
    text = cassette[cassette.index("\nresponse:") :]
    plain = re.search(r"\n  body: '((?:[^']|'')*)'", text)
    if plain:
        return re.sub(r"\n +", " ", plain[1]).replace("''", "'")
    escaped = re.search(r'\n  body: "((?:[^"\\]|\\.)*)"', text)
    assert escaped is not None
    return str(json.loads(f'"{escaped[1]}"'))


def test_recorded_rest_bodies_are_decoded_or_passed_over(data_dir: Path) -> None:
    bodies = {path.name: body_of(path.read_text()) for path in sorted((data_dir / "mwlang_binance").glob("*.yml"))}
    kinds = check(body.encode() for body in bodies.values() if not body.startswith("["))
    assert kinds[lib.MM_KIND_SNAPSHOT] == 3
    feed = Feed()
    for name, body in bodies.items():
        assert len(feed.decode(body.encode())) == 0 or "depth" in name, name
    assert len(feed.decode(bodies["binance.com_public_depth_2.yml"].encode())) == 0
    assert feed.last().error_code == -1100


# ---- Generated messages ----------------------------------------------------------------------------------------------

SMALL = st.sampled_from(["0", "1", "0.5", "10", "0.00000001", "61737.63000000", "0.00000000", "12345678.1", "3.14"])


@st.composite
def decimals(draw: st.DrawFn) -> str:
    """Exact decimals of every form the exchange could write."""
    value = draw(st.one_of(st.integers(0, 2**63 - 1), st.integers(0, 10**13)))
    text = f"{value // E8}.{value % E8:08d}"
    return draw(st.sampled_from([text, text.rstrip("0") + "0", text + "000", "0" + text]))


PRICES = st.one_of(SMALL, decimals())
IDS = st.one_of(st.integers(0, 2**63 - 1), st.integers(0, 10**12))
TIMES = st.one_of(st.integers(0, 10**14 - 1), st.integers(10**14, 2 * 10**15))
SIDES = st.lists(st.lists(PRICES, min_size=2, max_size=2), max_size=8)
SYMBOLS = st.sampled_from(["BTCUSDT", "1000SATSUSDT", "这是测试币456"])


def depths() -> st.SearchStrategy[Json]:
    known = {"e": st.just("depthUpdate"), "s": SYMBOLS, "U": IDS, "u": IDS, "b": SIDES, "a": SIDES}
    return st.fixed_dictionaries(known, optional={"E": TIMES, "pu": st.integers(-1, 10**12)})


def books() -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({"lastUpdateId": IDS, "bids": SIDES, "asks": SIDES})


def tickers() -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({"u": IDS, "s": SYMBOLS, "b": PRICES, "B": PRICES, "a": PRICES, "A": PRICES})


def trades() -> st.SearchStrategy[Json]:
    known = {"s": SYMBOLS, "p": PRICES, "q": PRICES, "T": TIMES, "m": st.booleans(), "M": st.booleans(), "E": TIMES}
    single = st.fixed_dictionaries({"e": st.just("trade"), "t": IDS, **known})
    return st.one_of(single, st.fixed_dictionaries({"e": st.just("aggTrade"), "a": IDS, "f": IDS, "l": IDS, **known}))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)
UNREAD_KEYS = st.sampled_from(["zz", "newField", "k", "v", "", "é", "bid", "asksX", "Pu", "w"])
UNREAD = st.dictionaries(UNREAD_KEYS, JSON, max_size=3)


def written(value: Any, rng: random.Random) -> str:
    """JSON with random blanks, keys in random order, and characters beyond ASCII escaped or not."""

    def blanks() -> str:
        return "".join(rng.choices(" \t\r\n", k=rng.choice([0, 0, 0, 1, 3])))

    def put(text: str) -> str:
        return blanks() + text + blanks()

    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        members = (written(key, rng) + ":" + written(value[key], rng) for key in keys)
        return put("{" + ",".join(members) + blanks() + "}")
    if isinstance(value, list):
        return put("[" + ",".join(written(item, rng) for item in value) + blanks() + "]")
    return put(json.dumps(value, ensure_ascii=rng.random() < 0.5))


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    rng = random.Random(draw(st.integers(0, 2**32)))
    body = draw(st.one_of(depths(), books(), tickers(), trades()))
    body = {**draw(UNREAD), **body}
    if draw(st.booleans()):
        body = {"stream": draw(st.sampled_from(["x@depth20", "!bookTicker", "\u2713"])), "data": body, **draw(UNREAD)}
    text = json.dumps(body, separators=(",", ":")) if draw(st.booleans()) else written(body, rng)
    return text.encode("utf-8", "surrogatepass")


def is_text(message: bytes) -> bool:
    """Lone surrogates are no text: json.loads lets them pass, the decoder does not."""
    try:
        json.dumps(json.loads(message), ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        return False
    return True


@given(messages())
def test_any_order_of_keys_and_spacing_and_unknown_fields_are_the_same_message(message: bytes) -> None:
    feed = Feed()
    if is_text(message):
        assert events(feed, message) == twin(message)
        unwrapped = json.loads(message)
        unwrapped = unwrapped.get("data", unwrapped)
        assert feed.last().symbol == unwrapped.get("s", "")


@given(JSON, st.integers(0, 2**32))
def test_json_that_is_no_message_of_ours_gives_no_records(value: Any, seed: int) -> None:
    message = written({"unknown": value}, random.Random(seed)).encode("utf-8", "surrogatepass")
    if is_text(message):
        assert len(Feed().decode(message)) == 0


def is_json(message: bytes) -> bool:
    """By Python's judgement, without its extensions."""

    def refuse(_: str) -> float:
        raise ValueError("no JSON")

    try:
        json.loads(message.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return True


MUTATIONS = st.lists(
    st.tuples(st.integers(0, 10**6), st.sampled_from(list(b'{}[]",:.-+0123456789eEtrufalsn\\ \t\x00\x1f_'))), max_size=3
)


@given(messages(), MUTATIONS, st.integers(0, 10**6))
def test_what_is_not_json_is_never_accepted(message: bytes, mutations: list[tuple[int, int]], cut: int) -> None:
    damaged = bytearray(message)
    for at, byte in mutations:
        damaged[at % len(damaged)] = byte
    if cut % 3 == 0:
        del damaged[cut % len(damaged) :]
    if not is_json(bytes(damaged)):
        with pytest.raises(DecodeError) as raised:
            Feed().decode(bytes(damaged))
        assert 0 <= raised.value.position <= len(damaged)


@pytest.mark.parametrize(
    "price",
    ["NaN", "Infinity", "-Infinity", "1e5", "1E-3", "１", "١", "1_0", "", " 1", "1 ", "+1", "-1", ".5", "5.", "0x1"],
)
def test_a_price_that_is_no_decimal_is_refused_with_its_position(price: str) -> None:
    start = '{"u":1,"s":"BTCUSDT","b":"1","B":"'
    message = f'{start}{price}","a":"2","A":"3"}}'
    with pytest.raises(DecodeError) as raised:
        Feed().decode(message.encode())
    assert raised.value.status == lib.MM_E_SYNTAX
    assert raised.value.position == len(start)


def test_prices_beyond_eight_decimals_or_int64_are_refused() -> None:
    for price, status in (("0.000000001", lib.MM_E_PRECISION), ("92233720368.54775808", lib.MM_E_OVERFLOW)):
        with pytest.raises(DecodeError) as raised:
            Feed().decode(b'{"u":1,"s":"X","b":"%s","B":"1","a":"2","A":"3"}' % price.encode())
        assert raised.value.status == status


# ---- The handle ------------------------------------------------------------------------------------------------------


def test_a_decoder_for_one_symbol_passes_others_over() -> None:
    feed = Feed("BTCUSDT")
    message = b'{"u":1,"s":"%s","b":"1","B":"1","a":"2","A":"3"}'
    assert len(feed.decode(message % b"BTCUSDT")) == 1
    assert len(feed.decode(message % b"ETHUSDT")) == 0
    assert feed.last().symbol == "ETHUSDT"


def test_events_can_be_taken_one_by_one() -> None:
    feed = Feed()
    event = b'{"e":"outboundAccountPosition","u":5,"B":[{"a":"BTC","f":"1","l":"2"},{"a":"ETH","f":"3","l":"4"}]}'
    first, second = feed.decode_events(event)
    assert (first.kind, second.kind) == (lib.MM_KIND_BALANCE, lib.MM_KIND_BALANCE)
    assert (second.body.balance.free_e8, second.body.balance.locked_e8) == (3 * E8, 4 * E8)
    (depth,) = feed.decode_events(b'{"lastUpdateId":1,"bids":[["1","2"],["1","2"],["1","2"],["9","8"]],"asks":[]}')
    assert (depth.count, depth.body.depth.bid_count, depth[2].body.levels[0].price_e8) == (3, 4, 9 * E8)


def test_replies_are_told_apart_by_their_request_id() -> None:
    feed = Feed("BTCUSDT", "mA1-0k3f9zq-", "mA1-")
    limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 70}]
    order = {"symbol": "BTCUSDT", "orderId": 12, "clientOrderId": "mA1-0k3f9zq-1-b0", "transactTime": 1}
    reply = {"id": "p1", "status": 200, "result": order, "rateLimits": limits}
    record, counts = feed.decode(json.dumps(reply).encode())
    assert (record["kind"], record["report"]["order_seq"]) == (lib.MM_KIND_ACK, 1)
    assert counts["kind"] == lib.MM_KIND_BUDGET
    assert counts["budget"].tolist() == (0, -1, -1, -1, -1, 70, 6000, -1, -1)
    last = feed.last()
    assert (last.request_id, last.http_status, last.used_weight) == ("p1", 200, 70)
    assert last.operation == lib.MM_OP_PLACE
    assert last.client_id == "mA1-0k3f9zq-1-b0"
    assert len(feed.decode(b'{"id":"sub","status":200,"result":{"subscriptionId":4}}')) == 0
    assert feed.last().subscription_id == 4


def test_client_ids_tell_run_and_order() -> None:
    feed = Feed("", "mA1-0k3f9zq-", "mA1-")
    assert feed.order_seq("mA1-0k3f9zq-00001c4-b0") == (1732, 0)
    assert feed.order_seq("mA1-0000000-00001c4-b0") == (0, lib.MM_FLAG_OLD_RUN)
    assert feed.order_seq("web_1") == (0, lib.MM_FLAG_FOREIGN)


def test_a_prefix_that_does_not_fit_is_refused() -> None:
    with pytest.raises(CoreError, match="order_prefix"):
        Feed("", "x" * 24)
