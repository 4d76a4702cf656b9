"""Whose orders are whose: other programs' orders on the account are never touched, our own leftovers never stay."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.e2e.processes import Bot, Stage, Together, Venue, account, open_orders, own_orders, wait_until

OTHERS = ("web_1f2e3d", "mA1-not-one-of-ours", "mB2-0000001-0000001-b0")
LEFTOVERS = ("mA1-0000001-0000001-b0", "mA1-0000001-0000002-a1")

# The bot with a thread that dies after 5 s: what an error in it would do.
DYING = """
import sys

from mmcore.cli import main
from mmcore.host.clock import SystemClock
from mmcore.host.feed import FeedThread

born_ns = SystemClock().mono_ns()
step = FeedThread.step

def dying(self):
    if SystemClock().mono_ns() - born_ns > 5_000_000_000:
        raise RuntimeError("told to die")
    step(self)

FeedThread.step = dying
sys.exit(main())
"""


def place_others(venue: Venue) -> None:
    bid, ask = venue.best()
    for place, client_id in enumerate((*OTHERS, *LEFTOVERS)):
        away = Decimal(place + 20) * 5
        buys = not client_id.endswith("a1")
        venue.place(client_id, "BUY" if buys else "SELL", bid - away if buys else ask + away)


def by_client_id(audit: Any) -> dict[str, Any]:
    return {order["client_order_id"]: order for order in account(audit)["orders"]}


def a_whole_run(stage: Stage) -> tuple[Bot, Any]:
    venue = stage.venue()
    place_others(venue)
    bot = stage.bot("--duration", "8", venue=venue)
    assert bot.wait(80) == 0, bot.err
    return bot, venue.audit()


def a_thread_dies(stage: Stage) -> tuple[Bot, Any]:
    venue = stage.venue()
    place_others(venue)
    bot = stage.bot("--duration", "60", venue=venue, program=DYING)
    wait_until(lambda: any(order["client_order_id"] not in LEFTOVERS for order in open_orders(venue.audit())), 30,
               "no own orders")
    assert bot.wait(80) == 1, bot.err
    return bot, venue.audit()


def many_other_assets(stage: Stage) -> tuple[Bot, Any]:
    others = [f"A{number:02d}" for number in range(40)]
    funds = [word for asset in ("BNB", *others) for word in ("--balance", f"{asset}=100")]
    venue = stage.venue(*funds)
    bot = stage.bot("--duration", "5", venue=venue)
    bot.wait_for("engine ACTIVE", 80)
    moved = [{"kind": "balance_moved", "asset": asset, "amount_e8": 12_345 * 10**8} for asset in others]
    venue.command("/venue/faults", {"faults": moved})
    assert bot.wait(80) == 0, bot.err
    return bot, venue.audit()


SCENARIOS = (a_whole_run, a_thread_dies, many_other_assets)


def test_foreign_orders_survive_a_whole_run_and_leftovers_go_before_the_first_quote(together: Together) -> None:
    bot, audit = together.of(a_whole_run)
    orders = by_client_id(audit)
    assert all(orders[other]["ended_us"] is None for other in OTHERS)
    new = [order for order in own_orders(audit) if order["client_order_id"] not in LEFTOVERS]
    assert new
    for leftover in LEFTOVERS:
        assert orders[leftover]["status"] == "CANCELED"
        assert orders[leftover]["ended_us"] < min(order["placed_us"] for order in new)
    assert all(order["ended_us"] for order in new)
    assert bot.summary()["open_orders_at_exit"] == 0


def test_when_a_thread_dies_own_orders_are_cancelled_and_foreign_ones_stay(together: Together) -> None:
    bot, audit = together.of(a_thread_dies)
    assert "thread feed has died" in bot.err
    assert all(by_client_id(audit)[other]["ended_us"] is None for other in OTHERS)
    assert open_orders(audit) == []
    summary = bot.summary()
    assert (summary["exit_reason"], summary["open_orders_at_exit"]) == ("error", 0)


def test_an_account_with_many_other_assets_is_traded_like_any_other(together: Together) -> None:
    bot, audit = together.of(many_other_assets)
    summary = bot.summary()
    told_us = max(strike["time_us"] for strike in audit["strikes"])
    assert len(audit["strikes"]) == 40
    assert max(order["placed_us"] for order in own_orders(audit)) > told_us
    assert "HALTED" not in bot.err
    assert set(summary["balances"]) == {"BTC", "USDT"}  # no commission is paid in BNB on this account
