"""Inputs the fuzz targets begin with: recorded messages of the real exchange, and some of our own making.

Recordings are read from MMCORE_DATA (by default ../shared/data beside the checkout) and written to the build folder
alone. Without them, targets begin with what we made ourselves, unless MMCORE_REQUIRE_DATA=1.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.model import sbe_twin  # noqa: E402 - run as a program, too

MESSAGE_BYTES_MAX = 4096
"""Longer ones teach a fuzzer nothing but patience."""

OWN_MESSAGES = (
    b'{"e":"depthUpdate","E":1700000000000,"s":"BTCUSDT","U":157,"u":160,"b":[["0.0024","10"]],"a":[["0.0026","0"]]}',
    b'{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":5,"u":6,"pu":4,"b":[],"a":[["1","2"],["3","4"],["5","6"],["7","8"]]}',
    b'{"stream":"btcusdt@depth","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2,"b":[],"a":[]}}',
    b'{"stream":"btcusdt@depth5","data":{"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]}}',
    b'{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.00000200","12.00000000"]]}',
    b'{"u":400900217,"s":"BTCUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}',
    b'{"e":"trade","E":1672515782136,"s":"BTCUSDT","t":12345,"p":"0.001","q":"100","T":1672515782136,"m":true,"M":true}',
    b'{"e":"aggTrade","E":1,"s":"BTCUSDT","a":12345,"p":"0.001","q":"100","f":100,"l":105,"T":1,"m":false,"M":true}',
    b'{"id":"p17","status":200,"result":{"symbol":"BTCUSDT","orderId":12,"clientOrderId":"mA1-0k3f9zq-h-b0","price":"1.5",'
    b'"origQty":"2","executedQty":"0","status":"NEW","side":"BUY"},"rateLimits":[{"rateLimitType":"ORDERS","interval":'
    b'"SECOND","intervalNum":10,"limit":50,"count":12},{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE",'
    b'"intervalNum":1,"limit":6000,"count":70}]}',
    b'{"id":"p18","status":400,"error":{"code":-2010,"msg":"Order would immediately match and take."},"rateLimits":[]}',
    b'{"id":"c18","status":400,"error":{"code":-2011,"msg":"Unknown order sent."}}',
    b'{"id":"q18","status":400,"error":{"code":-2013,"msg":"Order does not exist."}}',
    b'{"id":"p19","status":418,"error":{"code":-1003,"msg":"banned","data":{"serverTime":1,"retryAfter":1700000000001}}}',
    b'{"id":"r20","status":409,"error":{"code":-2021,"msg":"Order cancel-replace partially failed.","data":{'
    b'"cancelResult":"SUCCESS","newOrderResult":"FAILURE","cancelResponse":{"symbol":"BTCUSDT","origClientOrderId":"mA1-0k3f9zq-2-b0",'
    b'"orderId":9,"status":"CANCELED","executedQty":"0","origQty":"1","price":"2"},"newOrderResponse":{"code":-2010,'
    b'"msg":"Order would immediately match and take."}}}}',
    b'{"id":"r21","status":200,"result":{"cancelResult":"SUCCESS","newOrderResult":"SUCCESS","cancelResponse":{"symbol":'
    b'"BTCUSDT","origClientOrderId":"mA1-0k3f9zq-2-b0","orderId":9,"status":"CANCELED","executedQty":"0","origQty":"1",'
    b'"price":"2"},"newOrderResponse":{"symbol":"BTCUSDT","orderId":10,"clientOrderId":"mA1-0k3f9zq-3-b0","status":"NEW"}}}',
    b'{"id":"a22","status":200,"result":{"transactTime":1,"executionId":2,"amendedOrder":{"symbol":"BTCUSDT","orderId":9,'
    b'"origClientOrderId":"mA1-0k3f9zq-2-b0","clientOrderId":"x","price":"2","qty":"0.5","executedQty":"0","status":"NEW"}}}',
    b'{"subscriptionId":0,"event":{"e":"executionReport","E":1499405658658,"s":"BTCUSDT","c":"mA1-0k3f9zq-2-b0","S":"BUY",'
    b'"o":"LIMIT","q":"1.0","p":"0.1","C":"","x":"TRADE","X":"PARTIALLY_FILLED","r":"NONE","i":4293153,"l":"0.4","z":"0.4",'
    b'"L":"0.1","n":"0.0004","N":"BTC","T":1499405658657,"t":77,"m":true,"Z":"0.04","Y":"0.04"}}',
    b'{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":1,"u":1,"B":[{"a":"ETH","f":"10000.5","l":"0.0"},'
    b'{"a":"BTC","f":"1","l":"2"}]}}',
    b'{"e":"balanceUpdate","E":1573200697110,"a":"BTC","d":"-100.00000000","T":1573200697068}',
    b'{"e":"externalLockUpdate","E":1581557507324,"a":"NEO","d":"10.00000000","T":1581557507268}',
    b'{"id":"t1","status":200,"result":[{"symbol":"BTCUSDT","id":28457,"orderId":100234,"price":"4.1","qty":"12","quoteQty":'
    b'"48.00","commission":"10.1","commissionAsset":"BNB","time":1499865549590,"isBuyer":true,"isMaker":false}]}',
    b'{"id":"o1","status":200,"result":[{"symbol":"BTCUSDT","orderId":1,"clientOrderId":"mA1-0k3f9zp-2-b0","price":"0.1",'
    b'"origQty":"1.0","executedQty":"0.0","status":"NEW","side":"SELL","time":1499827319559}]}',
    b'{"id":"b1","status":200,"result":{"makerCommission":15,"balances":[{"asset":"BNB","free":"0.1","locked":"0.00"}]}}',
    b'{"event":{"e":"serverShutdown","E":1770123456789}}',
    b'{"event":{"e":"eventStreamTerminated","E":1728973001334}}',
    b'{"code":-1121,"msg":"Invalid symbol \\u0041\\n\\uD83D\\uDE00."}',
    b'{"result":null,"id":1}',
)  # fmt: skip


def recordings() -> Path | None:
    folder = Path(os.environ.get("MMCORE_DATA") or ROOT / ".." / "shared" / "data").resolve()
    if (folder / "expected.jsonl").is_file():
        return folder
    if os.environ.get("MMCORE_REQUIRE_DATA") == "1":
        raise SystemExit(f"no recordings in {folder} (set MMCORE_DATA)")
    return None


def recorded_messages(folder: Path) -> Iterator[bytes]:
    """Some of each recording, so that all message types are there."""
    with gzip.open(folder / "hftbacktest/spot/btcusdt_20240808.gz") as lines:
        for line in itertools.islice(lines, 0, 20_000, 200):
            yield line.partition(b" ")[2].rstrip(b"\n")
    with gzip.open(folder / "hftbacktest/usdm/btcusdt_20240808.gz") as lines:
        for line in itertools.islice(lines, 0, 10_000, 500):
            yield line.partition(b" ")[2].rstrip(b"\n")
    for line in (folder / "cryptofeed/BINANCE.ws.1.0").read_bytes().splitlines()[1:200:5]:
        yield line.partition(b": ")[2]
    for line in (folder / "crypto_msg_parser/binance_messages.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)["raw"].encode()
    for line in (folder / "hummingbot_fixture_2020/orders.jsonl").read_text(encoding="utf-8").splitlines():
        value = json.loads(line)["value"]
        yield json.dumps(value).encode()
        yield json.dumps({"id": "p9", "status": 200, "result": value}).encode()
    for line in (folder / "hummingbot_fixture_2020/real_errors.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield json.dumps({"id": "p9", "status": row["http"], "error": row["body"]}).encode()


def messages() -> list[bytes]:
    folder = recordings()
    recorded = [] if folder is None else list(recorded_messages(folder))
    return [*OWN_MESSAGES, *(message for message in recorded if 0 < len(message) <= MESSAGE_BYTES_MAX)]


def server_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    head = bytes([(0x80 if final else 0) | opcode])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    return head + b"\x7e" + struct.pack(">H", len(payload)) + payload


def frames() -> Iterator[bytes]:
    """The first three bytes of an input say how the rest reaches the parser (see fuzz_ws.c)."""
    how = b"\x00\x07\x40"
    for message in messages()[::4]:
        yield how + server_frame(1, message)
    yield how + server_frame(1, b"one") + server_frame(9, b"12345678") + server_frame(2, b"\x00\xff")
    yield how + server_frame(1, b"zwei ", final=False) + server_frame(10, b"") + server_frame(0, "ä€😀".encode())
    yield how + server_frame(8, struct.pack(">H", 1000) + b"bye") + server_frame(1, b"too late")
    yield how + server_frame(2, b"x" * 125) + server_frame(2, b"x" * 126) + server_frame(1, b"x" * 900)


def binary_messages() -> Iterator[bytes]:
    level = (6_700_012_000_000, 150_000_000)
    for wire in (sbe_twin.Wire(), sbe_twin.Wire(-2, -5), sbe_twin.Wire(-2, -5, grow=3, version=1, tail=b"more")):
        for bids, asks in (([], []), ([level], [level] * 4), ([level] * 7, [level] * 3)):
            yield sbe_twin.depth("BTCUSDT", 7, 9, bids, asks, 1_700_000_000_000_000, wire)
            yield sbe_twin.partial("BTCUSDT", 9, bids, asks, 1_700_000_000_000_000, wire)
        yield sbe_twin.ticker("BTCUSDT", 9, level, level, 1_700_000_000_000_000, wire)
        trade = sbe_twin.Trade(5, *level, True)
        yield sbe_twin.trades("BTCUSDT", [trade, trade], 1_700_000_000_000_000, wire)


def decisions(target: str) -> Iterator[bytes]:
    """Bytes of any kind: the fuzzer begins with what they lead to, which it would take long to come to byte by byte."""
    yield bytes(range(256))
    any_bytes = random.Random(target)
    for _ in range(100):
        yield any_bytes.randbytes(any_bytes.randint(16, 320))


SOURCES = {"feed": lambda: iter(messages()), "ws": frames, "sbe": binary_messages}
"""The targets whose input is what the exchange sends. The others read decisions."""


def write(target: str, folder: Path) -> int:
    """Writes the seeds of a target into a folder of its own; returns how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for count, seed in enumerate(SOURCES.get(target, lambda: decisions(target))(), 1):
        (folder / f"{count:04d}").write_bytes(seed)
    return count
