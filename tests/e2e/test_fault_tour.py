"""The bot over sockets through every kind of fault that lets it trade on, judged by the venue's audit alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from mmcore.venue.faults import KINDS, TIME
from mmcore.venue.verdict import judge, resting_share
from tests.e2e.processes import Stage, Together, own_orders

FIRST_MS, GAP_MS, CALM_MS = 6_000, 1_800, 6_000
PREFIX = "mA1-"

# A wiped account ends a run, as it must. A replacement has legs only where the bot replaces orders.
NOT_HERE = {"wipe", "replace_partial"}
REQUESTS = (
    "reply_lost", "reply_delayed", "status_unknown", "overloaded", "late_timestamp", "reply_order", "event_delayed",
    "event_swapped", "query_lag", "exchange_cancels", "stream_terminated", "events_replayed", "rate_limited",
)
MARKET = (
    "message_dropped", "message_doubled", "message_swapped", "message_malformed", "book_crossed", "snapshot_stale",
    "snapshot_boundary", "snapshot_inside", "write_delayed", "write_truncated", "trickle", "symbol_status",
    "no_reference_price",
)
SOCKETS = (
    "half_open", "reset", "closed", "shutdown", "connect_refused", "blocked", "html_ok", "clock_step",
    "filter_change", "balance_moved", "external_lock", "foreign_order", "bnb_gone",
)
SHORT: dict[str, dict[str, Any]] = {
    "rate_limited": {"retry_after_ms": 2_000},
    "clock_step": {"offset_ms": 700, "for_ms": 1_000},
    "filter_change": {"filter": "min_notional", "factor": 2},
    "blocked": {"on": ["cancel", "query"]},
    "html_ok": {"on": ["cancel", "query"]},
    # What comes before a new subscription, over a link that was lost.
    "events_replayed": {"at_ms": 0, "times": 3},
}


def plan_of(kinds: Sequence[str]) -> dict[str, Any]:
    """Each kind once, one after another, none longer than a second or two."""
    rows = []
    for number, name in enumerate(kinds):
        parameters = KINDS[name].parameters
        row: dict[str, Any] = {"id": name, "kind": name, "at_ms": FIRST_MS + GAP_MS * number}
        row.update({key: 1_200 for key in ("for_ms", "delay_ms", "late_ms", "close_ms") if key in parameters})
        rows.append({**row, **SHORT.get(name, {})})
    return {"seed": 11, "faults": rows}


@dataclass(frozen=True)
class Tour:
    """What became of one run."""

    exit_code: int
    audit: Any
    summary: Any
    shares: dict[str, float]


def drive(stage: Stage, kinds: Sequence[str]) -> Tour:
    plan = stage.folder / "plan.json"
    plan.write_text(json.dumps(plan_of(kinds)))
    venue = stage.venue("--faults", str(plan), "--seed", "5")
    lasts_s = (FIRST_MS + GAP_MS * len(kinds) + CALM_MS) // 1000
    bot = stage.bot("--duration", str(lasts_s), venue=venue)
    venue.wait_for_quotes()
    begin_us = venue.audit()["server_time_us"]
    exit_code = bot.wait(lasts_s + 40)
    audit = venue.audit()
    shares = resting_share(audit, PREFIX, begin_us, begin_us + 1_000 * (FIRST_MS + GAP_MS * len(kinds)))
    return Tour(exit_code, audit, bot.summary(), shares)


def requests(stage: Stage) -> Tour:
    return drive(stage, REQUESTS)


def market(stage: Stage) -> Tour:
    return drive(stage, MARKET)


def sockets(stage: Stage) -> Tour:
    return drive(stage, SOCKETS)


SCENARIOS = (requests, market, sockets)
every_tour = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)


def test_every_kind_is_on_a_tour() -> None:
    assert sorted((*REQUESTS, *MARKET, *SOCKETS)) == sorted(set(KINDS) - NOT_HERE)
    assert all(KINDS[name].moment != TIME or "at_ms" not in SHORT.get(name, {}) for name in KINDS)


@every_tour
def test_after_every_fault_the_audit_finds_nothing_wrong(together: Together, scenario: Any) -> None:
    tour = together.of(scenario)
    assert [fault["kind"] for fault in tour.audit["faults"] if not fault["struck"]] == []
    assert judge(tour.audit, PREFIX, is_over=True) == []


@every_tour
def test_the_bot_knows_what_became_of_its_orders(together: Together, scenario: Any) -> None:
    tour = together.of(scenario)
    own = {order["order_id"] for order in own_orders(tour.audit)}
    fills = [fill for fill in tour.audit["accounts"][0]["fills"] if fill["order_id"] in own]
    assert tour.exit_code == 0
    assert (tour.summary["open_orders_at_exit"], tour.summary["unknown_orders"]) == (0, 0)
    assert tour.summary["fills"] == len(fills)


@every_tour
def test_between_the_faults_it_quotes(together: Together, scenario: Any) -> None:
    shares = together.of(scenario).shares
    assert min(shares.values()) > 0.4, shares
