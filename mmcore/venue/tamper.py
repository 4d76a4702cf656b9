"""What faults make of one market message on its way out: left out, doubled, behind the next, unreadable, untrue."""

from __future__ import annotations

import random
import re
import struct
from dataclasses import dataclass, replace

from mmcore.venue.clock import Clock
from mmcore.venue.decimals import format_e8, parse_e8
from mmcore.venue.faults import Fault, FaultPlan, stream_class
from mmcore.venue.market import StreamMessage, Wire

_NESTED = 10_000
_DIGITS = re.compile(r'"\d+(?:\.\d+)?"')
_LEVEL = re.compile(r'\["(\d+(?:\.\d+)?)"')
_BEST = re.compile(r'("b":"[^"]*")(.*)("a":"[^"]*")')
_BIDS = re.compile(r'("b(?:ids)?":\[)(\])?')
_HEADER = struct.Struct("<HHHH")
_BEST_ROOT = struct.Struct("<qqbbqqqq")
_GROUP = struct.Struct("<HH")
_SBE_BEST_ID = 10001


@dataclass(frozen=True, slots=True)
class Tampering:
    """What becomes of one message: the takers with the numbers `hit` get `instead` of it, after which the bytes are
    `spoiled`, or get it behind their next message (`held`).
    """

    hit: frozenset[int]
    instead: tuple[StreamMessage, ...] = ()
    spoiled: bool = False
    held: bool = False


NO_TAMPERING = Tampering(frozenset())


class Tamperer:
    """Asks a plan about each message that somebody takes. One thread."""

    __slots__ = ("_clock", "_faults")

    def __init__(self, faults: FaultPlan, clock: Clock) -> None:
        self._faults = faults
        self._clock = clock

    def strike(self, message: StreamMessage, takers: int) -> Tampering | None:
        """What a fault makes of `message`, which goes to so many takers; None where no fault strikes."""
        form = "sbe" if message.wire is Wire.SBE else "json"
        struck = self._faults.on_message(message.stream, form, self._clock.now_us())
        if struck is None:
            return None
        fault, rng = struck
        hit = frozenset((rng.randrange(takers),) if fault.word("which") == "one" else range(takers))
        if fault.kind == "message_malformed":
            spoiled = fault.word("form") == "bytes"
            return Tampering(hit, (message if spoiled else _malformed(message, fault, rng),), spoiled)
        if fault.kind == "book_crossed":
            return Tampering(hit, (_crossed(message),))
        if fault.kind == "message_swapped":
            return Tampering(hit, held=True)
        return Tampering(hit, (message, message) if fault.kind == "message_doubled" else ())


def spoil(frame: bytes) -> bytes:
    """A frame whose last two payload bytes are no UTF-8, and in SBE another symbol's name."""
    return frame[:-2] + b"\xff\xfe"


def _malformed(message: StreamMessage, fault: Fault, rng: random.Random) -> StreamMessage:
    data, form = message.data, fault.word("form")
    if isinstance(data, bytes):
        return replace(message, data=_malformed_sbe(data, form, rng))
    return replace(message, data=_malformed_json(data, form, rng))


def _malformed_json(data: str, form: str, rng: random.Random) -> str:
    if form == "cut":
        return data[: rng.randrange(1, len(data))]
    if form == "text":
        return "Internal Server Error"
    if form == "deep":
        return "[" * _NESTED
    wrong = '"NaN"' if form == "number" else f'"{"9" * 40}.00000000"'
    return _DIGITS.sub(wrong, data, count=1)


def _malformed_sbe(data: bytes, form: str, rng: random.Random) -> bytes:
    block, template, schema, version = _HEADER.unpack_from(data)
    if form == "cut":
        return data[: rng.randrange(1, len(data))]
    if form == "text":
        return b"Internal Server Error"
    if form == "deep":
        return _HEADER.pack(block, template, schema + 1, version) + data[_HEADER.size :]
    size = 2 if form == "number" else 0xFFFF
    return _HEADER.pack(size, template, schema, version) + data[_HEADER.size :]


def _crossed(message: StreamMessage) -> StreamMessage:
    """The same message with a best bid above the best ask."""
    data = message.data
    if isinstance(data, bytes):
        return replace(message, data=_crossed_sbe(data))
    if stream_class(message.stream) == "bookTicker":
        return replace(message, data=_BEST.sub(_swapped_prices, data))
    level = _LEVEL.search(data)
    assert level is not None, "a depth message has a level"
    bid = f'["{format_e8(2 * parse_e8(level[1]))}","1.00000000"]'
    return replace(message, data=_BIDS.sub(lambda found: f"{found[1]}{bid}{found[2] or ','}", data, count=1))


def _swapped_prices(found: re.Match[str]) -> str:
    bid, ask = found[1].removeprefix('"b":'), found[3].removeprefix('"a":')
    return f'"b":{ask}{found[2]}"a":{bid}'


def _crossed_sbe(data: bytes) -> bytes:
    block, template, _, _ = _HEADER.unpack_from(data)
    at = _HEADER.size
    if template == _SBE_BEST_ID:
        *ids, bid, bid_qty, ask, ask_qty = _BEST_ROOT.unpack_from(data, at)
        return data[:at] + _BEST_ROOT.pack(*ids, ask, bid_qty, bid, ask_qty) + data[at + _BEST_ROOT.size :]
    bids_at = at + block
    size, count = _GROUP.unpack_from(data, bids_at)
    level_at = bids_at + _GROUP.size + (0 if count else _GROUP.size)
    (price,) = struct.unpack_from("<q", data, level_at)
    level = struct.pack("<qq", 2 * price, 1).ljust(size, b"\0")
    return data[:bids_at] + _GROUP.pack(size, count + 1) + level + data[bids_at + _GROUP.size :]
