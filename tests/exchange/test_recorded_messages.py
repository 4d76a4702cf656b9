"""Every recorded message that a Spot bot can meet is decoded exactly or rejected: which test reads what, and the
recordings no other test reads, with the faults that were planted in some of them.
"""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mmcore._native import ffi, lib
from mmcore.core.book import Book, Side, Step, Sync
from mmcore.core.feed import DecodeError, Feed
from mmcore.exchange.binance import replies
from mmcore.units import E8

TESTS = Path(__file__).resolve().parents[1]
TRX = "daniellasota/test_{}_binance_{}_stream_spot_trxusdt_04-03-2025.csv"

# Pattern: files, and the tests that read each message of theirs, with the words by which they do.
READ_BY: dict[str, tuple[int, tuple[tuple[str, str], ...]]] = {
    "hftbacktest/spot/*.gz": (1, (("core/test_feed.py", "hftbacktest/spot/btcusdt_20240808.gz"),
                                  ("venue/test_translate.py", "hftbacktest/spot/btcusdt_20240808.gz"))),
    "hftbacktest/usdm/*.gz": (1, (("core/test_feed.py", "hftbacktest/usdm/btcusdt_20240808.gz"),)),
    "cryptofeed/*.0": (9, (("core/test_feed.py", '"BINANCE", "BINANCE_US", "BINANCE_DELIVERY"'),
                           ("exchange/test_filters.py", "cryptofeed/BINANCE.0"),
                           ("exchange/test_filters.py", "cryptofeed/BINANCE_US.0"))),
    "crypto_msg_parser/*.jsonl": (1, (("core/test_feed.py", "crypto_msg_parser/binance_messages.jsonl"),)),
    "hummingbot_fixture_2020/*.jsonl": (2, (("core/test_feed.py", "orders.jsonl"),
                                            ("core/test_feed.py", "real_errors.jsonl"),
                                            ("exchange/test_replies.py", "orders.jsonl"),
                                            ("exchange/test_protocol.py", "real_errors.jsonl"))),
    "mwlang_binance/*.yml": (30, (("core/test_feed.py", "mwlang_binance"),
                                  ("exchange/test_protocol.py", "mwlang_binance"),
                                  ("exchange/test_filters.py", "mwlang_binance/binance.com_public_exchange_info.yml"),
                                  ("exchange/test_recorded_messages.py", "mwlang_binance"))),
    "daniellasota/*.csv": (4, (("exchange/test_recorded_messages.py", "daniellasota"),)),
}
NO_MESSAGES = {"README.md", "expected.jsonl", "reference_replay.py"}
NO_MESSAGES_IN = {"LICENSES", "latency_supervik"}


def test_every_recording_is_read_by_a_test(data_dir: Path) -> None:
    read: set[Path] = set()
    for pattern, (count, tests) in READ_BY.items():
        found = set(data_dir.glob(pattern))
        assert len(found) == count, pattern
        read |= found
        for name, words in tests:
            assert words in (TESTS / name).read_text(encoding="utf-8"), f"{name} does not read {pattern}"
    present = {path for path in data_dir.rglob("*") if path.is_file()}
    rest = {path.relative_to(data_dir) for path in present - read}
    assert {str(path) for path in rest if path.parts[0] not in NO_MESSAGES_IN} == NO_MESSAGES


# Answers of REST


def body_of(path: Path) -> bytes:
    """The recorded body, a quoted YAML scalar."""
    response = path.read_text(encoding="utf-8").partition("\nresponse:")[2]
    single = re.search(r"\n  body: '((?:[^']|'')*)'", response)
    if single is not None:
        return re.sub(r"\n +", " ", single[1]).replace("''", "'").encode()
    double = re.search(r'\n  body: ("(?:[^"\\]|\\.)*")', response)
    assert double is not None, path
    return str(json.loads(double[1])).encode()


def test_recorded_answers_of_rest_are_read_or_refused(data_dir: Path) -> None:
    seen: Counter[str] = Counter()
    for path in sorted((data_dir / "mwlang_binance").glob("*.yml")):
        body = body_of(path)
        found = json.loads(body)
        if isinstance(found, dict) and "code" in found:
            assert replies.error_of(body) == (found["code"], found["msg"])
            with pytest.raises(replies.MalformedError):
                replies.server_time_ms(body)
            seen["error"] += 1
        elif isinstance(found, dict) and "bids" in found:
            assert replies.best_bid_e8(body) == int(Decimal(found["bids"][0][0]) * E8)
            seen["depth"] += 1
        elif isinstance(found, dict) and set(found) == {"serverTime"}:
            assert replies.server_time_ms(body) == found["serverTime"]
            seen["time"] += 1
        else:
            # These are never asked for, but exchangeInfo; were one to come in place of another answer, it would not
            # pass for it.
            assert found != []
            for read in (replies.account, replies.commission, replies.open_orders, replies.own_trades,
                         lambda text: replies.order(text, "x")):
                with pytest.raises(replies.MalformedError):
                    read(body)
            seen["other"] += 1
    assert seen == {"error": 6, "depth": 3, "time": 4, "other": 17}


# Messages of one symbol among many


@pytest.mark.parametrize("exchange", ["BINANCE", "BINANCE_US"])
def test_a_bot_of_one_symbol_takes_nothing_of_another(data_dir: Path, exchange: str) -> None:
    lines = (data_dir / "cryptofeed" / f"{exchange}.ws.1.0").read_bytes().splitlines()
    messages = [line.partition(b": ")[2] for line in lines if b": {" in line]
    all_symbols, taken = Feed(), Counter[str]()
    for message in messages:
        if len(all_symbols.decode(message)):
            taken[all_symbols.symbol] += 1
    assert len(taken) >= 4
    for symbol, count in taken.items():
        own = Feed(symbol)
        assert sum(len(own.decode(message)) > 0 for message in messages) == count


# Recordings with microseconds, and the same with planted faults


def rows(data_dir: Path, kind: str, what: str) -> list[dict[str, str]]:
    with (data_dir / TRX.format(kind, what)).open(newline="") as file:
        return list(csv.DictReader(file))


def trade_messages(data_dir: Path, kind: str) -> Iterator[dict[str, Any]]:
    for row in rows(data_dir, kind, "trade"):
        yield {"e": row["EventType"], "E": int(row["EventTime"]), "s": row["Symbol"], "t": int(row["TradeId"]),
               "p": row["Price"], "q": row["Quantity"], "T": int(row["TransactionTime"]),
               "m": row["IsBuyerMarketMaker"] == "1", "M": row["MUnknownParameter"] == "True"}


def diff_messages(data_dir: Path, kind: str) -> list[dict[str, Any]]:
    """One message for all rows of an update."""
    found = []
    whole = rows(data_dir, kind, "difference_depth")
    for (first, last), group in itertools.groupby(whole, key=lambda row: (row["FirstUpdateId"], row["FinalUpdateId"])):
        levels = list(group)
        sides: dict[str, list[list[str]]] = {"0": [], "1": []}
        for row in levels:
            sides[row["IsAsk"]].append([row["Price"], row["Quantity"]])
        found.append({"e": levels[0]["EventType"], "E": int(levels[0]["EventTime"]), "s": levels[0]["Symbol"],
                      "U": int(first), "u": int(last), "b": sides["0"], "a": sides["1"]})
    return found


def passes_once(messages: list[dict[str, Any]]) -> list[int]:
    """The ids of the trades that go on to the engine."""
    feed = Feed("TRXUSDT")
    arbiter = ffi.gc(lib.mm_arbiter_new(lib.MM_EVENT_RECORDS_MAX, 0), lib.mm_arbiter_free)
    lib.mm_arbiter_up(arbiter, 0)
    ids = []
    for message in messages:
        (event,) = feed.decode_events(json.dumps(message).encode())
        trade = event.body.trade
        assert (trade.trade_id, trade.trade_time_us) == (message["t"], message["T"])
        assert (trade.price_e8, trade.qty_e8) == (Decimal(message["p"]) * E8, Decimal(message["q"]) * E8)
        assert bool(event.flags & lib.MM_FLAG_BUYER_MAKER) == message["m"]
        if lib.mm_arbiter_take(arbiter, 0, event, 0) == lib.MM_ARBITER_PASS:
            ids.append(trade.trade_id)
    return ids


def test_trades_recorded_in_microseconds_are_decoded_exactly_and_each_once(data_dir: Path) -> None:
    messages = list(trade_messages(data_dir, "positive"))
    ids = passes_once(messages)
    assert ids == [message["t"] for message in messages]
    assert len(ids) == 10_000


def test_a_planted_second_trade_of_the_same_id_goes_no_further(data_dir: Path) -> None:
    messages = list(trade_messages(data_dir, "negative"))
    ids = passes_once(messages)
    assert Counter(message["t"] for message in messages)[348656871] == 2
    assert len(ids) == len(set(ids)) == 9_999
    assert ids[1:3] == [348656871, 348656873]


class Follower:
    """A book after diffs, kept twice: by the core, and by hand."""

    def __init__(self) -> None:
        self.feed, self.sync = Feed("TRXUSDT"), Sync(Book(tick_e8=10_000))
        self.by_hand: dict[Side, dict[int, int]] = {side: {} for side in Side}

    def start(self, last_id: int) -> None:
        """With a snapshot of nothing."""
        snapshot = {"lastUpdateId": last_id, "bids": [], "asks": []}
        self.sync.snapshot(self.feed.decode(json.dumps(snapshot).encode()), 5000)
        self.by_hand = {side: {} for side in Side}

    def take(self, message: dict[str, Any]) -> Step:
        step = self.sync.depth(self.feed.decode(json.dumps(message).encode()))
        if step is Step.APPLIED:
            for side, levels in ((Side.BID, message["b"]), (Side.ASK, message["a"])):
                for price, qty in levels:
                    self.by_hand[side][int(Decimal(price) * E8)] = int(Decimal(qty) * E8)
        return step

    def check(self) -> None:
        for side, levels in self.by_hand.items():
            wanted = sorted(((price, qty) for price, qty in levels.items() if qty), reverse=side is Side.BID)
            assert [tuple(level) for level in self.sync.book.dump(side).tolist()] == wanted
            assert wanted


def test_diffs_recorded_in_microseconds_are_applied_exactly(data_dir: Path) -> None:
    messages, follower = diff_messages(data_dir, "positive"), Follower()
    follower.start(messages[0]["U"] - 1)
    assert Counter(follower.take(message) for message in messages) == {Step.APPLIED: len(messages)}
    assert len(messages) > 1_000
    follower.check()


def test_planted_faults_in_diffs_are_rejected_or_resynced_and_the_book_is_exact_again(data_dir: Path) -> None:
    messages, follower = diff_messages(data_dir, "negative"), Follower()
    follower.start(messages[0]["U"] - 1)
    assert (messages[0]["E"], messages[0]["b"][0][0]) == (0, "-1")
    with pytest.raises(DecodeError) as refused:
        follower.take(messages[0])
    assert refused.value.status == lib.MM_E_SYNTAX
    assert json.dumps(messages[0])[: refused.value.position].endswith('[["')
    assert follower.take(messages[0] | {"b": []}) is Step.APPLIED  # no time at all harms nothing: it is not a clock

    (jump,) = [number for number, (one, two) in enumerate(itertools.pairwise(messages), 1) if two["U"] != one["u"] + 1]
    for message in messages[1:jump]:
        assert follower.take(message) is Step.APPLIED
    assert follower.take(messages[jump]) is Step.GAP
    assert not follower.sync.synced
    assert follower.sync.book.count(Side.ASK) == 0
    follower.start(messages[jump]["u"])
    days = {message["E"] // 86_400_000_000 for message in messages[1:]}
    assert len(days) == 2  # the last one is a day late by its own account, and is applied as any other
    assert Counter(map(follower.take, messages[jump + 1 :])) == {Step.APPLIED: len(messages) - jump - 1}
    follower.check()
