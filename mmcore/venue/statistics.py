"""Compares the synthetic market's streams with a recording's.

`python -m mmcore.venue.statistics [--seed N]... [--seconds S] [RECORDING.gz]` prints a table in Markdown. A recording
is gzip text with `<receive time in ns> <JSON>` a line, the JSON a combined stream message or a REST depth snapshot, of
one symbol with a tick of 0.01. Times are those of reception; in the synthetic market those of its clock, looked at
every 0.2 ms.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from mmcore.venue.market import Feed, Wire
from mmcore.venue.publisher import decimal
from mmcore.venue.synthetic import SyntheticMarket

_S = 1_000_000
_LOOK_US = 200
_TICK_E8 = 10**6

Event = tuple[int, Any]
"""(time in microseconds, payload of a stream message or of a REST depth snapshot)."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One statistic: `name` says what and in which unit."""

    name: str
    value: float


class Observer:
    """Takes events in their order and counts. One thread; memory grows with the number of messages."""

    def __init__(self) -> None:
        self._first_us: int | None = None
        self._last_us = 0
        self._messages: Counter[str] = Counter()
        self._levels_of_diffs: list[int] = []
        self._deletes = 0
        self._absent_deletes = 0
        self._distances: list[float] = []
        self._known: dict[str, set[str]] | None = None
        self._spreads: list[int] = []
        self._spread_ticks_us = 0
        self._spread_since_us: int | None = None
        self._mid_ticks = 0.0
        self._mid_of_second: dict[int, float] = {}

    def observe(self, event: Event) -> None:
        """Count one event."""
        time_us, payload = event
        if "lastUpdateId" in payload:
            if self._known is None:
                self._known = {"b": {p for p, _ in payload["bids"]}, "a": {p for p, _ in payload["asks"]}}
            return
        if self._first_us is None:
            self._first_us = time_us
        self._last_us = time_us
        kind = payload.get("e", "bookTicker")
        self._messages[kind] += 1
        if kind == "depthUpdate":
            self._observe_diff(payload)
        elif kind == "bookTicker":
            self._observe_best(time_us, payload)

    def figures(self) -> list[Figure]:
        """All statistics of what has been observed; ValueError when it was too little."""
        if self._first_us is None or self._spread_since_us is None or len(self._mid_of_second) < 3:
            raise ValueError("too few messages for statistics")
        messages = self._messages.total()
        levels = self._levels_of_diffs
        updates = sum(levels)
        seconds = sorted(self._mid_of_second.items())
        returns = [(b - a) / a * 1e4 for (s, a), (t, b) in pairwise(seconds) if t == s + 1]
        return [
            Figure("messages per second", messages * _S / (self._last_us - self._first_us)),
            Figure("share of depth@100ms messages", self._messages["depthUpdate"] / messages),
            Figure("share of bookTicker messages", self._messages["bookTicker"] / messages),
            Figure("share of trade messages", self._messages["trade"] / messages),
            Figure("levels per diff, median", statistics.median(levels)),
            Figure("levels per diff, mean", updates / len(levels)),
            Figure("levels per diff, p99", _quantile(levels, 0.99)),
            Figure("share of deletes in level updates", self._deletes / updates),
            Figure("share of deletes of absent levels", self._absent_deletes / updates),
            Figure("distance of level updates from mid, p50, ticks", _quantile(self._distances, 0.50)),
            Figure("distance of level updates from mid, p90, ticks", _quantile(self._distances, 0.90)),
            Figure("spread over bookTickers, median, ticks", statistics.median(self._spreads)),
            Figure("spread over bookTickers, mean, ticks", statistics.fmean(self._spreads)),
            Figure("share of bookTickers with a spread of 1 tick", self._spreads.count(1) / len(self._spreads)),
            Figure(
                "spread over time, mean, ticks",
                self._spread_ticks_us / (self._spread_since_us - self._first_us),
            ),
            Figure("mid change in 1 s, standard deviation, bps", statistics.pstdev(returns)),
        ]

    def _observe_diff(self, payload: dict[str, Any]) -> None:
        self._levels_of_diffs.append(len(payload["b"]) + len(payload["a"]))
        for side in ("b", "a"):
            known = self._known[side] if self._known is not None else None
            for price, qty in payload[side]:
                if self._mid_ticks:
                    self._distances.append(abs(_ticks(price) - self._mid_ticks))
                is_delete = not float(qty)
                self._deletes += is_delete
                if known is None:
                    continue
                if not is_delete:
                    known.add(price)
                elif price in known:
                    known.remove(price)
                else:
                    self._absent_deletes += 1

    def _observe_best(self, time_us: int, payload: dict[str, Any]) -> None:
        bid, ask = _ticks(payload["b"]), _ticks(payload["a"])
        if self._spread_since_us is not None:
            self._spread_ticks_us += self._spreads[-1] * (time_us - self._spread_since_us)
        self._spread_since_us = time_us
        self._spreads.append(ask - bid)
        self._mid_ticks = (bid + ask) / 2
        self._mid_of_second[time_us // _S] = self._mid_ticks


def figures_of(events: Iterable[Event]) -> list[Figure]:
    """The statistics of a series of events."""
    observer = Observer()
    for event in events:
        observer.observe(event)
    return observer.figures()


def recorded_events(path: Path) -> Iterator[Event]:
    """The events of a recording; OSError or ValueError when it is not one."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            received_ns, text = line.split(" ", 1)
            message = json.loads(text)
            yield int(received_ns) // 1000, message.get("data", message)


def synthetic_events(seed: int, seconds: int) -> Iterator[Event]:
    """The opening snapshot and the messages of the synthetic market's first seconds, on its clock."""
    market = SyntheticMarket(seed)
    market.want({Feed(f"btcusdt@{kind}", Wire.JSON) for kind in ("depth@100ms", "bookTicker", "trade")})
    market.start(0)
    update_id, bids, asks = market.depth(5000)
    levels = [[[decimal(p), decimal(q)] for p, q in side] for side in (bids, asks)]
    yield 0, {"lastUpdateId": update_id, "bids": levels[0], "asks": levels[1]}
    for time_us in range(0, seconds * _S + 1, _LOOK_US):
        for message in market.advance(time_us)[0]:
            yield time_us, json.loads(message.data)


def table(columns: list[tuple[str, list[Figure]]]) -> str:
    """A Markdown table, one row a statistic, one column each of `columns` (heading, figures)."""
    lines = [
        "| statistic | " + " | ".join(heading for heading, _ in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for row in zip(*(figures for _, figures in columns), strict=True):
        lines.append(f"| {row[0].name} | " + " | ".join(shown(figure.value) for figure in row) + " |")
    return "\n".join(lines) + "\n"


def shown(value: float) -> str:
    """A figure as the table gives it: four digits, or all digits before the point."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.4g}"


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m mmcore.venue.statistics", description="statistics of the synthetic market beside a recording's"
    )
    parser.add_argument("--seed", type=int, action="append", help="seed of a synthetic market (default 1); repeatable")
    parser.add_argument("--seconds", type=int, default=300, help="its length in seconds of market time (default 300)")
    parser.add_argument("recording", nargs="?", type=Path, help="gzip text, `<ns> <JSON>` a line, BTCUSDT")
    options = parser.parse_args(arguments)
    columns = []
    if options.recording is not None:
        columns.append(("recording", figures_of(recorded_events(options.recording))))
    for seed in options.seed or [1]:
        columns.append((f"seed {seed}, {options.seconds} s", figures_of(synthetic_events(seed, options.seconds))))
    sys.stdout.write(table(columns))
    return 0


def _ticks(price: str) -> int:
    """A price with eight decimals, in ticks of 0.01."""
    return int(price.replace(".", "")) // _TICK_E8


def _quantile(values: list[Any], share: float) -> float:
    """The value below which that share of the values lies."""
    return float(sorted(values)[int(len(values) * share)])


if __name__ == "__main__":
    sys.exit(main())
