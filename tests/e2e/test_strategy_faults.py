"""A user's strategy that misbehaves: said once, its quotes pulled, and the bot goes on."""

from __future__ import annotations

import pytest

from tests.e2e.processes import Bot, Scenario, Stage, Together, check_against_audit, own_orders, resting_share

GOOD_S = 4

# Quotes well for some seconds, then does what the test is about.
STRATEGY = '''
import time

from mmcore.strategy.base import MarketMaker, QuoteDecision


class Odd(MarketMaker):
    until = None

    def compute_quotes(self, book, position, signal):
        now = time.monotonic()
        self.until = self.until or now + {good_s}
        if now > self.until:
            {fault}
        away, size = book.mid_e8 // 1000, self.settings.order_qty_e8
        return QuoteDecision.of(bid=(book.mid_e8 - away, size), ask=(book.mid_e8 + away, size))
'''

FAULTS = {
    "raises": ('raise ValueError("no idea")', "ValueError: no idea"),
    "returns NaN": ('return QuoteDecision.of(bid=(float("nan"), 100000))', "nan"),
    "returns something else": ("return None", "NoneType"),
    "sleeps for 5 s": ("time.sleep(5)", "ms, 500 are allowed"),
}


def run_with(fault: str) -> Scenario:
    statement, _ = FAULTS[fault]

    def scenario(stage: Stage) -> Bot:
        (stage.folder / "odd.py").write_text(STRATEGY.format(good_s=GOOD_S, fault=statement))
        # Room for a machine that is busy with other tests: only the 5 s are too long.
        bot = stage.bot("--duration", "13", "--strategy.name", "odd.py:Odd", "--strategy.timeout_ms", "500")
        assert bot.wait(80) == 0, bot.err
        return bot

    return scenario


def built_upon_another(stage: Stage) -> Bot:
    (stage.folder / "mine.py").write_text(
        "from mmcore.strategy.builtin import AvellanedaStoikov\n\n\nclass Mine(AvellanedaStoikov):\n    pass\n")
    bot = stage.bot("--duration", "8", "--strategy.name", "mine.py:Mine", "--strategy.timeout_ms", "500")
    assert bot.wait(80) == 0, bot.err
    return bot


RUNS = {fault: run_with(fault) for fault in FAULTS}
SCENARIOS = (*RUNS.values(), built_upon_another)


def test_a_strategy_built_upon_one_of_ours_trades(together: Together) -> None:
    bot = together.of(built_upon_another)
    assert "STRATEGY_FAULT" not in bot.err
    summary = bot.summary()
    assert summary["orders_acked"] > 0
    check_against_audit(summary, summary["venue_audit"])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_strategy_at_fault_is_said_once_its_quotes_are_pulled_and_the_bot_stops_cleanly(
    fault: str, together: Together
) -> None:
    bot = together.of(RUNS[fault])
    (line,) = [line for line in bot.err.splitlines() if "STRATEGY_FAULT:" in line]
    assert FAULTS[fault][1] in line
    assert "Traceback" not in bot.err
    summary = bot.summary()
    assert summary["exit_reason"] == "duration"
    assert summary["no_quote_reasons"]["STRATEGY_FAULT"] > 2000
    assert [summary[name] for name in ("unknown_orders", "open_orders_at_exit")] == [0, 0]
    audit = summary["venue_audit"]
    check_against_audit(summary, audit)
    orders, faulty_us = own_orders(audit), bot.state_with_us("STRATEGY_FAULT")
    for side in ("BUY", "SELL"):
        assert resting_share(orders, side, faulty_us - 1_500_000, faulty_us) > 0.8
        assert resting_share(orders, side, faulty_us + 500_000, bot.state_at_us("STOPPING")) == 0
