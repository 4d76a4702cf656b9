"""`mmcore book PATH...`: recordings through the decoders, the sync and the book of live trading.

One JSON line for each symbol on standard output, in the order the symbols first appear; every number in it can be had
by an independent replay of the same recording.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmcore.commands.recordings import Message, Recording, open_recording
from mmcore.core.book import ALL, DEPTH, FUTURES, ROW, SNAPSHOT, TICKER, Book, Levels, Series, Side, Step, Sync
from mmcore.core.feed import DecodeError, Feed
from mmcore.core.layout import DECODED, Records
from mmcore.errors import CoreError, ExitCode, UsageError
from mmcore.units import format_e8

_LEVELS_MAX: Final = 50_000
_BUFFER_RECORDS: Final = 1 << 15
_DIFFS_BETWEEN_TAKES: Final = 1 << 10

_Key = tuple[str, str, bool]


class _Run:
    """One symbol of one market: its book and what is counted on the way."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.error = ""
        self._book: Book | None = None
        self._last_update_id: int | None = None
        self._stale = ""
        self._untaken = 0
        self._crossed = 0
        self._ids: list[Records] = []
        self._tickers = bytearray()
        self._tops_digest = hashlib.sha256()

    @property
    def has_depth(self) -> bool:
        return self._book is not None

    def event(self, records: Records, message: Message) -> None:
        """One event; nothing counts after an error."""
        kind = records["kind"][0]
        if self.error:
            return
        if kind == TICKER:
            self._tickers += records.tobytes()
        elif kind in (DEPTH, SNAPSHOT):
            try:
                self._depth(records, message.where)
            except CoreError as error:
                self.error = f"{message.where}: {error}"

    def _depth(self, records: Records, where: str) -> None:
        if self._book is None:
            self._begin(records)
        body = records[0]["depth"]
        if records[0]["kind"] == SNAPSHOT:
            step = self._sync.snapshot(records, ALL)
            if step is Step.REPLAYED:
                self._last_update_id = int(body["last_id"])
                self._take()
            elif step is Step.STALE_SNAPSHOT:
                self._stale = f"{where}: snapshot {body['last_id']} is older than the first diff"
            return
        before = self._sync.last_id
        if self._sync.depth(records) is Step.GAP:
            self.error = f"{where}: gap: diff {body['first_id']}..{body['last_id']} does not follow {before}"
        self._untaken += 1
        if self._untaken >= _DIFFS_BETWEEN_TAKES:
            self._take()

    def _begin(self, records: Records) -> None:
        """The recording does not say the tick: whatever all prices of the first event are multiples of will do."""
        tick_e8 = int(np.gcd.reduce(records[1:]["levels"]["price_e8"], axis=None)) if len(records) > 1 else 1
        self._book = Book(_LEVELS_MAX, max(tick_e8, 1))
        self._sync = Sync(self._book, _BUFFER_RECORDS)
        self._series = Series(self._book, _BUFFER_RECORDS)
        self._sync.observe(self._series)

    def _take(self) -> None:
        """Takes the tops collected since the last time into the digest and the counts."""
        self._untaken = 0
        rows = self._series.take()
        both = (rows["bid_qty_e8"] > 0) & (rows["ask_qty_e8"] > 0)
        self._crossed += int(np.count_nonzero(both & (rows["bid_price_e8"] >= rows["ask_price_e8"])))
        lines = [f"{row[0]},{','.join(map(format_e8, row[1:]))}\n" for row in rows.tolist()]
        self._tops_digest.update("".join(lines).encode("ascii"))
        self._ids.append(rows)

    def line(self) -> dict[str, Any]:
        """The result; with an "error" when the recording does not give a book."""
        if self._book is not None and not self.error:
            self._take()
            if not self._sync.synced:
                self.error = self._stale or "no snapshot that the diffs can follow"
            elif self._book.statistics().evicted > 0:
                self.error = f"more than {_LEVELS_MAX} levels on a side"
        if self._book is None or self.error:
            return {"symbol": self.symbol, "error": self.error or "no depth messages"}
        same, mismatch = self._compare_tickers()
        book, stats, sync = self._book, self._book.statistics(), self._sync.statistics()
        sides = {side: book.depth(side) for side in Side}
        return {
            "symbol": self.symbol,
            "lastUpdateId": self._last_update_id,
            "dropped_before_snapshot": sync.dropped_before_snapshot,
            "applied": sync.applied,
            "level_updates": stats.updates,
            "deletes": stats.deletes,
            "deletes_of_absent_level": stats.deletes_absent,
            "crossed": self._crossed,
            "bookTicker_same_u": same,
            "bookTicker_mismatch": mismatch,
            "final_u": self._sync.last_id,
            "final_best_bid": _first(sides[Side.BID]),
            "final_best_ask": _first(sides[Side.ASK]),
            "levels": [len(sides[Side.BID]), len(sides[Side.ASK])],
            "bid_qty_sum": _sum(sides[Side.BID]),
            "ask_qty_sum": _sum(sides[Side.ASK]),
            "book_sha256": _digest(sides),
            "top_series_sha256": self._tops_digest.hexdigest(),
        }

    def _compare_tickers(self) -> tuple[int, int]:
        """How many tops have a bookTicker of the same update id (its last one), and how many of these differ."""
        tops = np.concatenate([np.empty(0, dtype=ROW), *self._ids])
        tickers = np.frombuffer(self._tickers, dtype=DECODED)["ticker"][::-1]
        _, last = np.unique(tickers["update_id"], return_index=True)
        tickers = tickers[last]
        _, at_top, at_ticker = np.intersect1d(tops["update_id"], tickers["update_id"], return_indices=True)
        differ = np.zeros(len(at_top), dtype=bool)
        for field in ("bid_price_e8", "bid_qty_e8", "ask_price_e8", "ask_qty_e8"):
            differ |= tops[field][at_top] != tickers[field][at_ticker]
        return len(at_top), int(np.count_nonzero(differ))


def main(paths: Iterable[Path]) -> ExitCode:
    """Prints the lines; INTERNAL when one has an error. Raises UsageError, before anything is printed, for a path that
    is no recording or holds no depth messages."""
    runs: dict[_Key, _Run] = {}
    feed = Feed()
    for recording in [open_recording(path) for path in paths]:
        _read(recording, feed, runs)
    lines = [run.line() for run in runs.values() if run.has_depth or run.error]
    sys.stdout.write("".join(json.dumps(line) + "\n" for line in lines))
    return ExitCode.INTERNAL if any("error" in line for line in lines) else ExitCode.DONE


def _read(recording: Recording, feed: Feed, runs: dict[_Key, _Run]) -> None:
    symbol, is_futures = _identity(recording, feed)
    source = str(recording.path) if recording.is_capture else ""
    seen: dict[str, _Run] = {}

    def run_of(name: str) -> _Run:
        if name not in seen:
            seen[name] = runs.setdefault((source, name, is_futures and not recording.is_capture), _Run(name))
        return seen[name]

    for message in recording.messages():
        try:
            records = feed.decode(message.text, message.recv_ns)
        except DecodeError as error:
            _malformed(message, error, list(seen.values()) or [run_of(symbol)])
            return
        name = message.symbol or feed.symbol or symbol
        run = run_of(name)
        if len(records) > 0:
            run.event(records, message)
    if not any(run.has_depth for run in seen.values()):
        raise UsageError(f"{recording.path}: holds no depth messages")


def _identity(recording: Recording, feed: Feed) -> tuple[str, bool]:
    """The symbol of the first diff, which a snapshot without a symbol belongs to, and whether diffs carry `pu`."""
    for message in recording.messages():
        try:
            records = feed.decode(message.text, message.recv_ns)
        except DecodeError:
            break
        if len(records) > 0 and records[0]["kind"] == DEPTH:
            return feed.symbol, bool(records[0]["flags"] & FUTURES)
    return "", False


def _malformed(message: Message, error: DecodeError, runs: Iterable[_Run]) -> None:
    for run in runs:
        run.error = run.error or f"{message.where}: {error}"


def _first(levels: Levels) -> list[str] | None:
    return [format_e8(int(number)) for number in levels[0].tolist()] if len(levels) else None


def _sum(levels: Levels) -> str:
    total = sum(levels["qty_e8"].tolist())
    whole, rest = divmod(total, 10**8)
    return f"{whole}.{rest:08d}".rstrip("0").rstrip(".")


def _digest(sides: dict[Side, Levels]) -> str:
    digest = hashlib.sha256()
    for letter, side in (("b", Side.BID), ("a", Side.ASK)):
        lines = [f"{letter},{format_e8(price)},{format_e8(qty)}\n" for price, qty in sides[side].tolist()]
        digest.update("".join(lines).encode("ascii"))
    return digest.hexdigest()
