"""The testnet path against a separate venue that plays a real recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import Bot, Stage, Together, Venue, account, check_against_audit, open_orders
from tests.venue.conftest import recompute

SECONDS = 25
# So narrow that a real market of minutes trades with them; at a loss, which is not what is tested.
TIGHT = ("--strategy.min_spread_bps", "0.2", "--strategy.max_spread_bps", "0.5", "--strategy.vol_mult", "0",
         "--strategy.allow_negative_edge", "true", "--strategy.layers", "1")
RUNS = {"the defaults": (), "tight quotes": TIGHT}


def play(recording: Path, arguments: tuple[str, ...], stage: Stage) -> tuple[Bot, Venue, Any]:
    venue = stage.venue("--market", "recorded", str(recording), "--speed", "10")
    bot = stage.bot("--duration", str(SECONDS), *arguments, venue=venue)
    assert bot.wait(80) == 0, bot.err
    return bot, venue, venue.audit()


@pytest.fixture(scope="module")
def run(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], tuple[Bot, Venue, Any]]]:
    """`run(name)`: what one of the runs gave; all are under way at once."""
    recording = data_dir / "hftbacktest" / "spot" / "btcusdt_20240808.gz"
    scenarios = {name: partial(play, recording, arguments) for name, arguments in RUNS.items()}
    together = Together(tuple(scenarios.values()), tmp_path_factory.mktemp("recorded"))
    yield lambda name: together.of(scenarios[name])
    together.clear()


@pytest.mark.parametrize("name", RUNS)
def test_a_real_recording_is_traded_without_a_gap_and_with_nothing_left_in_doubt(
    name: str, run: Callable[[str], tuple[Bot, Venue, Any]]
) -> None:
    bot, venue, audit = run(name)
    summary = bot.summary()
    assert (summary["mode"], summary["exit_reason"]) == ("testnet", "duration")
    assert "venue_audit" not in summary
    assert summary["book_updates"] >= 1000
    assert summary["quotes"] > 0
    assert summary["orders_acked"] > 0
    assert [summary[counted] for counted in ("gaps", "unknown_orders", "open_orders_at_exit")] == [0, 0, 0]
    assert open_orders(audit) == []
    check_against_audit(summary, audit)
    assert not any(secret in bot.out + bot.err for secret in (venue.api_key, venue.api_secret))


@pytest.mark.parametrize("name", RUNS)
def test_fills_are_those_the_queue_model_gives_from_the_audit(
    name: str, run: Callable[[str], tuple[Bot, Venue, Any]]
) -> None:
    _, _, audit = run(name)
    fills = [(fill["order_id"], fill["price"], int(Decimal(fill["qty"]) * 10**8)) for fill in account(audit)["fills"]]
    assert fills == recompute(audit["queue_log"])
    assert fills or name != "tight quotes"
