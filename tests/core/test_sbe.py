"""The binary decoder against the JSON one: the same events, written both ways by an independent encoder, become the
same records, however the wire cuts them; and what is not a message is refused."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore._native import lib
from mmcore.core.feed import DecodeError, Feed
from mmcore.core.layout import Records
from mmcore.core.sbe import SbeDecoder
from mmcore.errors import CoreError
from tests.model import sbe_twin as twin
from tests.model.sbe_twin import Trade, Wire

SYMBOL = "BTCUSDT"
RECV_NS = 77
MAX = 2**63 - 1

ids = st.integers(0, 2**62)
times_us = st.integers(10**14, 2 * 10**15)
amounts = st.integers(0, MAX) | st.integers(0, 10**12)
levels = st.lists(st.tuples(amounts, amounts), max_size=40)
trades = st.builds(Trade, ids, amounts, amounts, st.booleans())
# Units in which a count of 1e-8 is always whole.
wires = st.builds(Wire, st.just(-8), st.just(-8), st.integers(0, 40), st.integers(0, 3), st.binary(max_size=30))


def words(records: Records) -> list[Any]:
    """The records' bytes, 8 by 8."""
    return np.frombuffer(records.tobytes(), dtype="<u8").tolist()


def sbe(message: bytes, symbol: str = SYMBOL) -> Records:
    return SbeDecoder(symbol).decode(message, RECV_NS)


def of_json(message: bytes, symbol: str = SYMBOL) -> Records:
    return Feed(symbol).decode(message, RECV_NS)


def refused(message: bytes, symbol: str = SYMBOL) -> tuple[int, int]:
    with pytest.raises(DecodeError) as caught:
        sbe(message, symbol)
    return caught.value.status, caught.value.position


# ---- Equal records ---------------------------------------------------------------------------------------------------


@given(ids, ids, levels, levels, times_us, wires)
def test_a_diff_becomes_what_its_json_becomes(a: int, b: int, bids: list[twin.Level], asks: list[twin.Level],
                                              time_us: int, wire: Wire) -> None:
    first_id, last_id = sorted((a, b))
    event = (SYMBOL, first_id, last_id, bids, asks, time_us)
    assert words(sbe(twin.depth(*event, wire))) == words(of_json(twin.json_depth(*event)))


@given(ids, levels, levels, times_us, wires)
def test_a_partial_book_becomes_what_its_json_becomes_with_the_time_besides(
        last_id: int, bids: list[twin.Level], asks: list[twin.Level], time_us: int, wire: Wire) -> None:
    got = sbe(twin.partial(SYMBOL, last_id, bids, asks, time_us, wire)).copy()
    assert got[0]["depth"]["event_time_us"] == time_us
    got[0]["depth"]["event_time_us"] = 0
    assert words(got) == words(of_json(twin.json_partial(SYMBOL, last_id, bids, asks)))


@given(ids, st.tuples(amounts, amounts), st.tuples(amounts, amounts), times_us, wires)
def test_a_best_price_becomes_what_its_json_becomes(update_id: int, bid: twin.Level, ask: twin.Level, time_us: int,
                                                    wire: Wire) -> None:
    message = twin.ticker(SYMBOL, update_id, bid, ask, time_us, wire)
    assert words(sbe(message)) == words(of_json(twin.json_ticker(SYMBOL, update_id, bid, ask)))


@given(st.lists(trades, max_size=20), times_us, wires)
def test_trades_become_one_record_each_as_in_json(made: list[Trade], time_us: int, wire: Wire) -> None:
    one_by_one = [word for trade in made for word in words(of_json(twin.json_trade(SYMBOL, trade, time_us)))]
    assert words(sbe(twin.trades(SYMBOL, made, time_us, wire))) == one_by_one


@pytest.mark.parametrize("exponents", [(-8, -8), (-2, -5), (0, 0), (2, 1), (-8, 3), (-10, -12)])
def test_every_message_says_in_which_unit_its_numbers_are(exponents: tuple[int, int]) -> None:
    price, qty = 6_183_700 * 10**8, 1000 * 10**8
    wire = Wire(*exponents)
    event = (SYMBOL, 5, 9, [(price, qty)] * 4, [(price + 100 * 10**8, 0)], 10**15)
    assert words(sbe(twin.depth(*event, wire))) == words(of_json(twin.json_depth(*event)))


def test_a_symbol_of_any_letters_is_known_by_its_bytes() -> None:
    name = "这是测试币456"
    event = (name, 5, 9, [(100, 200)], [], 10**15)
    assert words(sbe(twin.depth(*event), name)) == words(of_json(twin.json_depth(*event), name))
    assert len(sbe(twin.depth(*event))) == 0
    assert len(sbe(twin.depth(*event), "")) == 2


@pytest.mark.parametrize("other", ["BTCUSD", "BTCUSDT1", "btcusdt", ""])
def test_messages_of_other_symbols_become_nothing(other: str) -> None:
    assert len(sbe(twin.depth(other, 1, 2, [(1, 1)], [], 10**15))) == 0
    assert len(sbe(twin.partial(other, 1, [(1, 1)], [], 10**15))) == 0
    assert len(sbe(twin.ticker(other, 1, (1, 1), (2, 2), 10**15))) == 0
    assert len(sbe(twin.trades(other, [Trade(1, 1, 1, True)], 10**15))) == 0


# ---- Refusals --------------------------------------------------------------------------------------------------------


def one_of_each() -> list[bytes]:
    return [
        twin.depth(SYMBOL, 5, 9, [(10**8, 5), (2, 3)], [(7, 8)], 10**15),
        twin.partial(SYMBOL, 9, [(1, 5)], [(7, 8), (9, 1), (10, 1), (11, 1)], 10**15),
        twin.ticker(SYMBOL, 9, (1, 2), (3, 4), 10**15),
        twin.trades(SYMBOL, [Trade(1, 2, 3, True), Trade(2, 2, 3, False)], 10**15),
    ]


@pytest.mark.parametrize("message", one_of_each())
def test_a_message_cut_anywhere_is_refused_where_it_ends(message: bytes) -> None:
    assert len(sbe(message)) > 0
    for length in range(len(message)):
        assert refused(message[:length]) == (lib.MM_E_SYNTAX, length)


@pytest.mark.parametrize("message", one_of_each())
def test_another_schema_is_not_read_and_another_template_gives_nothing(message: bytes) -> None:
    assert refused(message[:4] + b"\x03\x00" + message[6:]) == (lib.MM_E_VERSION, 4)
    assert len(sbe(message[:2] + b"\x32\x00" + message[4:])) == 0
    assert len(sbe(message[:2] + b"\x14\x27" + message[4:])) == 0


@pytest.mark.parametrize("message", one_of_each())
def test_a_root_block_shorter_than_that_of_version_0_is_refused(message: bytes) -> None:
    shorter = int.from_bytes(message[:2], "little") - 1
    assert refused(shorter.to_bytes(2, "little") + message[2:]) == (lib.MM_E_SYNTAX, 0)


def test_entries_shorter_than_those_of_version_0_are_refused_but_none_may_have_any_length() -> None:
    message = twin.depth(SYMBOL, 5, 9, [(1, 1)], [], 10**15)
    assert refused(message[:34] + b"\x0f\x00" + message[36:]) == (lib.MM_E_SYNTAX, 34)
    empty = twin.depth(SYMBOL, 5, 9, [], [], 10**15)
    assert len(sbe(empty[:34] + b"\x00\x00" + empty[36:])) == 1


def test_a_count_of_entries_beyond_the_message_is_refused() -> None:
    message = twin.trades(SYMBOL, [Trade(1, 2, 3, True)], 10**15)
    assert refused(message[:28] + b"\xff\xff\xff\xff" + message[32:]) == (lib.MM_E_SYNTAX, len(message))
    message = twin.depth(SYMBOL, 5, 9, [(1, 1)], [], 10**15)
    assert refused(message[:36] + b"\xff\xff" + message[38:]) == (lib.MM_E_SYNTAX, len(message))


@pytest.mark.parametrize(("value", "exponent", "status"), [
    (-1, -8, "MM_E_SYNTAX"), (-MAX - 1, 5, "MM_E_SYNTAX"), (-1, -12, "MM_E_SYNTAX"),
    (15, -9, "MM_E_PRECISION"), (MAX, -128, "MM_E_PRECISION"), (1, -27, "MM_E_PRECISION"),
    (MAX, -7, "MM_E_OVERFLOW"), (92_233_720_369, 0, "MM_E_OVERFLOW"), (1, 11, "MM_E_OVERFLOW"),
    (1, 127, "MM_E_OVERFLOW"),
])
def test_a_number_that_is_no_count_of_1e_8_is_refused_at_its_place(value: int, exponent: int, status: str) -> None:
    root = (1).to_bytes(8, "little") * 3 + (exponent % 256).to_bytes(1, "little") * 2
    level = (value % 2**64).to_bytes(8, "little")
    good = bytes(8)
    head = b"\x1a\x00\x13\x27\x01\x00\x00\x00" + root + b"\x10\x00\x01\x00"
    tail = b"\x10\x00\x00\x00" + b"\x07BTCUSDT"
    assert refused(head + level + good + tail) == (getattr(lib, status), 38)
    assert refused(head + good + level + tail) == (getattr(lib, status), 46)


@pytest.mark.parametrize(("value", "exponent", "value_e8"), [
    (150, -9, 15), (10**18, -26, 1), (0, 127, 0), (0, -128, 0), (92_233_720_368, 0, 92_233_720_368 * 10**8),
    (9, 10, 9 * 10**18), (MAX, -8, MAX),
])
def test_the_largest_and_the_finest_numbers_are_exact(value: int, exponent: int, value_e8: int) -> None:
    root = (1).to_bytes(8, "little") * 2 + (exponent % 256).to_bytes(1, "little") * 2
    message = (b"\x32\x00\x11\x27\x01\x00\x00\x00" + root + value.to_bytes(8, "little") * 4 + b"\x07BTCUSDT")
    ticker = sbe(message)[0]["ticker"]
    names = ("bid_price_e8", "bid_qty_e8", "ask_price_e8", "ask_qty_e8")
    assert [int(ticker[name]) for name in names] == [value_e8] * 4


@pytest.mark.parametrize(("message", "at"), [(m, at) for m, ats in zip(
    one_of_each(), [(8, 16, 24), (8, 16), (8, 16), (8, 16, 32)], strict=True) for at in ats])
def test_negative_ids_and_times_are_refused(message: bytes, at: int) -> None:
    assert refused(message[:at] + b"\xff" * 8 + message[at + 8:]) == (lib.MM_E_SYNTAX, at)


def test_a_truth_value_is_0_or_1() -> None:
    message = twin.trades(SYMBOL, [Trade(1, 2, 3, True)], 10**15)
    assert refused(message[:56] + b"\xff" + message[57:]) == (lib.MM_E_SYNTAX, 56)


def test_too_many_levels_a_side_are_refused_as_in_json() -> None:
    many = [(1, 1)] * (lib.MM_DEPTH_LEVELS_MAX + 1)
    assert refused(twin.depth(SYMBOL, 1, 2, many, [], 10**15))[0] == lib.MM_E_CAPACITY
    assert len(sbe(twin.depth(SYMBOL, 1, 2, many[1:], many[1:], 10**15))) == lib.MM_EVENT_RECORDS_MAX


def test_a_symbol_that_does_not_fit_is_refused() -> None:
    with pytest.raises(CoreError, match="symbol"):
        SbeDecoder("X" * 24)


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_never_do_more_than_refuse_or_change_numbers(seed: int) -> None:
    rng = random.Random(seed)
    decoder = SbeDecoder("")
    for _ in range(3000):
        message = bytearray(rng.choice(one_of_each()))
        for _ in range(rng.randint(1, 6)):
            message[rng.randrange(len(message))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        position = 0
        try:
            decoded = decoder.decode(bytes(message))
        except DecodeError as error:
            position = error.position
            decoded = decoder.decode(b"\0\0\0\0\1\0\0\0")
        assert 0 <= position <= len(message)
        at = 0
        while at < len(decoded):  # whole events
            assert decoded[at]["count"] >= 1
            at += int(decoded[at]["count"])
        assert at == len(decoded)
