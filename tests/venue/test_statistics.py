"""The synthetic market's streams are statistically like the real ones, and the documented figures are the true ones."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from mmcore.venue import statistics
from mmcore.venue.statistics import figures_of, recorded_events, shown, synthetic_events, table

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "reference" / "venue-market.md"
RECORDING = "hftbacktest/spot/btcusdt_20240808.gz"
SECONDS = 300
SEEDS = (1, 2)

RECORDED = {
    "messages per second": 119.2,
    "share of depth@100ms messages": 0.08366,
    "share of bookTicker messages": 0.6798,
    "share of trade messages": 0.2365,
    "levels per diff, median": 16.0,
    "levels per diff, mean": 35.96,
    "levels per diff, p99": 391.0,
    "share of deletes in level updates": 0.477,
    "share of deletes of absent levels": 0.09056,
    "distance of level updates from mid, p50, ticks": 2608.0,
    "distance of level updates from mid, p90, ticks": 16272.0,
    "spread over bookTickers, median, ticks": 1.0,
    "spread over bookTickers, mean, ticks": 31.06,
    "share of bookTickers with a spread of 1 tick": 0.8815,
    "spread over time, mean, ticks": 3.567,
    "mid change in 1 s, standard deviation, bps": 1.184,
}
"""Measured on the recording, to four digits."""

PUBLISHED = {
    "messages per second": 153.0,
    "levels per diff, median": 22.0,
    "levels per diff, p99": 386.0,
    "share of deletes in level updates": 59178 / 124073,
    "share of deletes of absent levels": 0.09,
}
"""What the recordings' own description says of BTCUSDT."""


@pytest.fixture(scope="module")
def synthetic() -> dict[int, dict[str, float]]:
    return {seed: {f.name: f.value for f in figures_of(synthetic_events(seed, SECONDS))} for seed in SEEDS}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", RECORDED)
def test_a_statistic_is_within_30_percent_of_the_recorded_one(
    synthetic: dict[int, dict[str, float]], seed: int, name: str
) -> None:
    assert synthetic[seed][name] == pytest.approx(RECORDED[name], rel=0.3)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_statistic_is_within_30_percent_of_the_published_one(
    synthetic: dict[int, dict[str, float]], seed: int, name: str
) -> None:
    assert synthetic[seed][name] == pytest.approx(PUBLISHED[name], rel=0.3)


def test_the_recorded_figures_are_those_of_the_recording(data_dir: Path) -> None:
    measured = {figure.name: figure.value for figure in figures_of(recorded_events(data_dir / RECORDING))}
    assert measured == pytest.approx(RECORDED, rel=1e-3)


def test_the_documented_table_is_what_the_command_prints(synthetic: dict[int, dict[str, float]]) -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    documented = {name: values for name, *values in rows if name in RECORDED}
    assert documented == {
        name: [shown(RECORDED[name]), *(shown(synthetic[seed][name]) for seed in SEEDS)] for name in RECORDED
    }


def test_figures_are_counted_right() -> None:
    def ticker(bid: str, ask: str) -> dict[str, object]:
        return {"u": 1, "s": "X", "b": bid, "B": "1.00000000", "a": ask, "A": "1.00000000"}

    def diff(bids: list[list[str]], asks: list[list[str]]) -> dict[str, object]:
        return {"e": "depthUpdate", "b": bids, "a": asks}

    events = [
        (0, {"lastUpdateId": 1, "bids": [["99.00000000", "1.00000000"]], "asks": []}),
        (0, ticker("100.00000000", "100.01000000")),
        (500_000, ticker("100.00000000", "100.03000000")),
        (1_000_000, diff([["99.00000000", "0.00000000"], ["98.00000000", "0.00000000"]], [])),
        (1_500_000, ticker("100.00000000", "100.01000000")),
        (1_500_000, {"e": "trade"}),
        (1_600_000, diff([["97.00000000", "2.00000000"]], [])),
        (2_000_000, diff([["97.00000000", "0.00000000"]], [])),
        (2_500_000, ticker("100.03000000", "100.04000000")),
    ]
    figures = {figure.name: figure.value for figure in figures_of(events)}
    assert figures == {
        "messages per second": 8 / 2.5,
        "share of depth@100ms messages": 3 / 8,
        "share of bookTicker messages": 4 / 8,
        "share of trade messages": 1 / 8,
        "levels per diff, median": 1,
        "levels per diff, mean": 4 / 3,
        "levels per diff, p99": 2,
        "share of deletes in level updates": 3 / 4,
        "share of deletes of absent levels": 1 / 4,
        "distance of level updates from mid, p50, ticks": 300.5,
        "distance of level updates from mid, p90, ticks": 300.5,
        "spread over bookTickers, median, ticks": 1,
        "spread over bookTickers, mean, ticks": 1.5,
        "share of bookTickers with a spread of 1 tick": 3 / 4,
        "spread over time, mean, ticks": (0.5 * 1 + 1.0 * 3 + 1.0 * 1) / 2.5,
        "mid change in 1 s, standard deviation, bps": pytest.approx(
            (3 / 10000.5 * 1e4 - -1 / 10001.5 * 1e4) / 2, rel=1e-12
        ),
    }


def test_too_little_to_count_is_an_error() -> None:
    with pytest.raises(ValueError, match="too few"):
        figures_of([])


def test_the_command_prints_a_column_for_the_recording_and_one_for_each_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "recording.gz"
    with gzip.open(recording, "wt", encoding="utf-8") as lines:
        for time_us, payload in synthetic_events(3, 5):
            message = payload if "lastUpdateId" in payload else {"stream": "s", "data": payload}
            lines.write(f"{time_us}000 {json.dumps(message)}\n")
    assert statistics.main(["--seconds", "5", "--seed", "3", "--seed", "4", str(recording)]) == 0
    figures = {seed: figures_of(synthetic_events(seed, 5)) for seed in (3, 4)}
    headings = ("recording", "seed 3, 5 s", "seed 4, 5 s")
    printed = capsys.readouterr().out
    assert printed == table(list(zip(headings, (figures[3], figures[3], figures[4]), strict=True)))
    assert printed.splitlines()[0] == "| statistic | recording | seed 3, 5 s | seed 4, 5 s |"
