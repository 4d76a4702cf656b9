"""How much of the time quotes rest on a real recording at real speed, when the exchange takes 50 orders in 10 s.

`python -m tests.e2e.resting --minutes 5` runs the bot twice at once, each against a venue of its own: with the default
settings, and with quotes so narrow and so sharp that they want to move far more often than the exchange allows. Each
side must rest 99 % of the time that no risk reason covers, and no request may be refused with 429.

A reason covers time if the market, the account or the strategy forbids the quote (`RISK`), or if the run has not begun
or is ending (`EDGES`). What the bot only waits for covers nothing: the order rate, orders in flight, a refusal, a
connection, a doubt.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmcore.venue.verdict import judge, resting_share
from tests.e2e.processes import ROOT, STATE_LINE, Bot, Stage

OWN = "mA1-"
RECORDING_S = 346
LEAST = 0.99

EDGES = frozenset({"NOT_STARTED", "SYNCING", "WARMUP", "STOPPING"})
RISK = frozenset({
    "STALE_BOOK", "CROSSED_BOOK", "THIN_BOOK", "ONE_SIDED", "NO_BALANCE", "SYMBOL_HALT", "STRATEGY_PASS",
    "PRICE_FILTER", "LOT_SIZE", "MIN_NOTIONAL", "PERCENT_PRICE", "ORDER_QTY", "ORDER_NOTIONAL", "COLLAR_ORDER",
    "COLLAR_PERIOD", "CROSS_GUARD", "SELF_TRADE", "POSITION_LIMIT", "REDUCING", "OPEN_NOTIONAL", "LOSS_LIMIT",
    "DRAWDOWN", "LOSS_SPEED",
})

# Narrower than the defaults and hardly any tolerance: the wish moves many times a second, and the budget is always
# short. Far narrower, the market leaves an eighth of the width behind sooner than the budget refills: then quotes that
# have become too good a price are pulled, as they should be.
RESTLESS = (
    *("--strategy.min_spread_bps", "12", "--strategy.max_spread_bps", "16", "--strategy.vol_mult", "0"),
    *("--strategy.allow_negative_edge", "true", "--strategy.refresh_tolerance_bps", "0.05"),
    *("--strategy.layer_step_bps", "0.5"),
)
RUNS: dict[str, tuple[str, ...]] = {"defaults": (), "restless": RESTLESS}


@dataclass(frozen=True, slots=True)
class Rested:
    """What one run came to. Times in milliseconds, those of both sides added."""

    shares: dict[str, float]
    span_ms: int
    covered_ms: int
    uncovered: dict[str, int]
    summary: Any
    audit: Any

    @property
    def share(self) -> float:
        """Of the time that nothing covers, both sides together, by the exchange's record."""
        return sum(self.shares.values()) * self.span_ms / (2 * self.span_ms - self.covered_ms)

    @property
    def least_of_a_side(self) -> float:
        """No side rests less of the time that nothing covers. Of two bounds the better: the exchange's record of the
        side, as if nothing were covered; and the bot's own clock, as if all that is not covered fell on one side.
        """
        own = 1 - sum(self.uncovered.values()) / (self.span_ms - self.covered_ms)
        return max(own, min(self.shares.values()))

    @property
    def refusals_429(self) -> int:
        """Requests refused as too many, as the exchange counted them."""
        by_status = self.audit["traffic"]["by_status"]
        return int(by_status.get("429", 0)) + int(by_status.get("418", 0))

    @property
    def most_in_10_s(self) -> int:
        """Own orders the exchange took in the worst 10 s."""
        times = sorted(order["placed_us"] for account in self.audit["accounts"] for order in account["orders"]
                       if order["client_order_id"].startswith(OWN))
        first = most = 0
        for last, time_us in enumerate(times):
            while times[first] <= time_us - 10_000_000:
                first += 1
            most = max(most, last - first + 1)
        return most

    def __str__(self) -> str:
        shares = ", ".join(f"{side} {share:.4f}" for side, share in self.shares.items())
        return (f"rests {self.share:.4f} of {self.span_ms / 1000:.0f} s ({shares} of all), each at least "
                f"{self.least_of_a_side:.4f} of what nothing covers; covered {self.covered_ms} ms, not covered "
                f"{self.uncovered}; at most {self.most_in_10_s} orders in 10 s, 429: {self.refusals_429}; "
                f"orders {self.summary['orders_sent']}, fills {self.summary['fills']}, moves {self.summary['moves']}")


def rest(stage: Stage, recording: Path, seconds: int, arguments: Sequence[str]) -> Rested:
    """One run over `seconds` of the recording."""
    venue = stage.venue("--market", "recorded", str(recording), "--orders-10s", "50")
    bot = stage.bot("--duration", str(seconds), "--host.state_dir", str(stage.folder / "state"), *arguments,
                    venue=venue)
    assert bot.wait(seconds + 60) == 0, bot.err
    audit, summary = venue.audit(), bot.summary()
    assert judge(audit, OWN, is_over=True) == []
    assert (summary["gaps"], summary["resyncs"]) == (0, 0)  # so SYNCING is the start's alone
    begin_us, end_us = _active_us(bot)
    reasons = summary["no_quote_reasons"]
    return Rested(
        shares=resting_share(audit, OWN, begin_us, end_us),
        span_ms=(end_us - begin_us) // 1000,
        covered_ms=sum(ms for name, ms in reasons.items() if name in RISK),
        uncovered={name: ms for name, ms in reasons.items() if name not in RISK | EDGES},
        summary=summary,
        audit=audit,
    )


def _active_us(bot: Bot) -> tuple[int, int]:
    """From when it first could quote until it was told to stop. Its clock is the venue's."""
    assert any(match[2] == "ACTIVE" for match in STATE_LINE.finditer(bot.err)), bot.err
    return bot.state_at_us("ACTIVE"), bot.state_at_us("STOPPING")


def recording_in(data: Path) -> Path:
    """The recording of BTCUSDT spot in a folder of recordings."""
    return data / "hftbacktest" / "spot" / "btcusdt_20240808.gz"


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 if a run rested less than it should, or was refused."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.resting", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0, help="of the recording, which has 5.7; default 5")
    options = parser.parse_args(arguments)
    seconds = int(60 * options.minutes)
    if not 10 <= seconds <= RECORDING_S - 16:
        parser.error(f"--minutes: from 0.2 to {(RECORDING_S - 16) / 60:g}")
    recording = recording_in(Path(os.environ.get("MMCORE_DATA") or ROOT / ".." / "shared" / "data").resolve())
    folder = Path(tempfile.mkdtemp(prefix="mmcore-resting-"))
    stages = {name: Stage(folder / name) for name in RUNS}
    failed = False
    try:
        with ThreadPoolExecutor(len(RUNS)) as pool:
            futures = {}
            for name, extra in RUNS.items():
                stages[name].folder.mkdir()
                futures[name] = pool.submit(rest, stages[name], recording, seconds, extra)
            for name, future in futures.items():
                rested = future.result()
                met = rested.share >= LEAST and rested.least_of_a_side >= LEAST and rested.refusals_429 == 0
                failed = failed or not met
                print(f"{name}: {'' if met else 'NOT MET: '}{rested}", flush=True)
    finally:
        for stage in stages.values():
            stage.clear()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
