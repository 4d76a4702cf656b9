"""Connections that break, an exchange that dies, and one that comes back with another memory."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.processes import (
    OWN_ID,
    Bot,
    Scenario,
    Stage,
    Together,
    Venue,
    account,
    check_against_audit,
    open_orders,
    own_orders,
    resting_share,
    wait_until,
)

KEYS = {"VENUE_API_KEY": "a-key-that-lives-on", "VENUE_API_SECRET": "a-secret-that-lives-on"}
REFUSED_US = 3_000_000


@dataclass(frozen=True)
class Ended:
    """A run that is over: the exchange's truth at its end, and when what happened to it happened (venue time)."""

    bot: Bot
    audit: Any
    at_us: int = 0


def market_data_breaks(stage: Stage) -> Ended:
    venue = stage.venue("--seed", "3")
    bot = stage.bot("--duration", "16", venue=venue)
    venue.wait_for_quotes()
    at_us = venue.audit()["server_time_us"]
    venue.command("/venue/streams/drop", {"for_ms": REFUSED_US // 1000})
    assert bot.wait(80) == 0, bot.err
    return Ended(bot, venue.audit(), at_us)


def the_exchange_dies_for_good(stage: Stage) -> Ended:
    venue = stage.venue("--seed", "4")
    bot = stage.bot("--duration", "60", venue=venue)
    venue.wait_for_quotes()
    audit = venue.audit()
    venue.kill()
    assert bot.wait(60) == 6, bot.err
    return Ended(bot, audit)


def the_account_is_reset(stage: Stage, *arguments: str) -> tuple[Bot, Venue]:
    """The exchange dies and another one takes its place: same address, same keys, nothing else the same."""
    first = stage.venue("--seed", "5", **KEYS)
    bot = stage.bot(*arguments, venue=first)
    first.wait_for_quotes()
    first.kill()
    second = stage.venue("--seed", "6", "--port", first.port, **KEYS)
    assert (second.api_key, second.url) == (first.api_key, first.url)
    return bot, second


def halted_for_more_than_a_second(bot: Bot, venue: Venue) -> Ended:
    bot.wait_for(" WARNING mmcore.rest: halted: ", 60)
    time.sleep(1.5)
    bot.send(signal.SIGTERM)
    assert bot.wait(60) == 5, bot.err
    return Ended(bot, venue.audit())


def the_account_is_reset_and_that_is_not_accepted(stage: Stage) -> Ended:
    return halted_for_more_than_a_second(*the_account_is_reset(stage))


def the_account_is_reset_and_that_is_accepted(stage: Stage) -> Ended:
    bot, venue = the_account_is_reset(stage, "--accept-reset")
    wait_until(lambda: {order["side"] for order in own_orders(venue.audit())} == {"BUY", "SELL"}, 60, "no new orders")
    bot.send(signal.SIGTERM)
    assert bot.wait(60) == 0, bot.err
    return Ended(bot, venue.audit())


def the_account_is_reset_while_nothing_rests(stage: Stage) -> Ended:
    """With nothing open only the account's own past tells one exchange from another."""
    first = stage.venue("--seed", "5", **KEYS)
    bot = stage.bot(venue=first)
    wait_until(lambda: bool(account(first.audit())["fills"]), 60, "no fills")
    first.command("/venue/streams/drop", {"for_ms": 60_000})
    wait_until(lambda: not open_orders(first.audit()), 30, "orders still rest")
    first.kill()
    second = stage.venue("--seed", "6", "--port", first.port, **KEYS)
    return halted_for_more_than_a_second(bot, second)


def the_order_channel_breaks(stage: Stage) -> Ended:
    """The venue freezes for longer than its silence is borne, then goes on as if nothing had been."""
    venue = stage.venue("--seed", "8")
    bot = stage.bot("--duration", "18", venue=venue)
    venue.wait_for_quotes()
    at_us = venue.audit()["server_time_us"]
    with venue.frozen():
        bot.wait_for("order channel lost: no sign of life for 4 s", 40)
    assert bot.wait(80) == 0, bot.err
    return Ended(bot, venue.audit(), at_us)


SCENARIOS = (
    market_data_breaks,
    the_exchange_dies_for_good,
    the_account_is_reset_and_that_is_not_accepted,
    the_account_is_reset_and_that_is_accepted,
    the_account_is_reset_while_nothing_rests,
    the_order_channel_breaks,
)


def test_without_market_data_quotes_are_gone_within_two_seconds_and_come_back_with_it(together: Together) -> None:
    ended: Ended = together.of(market_data_breaks)
    summary, orders = ended.bot.summary(), own_orders(ended.audit)
    back_us = ended.at_us + REFUSED_US
    assert [order for order in orders if ended.at_us + 1_000_000 <= order["placed_us"] < back_us] == []
    assert [order for order in orders
            if order["placed_us"] < back_us and order["ended_us"] > ended.at_us + 2_000_000] == []
    assert summary["resyncs"] >= 1
    stopping_us = ended.bot.state_at_us("STOPPING")
    for side in ("BUY", "SELL"):
        again = [order["placed_us"] for order in orders if order["side"] == side and order["placed_us"] >= back_us]
        assert again
        assert min(again) - back_us < 5_000_000
        assert resting_share(orders, side, min(again), stopping_us) > 0.8
    assert [summary[name] for name in ("unknown_orders", "open_orders_at_exit")] == [0, 0]
    assert open_orders(ended.audit) == []
    check_against_audit(summary, ended.audit)


def test_an_exchange_that_dies_for_good_ends_the_run_with_6_naming_what_nobody_can_confirm(together: Together) -> None:
    ended: Ended = together.of(the_exchange_dies_for_good)
    known = {order["client_order_id"] for order in own_orders(ended.audit)}
    (line,) = [line for line in ended.bot.err.splitlines() if "own orders NOT confirmed gone:" in line]
    named = set(OWN_ID.findall(line))
    assert named & known
    assert {name[:11] for name in named} == {name[:11] for name in known}
    summary = ended.bot.summary()
    assert summary["exit_reason"] == "unreachable"
    assert summary["open_orders_at_exit"] == len(named)


@pytest.mark.parametrize(
    "scenario", [the_account_is_reset_and_that_is_not_accepted, the_account_is_reset_while_nothing_rests]
)
def test_an_account_that_was_reset_is_recognised_and_nothing_is_traded_on_it(
    together: Together, scenario: Scenario
) -> None:
    ended: Ended = together.of(scenario)
    assert own_orders(ended.audit) == []
    assert account(ended.audit)["fills"] == []
    (said,) = [line for line in ended.bot.err.splitlines() if " WARNING mmcore.rest: halted: " in line]
    assert "The account was reset by the exchange; accept it to go on." in said
    assert "ACCOUNT_RESET" in ended.bot.err
    assert "LEDGER_MISMATCH" not in ended.bot.err
    summary = ended.bot.summary()
    assert summary["exit_reason"] == "risk"
    assert summary["no_quote_reasons"]["ACCOUNT_RESET"] > 1000
    assert [summary[name] for name in ("unknown_orders", "open_orders_at_exit")] == [0, 0]


def test_an_account_that_was_reset_is_traded_on_where_that_was_allowed(together: Together) -> None:
    ended: Ended = together.of(the_account_is_reset_and_that_is_accepted)
    assert ended.bot.err.count("the account was reset by the exchange: its balances are taken as the new start") == 1
    assert {order["side"] for order in own_orders(ended.audit)} == {"BUY", "SELL"}
    assert open_orders(ended.audit) == []
    summary = ended.bot.summary()
    assert summary["exit_reason"] == "signal"
    for asset, balance in account(ended.audit)["balances"].items():
        assert float(summary["balances"][asset]["free"]) == pytest.approx(float(balance["free"]), abs=1e-9)


def test_after_a_silent_order_channel_nothing_is_left_in_doubt(together: Together) -> None:
    ended: Ended = together.of(the_order_channel_breaks)
    summary, orders = ended.bot.summary(), own_orders(ended.audit)
    assert [summary[name] for name in ("unknown_orders", "open_orders_at_exit")] == [0, 0]
    assert open_orders(ended.audit) == []
    check_against_audit(summary, ended.audit)
    assert len({order["client_order_id"] for order in orders}) == len(orders)
    assert any(order["placed_us"] > ended.at_us + 5_000_000 for order in orders)
