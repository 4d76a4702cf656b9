"""The first thing anybody runs: the bot on the exchange it brings along."""

from __future__ import annotations

import os
import re
import signal
import time
from decimal import Decimal
from pathlib import Path

import pytest

from tests.e2e.processes import (
    OWN_ID,
    ROOT,
    SYMBOL,
    Bot,
    Stage,
    Together,
    account,
    check_against_audit,
    children_of,
    own_orders,
    resting_share,
    wait_until,
)

RESIDENT_MOST = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)
CANARY = {"API_KEY": "canary-key-5f1c", "API_SECRET": "canary-secret-77aa"}


def as_a_newcomer_starts_it(stage: Stage) -> tuple[Bot, list[bytes]]:
    """From the clone's folder, with the shipped settings; and keys in the environment that are none of its business."""
    bot = stage.bot("--duration", "20", cwd=ROOT, env=CANARY)
    wait_until(lambda: bool(children_of(bot.process.pid)), 30, "the demo's exchange was not started")
    handed_on = [Path(f"/proc/{pid}/environ").read_bytes() for pid in children_of(bot.process.pid)]
    assert bot.wait(80) == 0, bot.err
    return bot, handed_on


def with_another_seed(stage: Stage) -> Bot:
    bot = stage.bot("--duration", "6", "--seed", "7")
    assert bot.wait(80) == 0, bot.err
    return bot


def whose_exchange_dies(stage: Stage) -> tuple[Bot, set[str], str, str]:
    bot = stage.bot("--duration", "60")
    bot.wait_for(" ACTIVE ", 30)
    time.sleep(1.5)
    status, maps = (Path(f"/proc/{bot.process.pid}/{name}").read_text() for name in ("status", "maps"))
    (venue,) = children_of(bot.process.pid)
    os.kill(venue, signal.SIGKILL)
    bot.wait(80)
    (line,) = [line for line in bot.err.splitlines() if "own orders NOT confirmed gone:" in line]
    return bot, set(OWN_ID.findall(line)), status, maps


SCENARIOS = (as_a_newcomer_starts_it, with_another_seed, whose_exchange_dies)


def test_the_demo_quotes_both_sides_fills_and_ends_with_nothing_open(together: Together) -> None:
    bot, _ = together.of(as_a_newcomer_starts_it)
    summary = bot.summary()
    assert bot.out == ""
    assert (summary["mode"], summary["symbol"], summary["exit_reason"]) == ("demo", SYMBOL, "duration")
    assert [summary[name] for name in ("gaps", "unknown_orders", "open_orders_at_exit")] == [0, 0, 0]
    assert min(summary[name] for name in ("fills", "quotes", "orders_acked", "book_updates", "events")) > 0
    assert summary["latency_ns"]["tick_to_order"]["count"] > 0
    assert summary["latency_ns"]["order_to_ack"]["count"] > 0
    assert "actions_digest" not in summary

    audit = summary["venue_audit"]
    check_against_audit(summary, audit)
    orders = own_orders(audit)
    assert len(orders) == len(account(audit)["orders"])
    assert all(order["ended_us"] for order in orders)
    synced_us, stopping_us = bot.state_at_us("ACTIVE"), bot.state_at_us("STOPPING")
    assert stopping_us - synced_us > 10_000_000
    for side, name in (("BUY", "bid"), ("SELL", "ask")):
        share = resting_share(orders, side, synced_us, stopping_us)
        assert share >= 0.9, f"{name}s rested {share:.1%} of the time"
        # The bot's own measure goes on until it has confirmed that nothing is open.
        to_the_end = resting_share(orders, side, synced_us, bot.state_at_us("STOPPED"))
        assert summary["quoted_share"][name] == pytest.approx(to_the_end, abs=0.02)


def test_keys_in_the_environment_are_neither_used_nor_passed_on_nor_shown(together: Together) -> None:
    bot, handed_on = together.of(as_a_newcomer_starts_it)
    assert handed_on
    assert not any(value.encode() in environment for value in CANARY.values() for environment in handed_on)
    said = bot.out + bot.err + bot.summary_path.read_text()
    assert not any(value in said for value in CANARY.values())
    assert account(bot.summary()["venue_audit"])["api_key"] not in CANARY.values()


def test_a_demo_whose_exchange_dies_ends_and_names_what_it_cannot_confirm(together: Together) -> None:
    bot, named, _, _ = together.of(whose_exchange_dies)
    assert bot.wait(0) == 6, bot.err
    assert "the embedded exchange has died" in bot.err
    summary = bot.summary()
    assert summary["exit_reason"] == "unreachable"
    assert summary["open_orders_at_exit"] == len(named) > 0
    assert "venue_audit" not in summary


def test_a_bot_that_quotes_takes_80_mib_at_most_and_loads_nothing_heavy_that_it_does_not_use(
        together: Together) -> None:
    _, _, status, maps = together.of(whose_exchange_dies)
    assert RESIDENT_MOST.search(status), status
    peak_kib = int(RESIDENT_MOST.search(status)[1])  # type: ignore[index]
    assert peak_kib <= 80 * 1024, f"{peak_kib / 1024:.1f} MiB"
    assert "/mmcore/_core" in maps  # what is loaded is seen here
    assert not [name for name in ("/numpy/", "/aiohttp/", "/multidict/", "/yarl/") if name in maps]


def test_the_demo_says_how_it_ended_and_every_order_keeps_the_post_only_promise(together: Together) -> None:
    bot = together.of(with_another_seed)
    assert bot.err.splitlines()[-1].startswith("mmcore: stopped (duration): all own orders confirmed gone; ")
    audit = bot.summary()["venue_audit"]
    orders = own_orders(audit)
    assert orders
    assert {order["type"] for order in orders} == {"LIMIT_MAKER"}
    assert all(fill["maker"] for fill in account(audit)["fills"])
    assert len({order["client_order_id"] for order in orders}) == len(orders)
    assert len({OWN_ID.fullmatch(order["client_order_id"])[0][:11] for order in orders}) == 1  # type: ignore[index]
    assert all(Decimal(order["price"]) % Decimal("0.01") == 0 for order in orders)
