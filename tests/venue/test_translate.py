"""A recording in SBE and in microseconds says what it says in JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mmcore.venue.market import Feed, StreamMessage, Wire
from mmcore.venue.recorded import RecordedMarket
from mmcore.venue.translate import Translator

REAL = "hftbacktest/spot/btcusdt_20240808.gz"
PARTNER = {"depth@100ms": "depth", "bookTicker": "bestBidAsk", "trade": "trade"}


def i64(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little", signed=True)


def e8(text: str) -> int:
    return int(Decimal(text) * 10**8)


def levels(data: bytes, at: int) -> tuple[list[tuple[int, int]], int]:
    count = int.from_bytes(data[at + 2 : at + 4], "little")
    starts = range(at + 4, at + 4 + 16 * count, 16)
    return [(i64(data, start), i64(data, start + 8)) for start in starts], at + 4 + 16 * count


def said(data: bytes) -> list[Any]:
    """The values of a message, all of exponent -8."""
    template = int.from_bytes(data[2:4], "little")
    exponents = {10000: 24, 10001: 24, 10003: 32}[template]
    assert data[exponents : exponents + 2] == b"\xf8\xf8"
    assert data.endswith(b"\x07BTCUSDT")
    if template == 10001:
        return [i64(data, at) for at in (16, 26, 34, 42, 50)]
    if template == 10000:
        assert data[28:32] == b"\x01\0\0\0"
        return [i64(data, at) for at in (8, 16, 32, 40, 48)] + [data[56]]
    bids, end = levels(data, 34)
    return [i64(data, at) for at in (8, 16, 24)] + [bids, levels(data, end)[0]]


def expected(row: dict[str, Any]) -> list[Any]:
    if "U" in row:
        pairs = [[(e8(price), e8(qty)) for price, qty in row[side]] for side in ("b", "a")]
        return [row["E"] * 1000, row["U"], row["u"], *pairs]
    if "t" in row:
        return [row["E"] * 1000, row["T"] * 1000, row["t"], e8(row["p"]), e8(row["q"]), int(row["m"])]
    return [row["u"], *(e8(row[key]) for key in "bBaA")]


def test_every_recorded_message_has_its_like_in_sbe_and_in_microseconds(data_dir: Path) -> None:
    market = RecordedMarket([data_dir / REAL])
    market.want(
        {Feed(f"btcusdt@{kind}", Wire.SBE) for kind in PARTNER.values()}
        | {Feed(f"btcusdt@{kind}", Wire.JSON_MICROSECOND) for kind in PARTNER}
    )
    market.start(0)
    compared = dict.fromkeys(PARTNER, 0)
    messages = iter(market.advance(20_000_000)[0])
    for plain in messages:
        assert plain.wire is Wire.JSON
        micro, binary = next(messages), next(messages)
        kind = plain.stream.removeprefix("btcusdt@")
        row, micro_row = json.loads(plain.data), json.loads(micro.data)
        assert (micro.stream, micro.wire) == (plain.stream, Wire.JSON_MICROSECOND)
        assert {**row, **{name: 1000 * row[name] for name in ("E", "T") if name in row}} == micro_row
        assert (binary.stream, binary.wire) == (f"btcusdt@{PARTNER[kind]}", Wire.SBE)
        assert isinstance(binary.data, bytes)
        assert said(binary.data) == expected(row)
        compared[kind] += 1
    assert min(compared.values()) > 100


def test_what_nobody_wants_is_not_written_again() -> None:
    translator = Translator("BTCUSDT")
    text = '{"e":"trade","E":5,"s":"BTCUSDT","t":1,"p":"1.0","q":"2.0","T":4,"m":true,"M":true}'
    assert translator.translate("btcusdt@trade", text, 9) == []
    translator.want({Feed("btcusdt@trade", Wire.JSON), Feed("btcusdt@depth", Wire.SBE)})
    assert translator.translate("btcusdt@trade", text, 9) == []
    translator.want({Feed("btcusdt@trade", Wire.JSON_MICROSECOND)})
    in_microseconds = text.replace('"E":5', '"E":5000').replace('"T":4', '"T":4000')
    assert translator.translate("btcusdt@trade", text, 9) == [
        StreamMessage("btcusdt@trade", in_microseconds, Wire.JSON_MICROSECOND)
    ]


@pytest.mark.parametrize("stream", ["btcusdt@kline_1m", "btcusdt@depth5"])
def test_streams_without_a_like_in_sbe_are_left_alone(stream: str) -> None:
    translator = Translator("BTCUSDT")
    translator.want({Feed(stream, Wire.SBE), Feed("btcusdt@depth", Wire.SBE)})
    assert translator.translate(stream, "{}", 1) == []
