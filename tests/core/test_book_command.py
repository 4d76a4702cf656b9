"""`mmcore book`: the independent replay's numbers on every recording, and plain words about broken ones."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mmcore.commands.book import main
from mmcore.errors import ExitCode, UsageError

Pairs = Sequence[tuple[str, str]]
Line = dict[str, Any]


def lines_of(output: str) -> list[Line]:
    return [json.loads(line) for line in output.splitlines()]


def wanted(data_dir: Path, **which: str) -> list[Line]:
    """Lines of the independent replay without what a recording does not say."""
    lines = lines_of((data_dir / "expected.jsonl").read_text(encoding="utf-8"))
    chosen = [line for line in lines if all(line.get(key) == value for key, value in which.items())]
    return [{key: value for key, value in line.items() if key not in {"files", "exchange"}} for line in chosen]


# ---- Recordings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_five_minutes_of_btc_are_the_independent_replays(
    data_dir: Path, capsys: pytest.CaptureFixture[str], market: str
) -> None:
    name = f"hftbacktest/{market}/btcusdt_20240808.gz"
    lines = lines_of((data_dir / "expected.jsonl").read_text(encoding="utf-8"))
    line = next(line for line in lines if line.get("files") == [name])
    assert main([data_dir / name]) is ExitCode.DONE
    (got,) = lines_of(capsys.readouterr().out)
    assert got == {"symbol": "BTCUSDT"} | {key: value for key, value in line.items() if key != "files"}


@pytest.mark.parametrize("exchange", ["BINANCE", "BINANCE_US", "BINANCE_DELIVERY"])
def test_every_symbol_of_a_capture_is_the_independent_replays(
    data_dir: Path, capsys: pytest.CaptureFixture[str], exchange: str
) -> None:
    path = data_dir / "cryptofeed" / f"{exchange}.ws.1.0"
    assert main([path]) is ExitCode.DONE
    got = lines_of(capsys.readouterr().out)
    by_symbol = {line["symbol"]: line for line in wanted(data_dir, exchange=exchange)}
    assert {line["symbol"]: line for line in got} == by_symbol
    text = path.read_text(encoding="utf-8").split("\n", 1)[1]
    assert [line["symbol"] for line in got] == sorted(by_symbol, key=lambda symbol: text.index(f'"s":"{symbol}"'))


def test_all_recordings_at_once_are_twenty_lines_alone_on_standard_output(data_dir: Path) -> None:
    paths = [data_dir / "hftbacktest" / market / "btcusdt_20240808.gz" for market in ("spot", "usdm")]
    paths += [data_dir / "cryptofeed" / f"{name}.ws.1.0" for name in ("BINANCE", "BINANCE_US", "BINANCE_DELIVERY")]
    done = subprocess.run(
        [sys.executable, "-m", "mmcore", "book", *map(str, paths)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    got = lines_of(done.stdout)
    assert len(got) == 20
    assert sorted(line["book_sha256"] for line in got) == sorted(line["book_sha256"] for line in wanted(data_dir))


# ---- Made-up recordings ----------------------------------------------------------------------------------------------


def diff(
    first: int, last: int, bids: Pairs = (), asks: Pairs = (), *, symbol: str = "XYUSDT", pu: int | None = None
) -> str:
    data: Line = {"e": "depthUpdate", "E": 1, "s": symbol, "U": first, "u": last, "b": list(bids), "a": list(asks)}
    if pu is not None:
        data["pu"] = pu
    return json.dumps({"stream": f"{symbol.lower()}@depth", "data": data})


def snapshot(last: int, bids: Pairs = (("9", "1"), ("8", "1")), asks: Pairs = (("11", "1"),)) -> str:
    return json.dumps({"lastUpdateId": last, "bids": list(bids), "asks": list(asks)})


def ticker(number: int, bid: str, ask: str, symbol: str = "XYUSDT") -> str:
    data = {"u": number, "s": symbol, "b": bid, "B": "1", "a": ask, "A": "1"}
    return json.dumps({"stream": f"{symbol.lower()}@bookTicker", "data": data})


def write(path: Path, messages: Sequence[str]) -> Path:
    text = "".join(f"{1000 + i} {message}\n" for i, message in enumerate(messages)).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def run(capsys: pytest.CaptureFixture[str], *paths: Path) -> tuple[ExitCode, list[Line]]:
    code = main(paths)
    return code, lines_of(capsys.readouterr().out)


def error_of(capsys: pytest.CaptureFixture[str], *paths: Path) -> str:
    code, (line,) = run(capsys, *paths)
    assert code is ExitCode.INTERNAL
    assert set(line) == {"symbol", "error"}
    return str(line["error"])


def test_every_field_is_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    messages = [
        diff(1, 4, [("9", "7")]),
        diff(5, 6, [("9", "5"), ("7", "0")]),
        snapshot(4),
        ticker(6, "9", "11"),
        diff(7, 8, [("10.5", "2.50")], [("11", "0"), ("10.50", "1"), ("12", "3")]),
        ticker(8, "1", "2"),
        ticker(8, "10.5", "10.5"),
        ticker(9, "1", "2"),
        diff(9, 9, [], [("10.5", "0")]),
        ticker(11, "1", "2"),
    ]
    code, (line,) = run(capsys, write(tmp_path / "a.gz", messages))
    tops = "6,9,5,11,1\n8,10.5,2.5,10.5,1\n9,10.5,2.5,12,3\n"
    book = "b,10.5,2.5\nb,9,5\nb,8,1\na,12,3\n"
    assert code is ExitCode.DONE
    assert line == {
        "symbol": "XYUSDT",
        "lastUpdateId": 4,
        "dropped_before_snapshot": 1,
        "applied": 3,
        "level_updates": 7,
        "deletes": 3,
        "deletes_of_absent_level": 1,
        "crossed": 1,
        "bookTicker_same_u": 3,
        "bookTicker_mismatch": 3,
        "final_u": 9,
        "final_best_bid": ["10.5", "2.5"],
        "final_best_ask": ["12", "3"],
        "levels": [3, 1],
        "bid_qty_sum": "8.5",
        "ask_qty_sum": "3",
        "book_sha256": hashlib.sha256(book.encode()).hexdigest(),
        "top_series_sha256": hashlib.sha256(tops.encode()).hexdigest(),
    }


def test_lines_need_no_gzip_and_other_lines_are_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.txt", [snapshot(4), diff(5, 6), '{"result":null,"id":1}'])
    path.write_text(path.read_text() + "\n# end\n")
    code, (line,) = run(capsys, path)
    assert (code, line["final_u"], line["symbol"]) == (ExitCode.DONE, 6, "XYUSDT")


def test_files_of_one_symbol_and_market_are_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = write(tmp_path / "1.gz", [diff(1, 4), snapshot(4), diff(5, 6)])
    second = write(tmp_path / "2.gz", [diff(7, 8), diff(9, 9)])
    other = write(tmp_path / "3.gz", [snapshot(2), diff(3, 3, symbol="ABUSDT")])
    futures = write(tmp_path / "4.gz", [snapshot(50), diff(40, 55, pu=39), diff(60, 70, pu=55)])
    code, lines = run(capsys, first, other, second, futures)
    assert code is ExitCode.DONE
    assert [(line["symbol"], line["applied"], line["final_u"]) for line in lines] == [
        ("XYUSDT", 3, 9), ("ABUSDT", 1, 3), ("XYUSDT", 2, 70),
    ]  # fmt: skip


def test_two_symbols_in_one_file_are_two_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    messages = [ticker(1, "1", "2", "ABUSDT"), diff(1, 4), snapshot(4), diff(1, 2, symbol="ABUSDT")]
    path = write(tmp_path / "a.gz", messages)
    code, lines = run(capsys, path)
    assert code is ExitCode.INTERNAL
    assert [line["symbol"] for line in lines] == ["ABUSDT", "XYUSDT"]
    assert "no snapshot" in lines[0]["error"]
    assert lines[1]["final_u"] == 4


def test_a_gap_is_an_error_that_names_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.gz", [snapshot(4), diff(5, 6), diff(8, 9), diff(10, 11)])
    assert error_of(capsys, path) == f"{path}:3: gap: diff 8..9 does not follow 6"
    path = write(tmp_path / "b.gz", [snapshot(4), diff(3, 6, pu=2), diff(8, 9, pu=7)])
    assert error_of(capsys, path) == f"{path}:3: gap: diff 8..9 does not follow 6"


def test_no_snapshot_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.gz", [diff(5, 6), diff(7, 9)])
    assert error_of(capsys, path) == "no snapshot that the diffs can follow"


def test_a_snapshot_that_is_too_old_is_an_error_unless_a_newer_one_follows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.gz", [diff(5, 6), snapshot(3), diff(7, 9)])
    assert error_of(capsys, path) == f"{path}:2: snapshot 3 is older than the first diff"
    path = write(tmp_path / "b.gz", [diff(5, 6), snapshot(3), diff(7, 9), snapshot(6)])
    code, (line,) = run(capsys, path)
    assert (code, line["lastUpdateId"], line["final_u"]) == (ExitCode.DONE, 6, 9)


def test_a_malformed_message_is_an_error_that_names_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.gz", [snapshot(4), diff(5, 6), '{"stream":"x","data":{"e":"depthUpdate"'])
    assert error_of(capsys, path).startswith(f"{path}:3: message refused at byte ")
    path = write(tmp_path / "b.gz", [snapshot(4), diff(5, 6, [("-1", "1")])])
    assert error_of(capsys, path).startswith(f"{path}:2: ")


def test_more_levels_than_the_book_holds_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmcore.commands.book._LEVELS_MAX", 2)
    path = write(tmp_path / "a.gz", [snapshot(4), diff(5, 6, [("1", "1")])])
    assert error_of(capsys, path) == "more than 2 levels on a side"


def test_a_capture_takes_its_snapshots_from_the_file_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    socket = tmp_path / "X.ws.1.0"
    messages = [diff(1, 4), diff(5, 6), ticker(1, "1", "2", "ABUSDT"), diff(7, 8), diff(1, 1, symbol="ABUSDT")]
    rows = [f"{100 + i}.5: {message}" for i, message in enumerate(messages)]
    socket.write_text("\n".join(["wss://example/stream", *rows, "closed"]))
    code, lines = run(capsys, socket)
    assert code is ExitCode.INTERNAL
    assert [line["error"] for line in lines] == ["no snapshot that the diffs can follow"] * 2
    answers = tmp_path / "X.http.0.0"
    url = "https://example/api/v3/depth?symbol={}&limit=1000 -> {}: {}\n"
    answers.write_text(url.format("XYUSDT", 102, snapshot(4)) + url.format("ABUSDT", 110, snapshot(0)) + "other\n")
    code, lines = run(capsys, socket)
    assert code is ExitCode.DONE
    assert [(line["symbol"], line["dropped_before_snapshot"], line["applied"]) for line in lines] == [
        ("XYUSDT", 1, 2), ("ABUSDT", 0, 1),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="holds REST answers only"):
        main([answers])


# ---- Paths -----------------------------------------------------------------------------------------------------------


def test_what_is_no_recording_is_refused_before_anything_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write(tmp_path / "a.gz", [snapshot(4), diff(5, 6)])
    text = tmp_path / "text"
    text.write_text("Timestamp,Price\n1,2\n")
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    broken = tmp_path / "broken.gz"
    broken.write_bytes(good.read_bytes()[:-12])
    ruined = tmp_path / "ruined.gz"
    ruined.write_bytes(b"\x1f\x8b" + b"\xff" * 40)
    trades = write(tmp_path / "trades.gz", [ticker(1, "1", "2", "ABUSDT")])
    for path, words in (
        (tmp_path / "missing", "no such file"),
        (tmp_path, "is a directory"),
        (text, "not a recording of a known form"),
        (empty, "not a recording of a known form"),
        (broken, "cannot be read"),
        (ruined, "cannot be read"),
        (trades, "holds no depth messages"),
    ):
        with pytest.raises(UsageError, match=words):
            main([good, path])
    assert capsys.readouterr().out == ""


def test_a_missing_file_ends_with_two_and_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mmcore", "book", "/nonexistent/x.gz"], capture_output=True, text=True, check=False
    )
    assert done.returncode == ExitCode.USAGE
    assert done.stdout == ""
    assert "/nonexistent/x.gz: no such file" in done.stderr.splitlines()[0]
