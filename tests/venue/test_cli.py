"""The venue as a process: its first line, its end, its bad arguments."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mmcore.venue.cli import main

ROOT = Path(__file__).resolve().parents[2]
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@contextmanager
def venue(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A venue process and its first line."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("VENUE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "mmcore.venue", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**inherited, **environment},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            pytest.fail(process.communicate(timeout=10)[1])
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate(timeout=10)


def fetch(url: str | urllib.request.Request) -> Any:
    with urllib.request.urlopen(url, timeout=5) as reply:
        return json.load(reply)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_line_tells_where_it_listens_and_a_signal_ends_it_with_zero(number: signal.Signals) -> None:
    with venue("--seed", "7") as (process, line):
        assert list(line) == ["url", "api_key", "api_secret"]
        assert line["url"].startswith("http://127.0.0.1:")
        assert len(line["api_key"]) == len(line["api_secret"]) == 64
        info = fetch(line["url"] + "/api/v3/exchangeInfo")["symbols"][0]
        filters = {one["filterType"]: one for one in info["filters"]}
        assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
        assert filters["LOT_SIZE"]["stepSize"] == "0.00001000"
        assert filters["NOTIONAL"]["minNotional"] == "5.00000000"
        none = {"locked": "0.00000000", "moved": "0.00000000", "external": "0.00000000"}
        assert fetch(line["url"] + "/venue/audit")["accounts"][0]["balances"] == {
            "BTC": {"free": "1.00000000", "start": "1.00000000", **none},
            "USDT": {"free": "100000.00000000", "start": "100000.00000000", **none},
        }
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (0, "", "")


def test_dropped_and_torn_connections_leave_no_word_on_stderr() -> None:
    with venue() as (process, line):
        port = int(line["url"].rpartition(":")[2])
        for head in (
            b"GET /api/v3/pi",
            b"POST /api/v3/order HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhalf",
            HANDSHAKE,
        ):
            with socket.create_connection(("127.0.0.1", port)) as torn:
                torn.sendall(head)
        command = urllib.request.Request(line["url"] + "/venue/streams/drop", data=b'{"for_ms": 60000}')
        assert fetch(command) == {}
        with socket.create_connection(("127.0.0.1", port)) as refused:
            refused.sendall(HANDSHAKE)
            with pytest.raises(ConnectionResetError):
                refused.recv(1)
        assert fetch(line["url"] + "/api/v3/ping") == {}
        process.terminate()
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (0, "", "")


def test_credentials_and_balances_are_as_given(tmp_path: Path) -> None:
    pem = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key_file = tmp_path / "key.pem"
    key_file.write_bytes(pem)
    arguments = ("--balance", "BTC=0.5", "--balance", "BNB=3", "--maker-fee-bps", "0", "--taker-fee-bps", "7.5")
    with venue(
        *arguments,
        "--ed25519-public-key",
        str(key_file),
        VENUE_API_KEY="given",
        VENUE_API_SECRET="secret",
        VENUE_ED25519_API_KEY="other",
    ) as (_, line):
        assert (line["api_key"], line["api_secret"], line["ed25519_api_key"]) == ("given", "secret", "other")
        (account,) = fetch(line["url"] + "/venue/audit")["accounts"]
        assert {asset: one["start"] for asset, one in account["balances"].items()} == {
            "BTC": "0.50000000",
            "USDT": "100000.00000000",
            "BNB": "3.00000000",
        }


@pytest.mark.parametrize("arguments", [(), ("--bnb-price", "600.5")])
def test_with_a_price_of_bnb_the_account_pays_in_it(arguments: tuple[str, ...]) -> None:
    with venue("--balance", "BNB=1", *arguments) as (_, line):
        query = f"symbol=BTCUSDT&side=BUY&type=MARKET&quoteOrderQty=1000&timestamp={time.time_ns() // 1_000_000}"
        signature = hmac.new(line["api_secret"].encode(), query.encode(), hashlib.sha256).hexdigest()
        request = urllib.request.Request(f"{line['url']}/api/v3/order?{query}&signature={signature}", method="POST")
        request.add_header("X-MBX-APIKEY", line["api_key"])
        with urllib.request.urlopen(request, timeout=10) as reply:
            fills = json.loads(reply.read())["fills"]
        assert {fill["commissionAsset"] for fill in fills} == {"BNB" if arguments else "BTC"}
        if arguments:
            worth = sum(Decimal(fill["price"]) * Decimal(fill["qty"]) for fill in fills)
            paid = sum(Decimal(fill["commission"]) for fill in fills)
            exact = worth * Decimal("0.00075") / Decimal("600.5")
            assert abs(paid - exact) <= len(fills) * Decimal("0.000000005")


def test_a_day_of_a_connection_can_last_a_second() -> None:
    with venue("--time-scale", "86400") as (_, line):
        port = int(line["url"].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(HANDSHAKE)
            received = b""
            while chunk := connection.recv(4096):
                received += chunk
            assert received.startswith(b"HTTP/1.1 101")
            assert b"\x88\x1f\x03\xf0" in received, "a close frame with 1008"


def test_the_limits_in_force_are_those_of_the_command_line() -> None:
    given = {"--orders-10s": 50, "--orders-1d": 160_000, "--weight-1m": 1200, "--raw-requests-5m": 61_000}
    with venue(*(str(part) for pair in given.items() for part in pair), "--connections-5m", "2") as (_, line):
        rows = fetch(line["url"] + "/api/v3/exchangeInfo")["rateLimits"]
        assert [row["limit"] for row in rows] == [1200, 50, 160_000, 61_000]


def test_a_recording_is_served_under_its_symbol(data_dir: Path) -> None:
    recording = str(data_dir / "hftbacktest/spot/btcusdt_20240808.gz")
    with venue("--market", "recorded", recording, "--speed", "10") as (process, line):
        assert fetch(line["url"] + "/api/v3/exchangeInfo")["symbols"][0]["symbol"] == "BTCUSDT"
        assert fetch(line["url"] + "/venue/audit")["queue_log"] == []
        process.terminate()
        assert process.wait(10) == 0


def test_a_taken_port_is_said_and_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    with venue() as (_, line):
        port = line["url"].rpartition(":")[2]
        assert main(["--port", port]) == 2
        assert f"cannot listen on port {port}" in capsys.readouterr().err


BAD = [
    (["--market", "real"], "invalid choice: 'real'"),
    (["--port", "x"], "invalid int value: 'x'"),
    (["--port", "70000"], "--port 70000 is not from 0 to 65535"),
    (["--colour"], "unrecognized arguments: --colour ('mmcore venue --help' lists the options)"),
    (["--co\nlour\x1b"], "--co\\nlour\\x1b"),
    (["--see", "3"], "unrecognized arguments: --see"),
    (["--orders-10s", "0"], "--orders-10s 0 is not from 1 to 1000000000"),
    (["--time-scale", "0.5"], "--time-scale 0.5 is not a number from 1 to 86400"),
    (["--time-scale", "fast"], "--time-scale fast is not a number"),
    (["--weight-1m", "many"], "invalid int value: 'many'"),
    (["--market", "recorded"], "--market recorded needs at least one FILE"),
    (["file.gz"], "FILE and --speed go with --market recorded only"),
    (["--speed", "2"], "FILE and --speed go with --market recorded only"),
    (["--market", "recorded", "none.gz"], "none.gz: "),
    (["--market", "recorded", __file__],
     f"{__file__}: not a recording: those are gzipped lines of `<receive nanoseconds> <json>`, the JSON "),
    (["--market", "recorded", "none.gz", "--seed", "1"], "--seed goes with --market synthetic only"),
    (["--market", "recorded", "none.gz", "--speed", "0"], "--speed 0 is not a number from 0.01 to 1000"),
    (["--market", "recorded", "none.gz", "--speed", "fast"], "--speed fast is not a number"),
    (["--maker-fee-bps", "-1"], "--maker-fee-bps"),
    (["--taker-fee-bps", "1001"], "--taker-fee-bps 1001 is not a number from 0 to 1000"),
    (["--taker-fee-bps", "0.00001"], "--taker-fee-bps 0.00001 is not a number"),
    (["--bnb-price", "0"], "--bnb-price 0 is not a price above 0"),
    (["--bnb-price", "much"], "--bnb-price much is not a price above 0"),
    (["--balance", "BTC"], "--balance BTC is not of the form ASSET=AMOUNT"),
    (["--balance", "BTC=-1"], "--balance BTC=-1 is not of the form"),
    (["--balance", "btc=1"], "--balance btc=1 is not of the form"),
    (["--ed25519-public-key", "none.pem"], "--ed25519-public-key none.pem: "),
]


@pytest.mark.parametrize(("arguments", "says"), BAD)
def test_bad_arguments_end_with_two_and_a_sentence(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.startswith("mmcore venue: error: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_help_ends_with_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "VENUE_API_KEY" in capsys.readouterr().out
