"""The run summary and the status line."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.errors import UsageError
from mmcore.telemetry.summary import (
    Balance,
    ExitReason,
    Latency,
    Moves,
    Pnl,
    QuotedShare,
    RunSummary,
    Stage,
    Status,
    check_writable,
    format_status,
    write,
)

SUMMARY = RunSummary(
    mode="demo",
    symbol="BTCUSDT",
    exit_reason=ExitReason.DURATION,
    events=12_345,
    book_updates=1000,
    gaps=0,
    resyncs=1,
    book_audits=3,
    book_audit_failures=0,
    market_duplicates=12,
    quotes=77,
    quoted_share=QuotedShare.of_times(1, 2, 3),
    orders_sent=10,
    orders_acked=9,
    orders_rejected=1,
    orders_refused=2,
    orders_canceled=8,
    fills=1,
    open_orders_at_exit=0,
    unknown_orders=0,
    reconciles=12,
    reconcile_repairs=1,
    moves=Moves(20, 12, 5, 3, 7, 1),
    position_e8=-100_000,
    balances={"BTC": Balance(99_900_000, 0), "USDT": Balance(5_000_000_000_001, 1)},
    pnl=Pnl(150_000_000, -50_000_000, 1),
    fees_paid_e8={"BNB": 12_345},
    unpriced_fees=0,
    no_quote_reasons={"SYNCING": 150},
    latency_ns={stage: Latency(1, 2, 3, 4, 5) for stage in Stage},
)

# The names of the run summary as the architecture states them.
ALWAYS = [
    "mode", "symbol", "exit_reason", "events", "book_updates", "gaps", "resyncs", "book_audits",
    "book_audit_failures", "market_duplicates", "quotes", "quoted_share",
    "orders_sent", "orders_acked", "orders_rejected", "orders_refused", "orders_canceled", "fills",
    "open_orders_at_exit", "unknown_orders", "reconciles", "reconcile_repairs", "moves",
    "position", "balances", "pnl", "fees_paid", "unpriced_fees", "no_quote_reasons", "latency_ns",
]


def test_the_object_has_every_field_and_no_other() -> None:
    assert list(SUMMARY.to_json()) == ALWAYS
    recorded = dataclasses.replace(SUMMARY, actions_digest="ab" * 32, venue_audit={"accounts": []})
    assert list(recorded.to_json()) == [*ALWAYS, "actions_digest", "venue_audit"]
    assert recorded.to_json()["venue_audit"] == {"accounts": []}


def test_counts_are_integers_and_money_is_exact_text() -> None:
    made = json.loads(json.dumps(SUMMARY.to_json()))
    assert made["events"] == 12_345
    assert made["position"] == "-0.001"
    assert made["balances"]["BTC"] == {"free": "0.999", "locked": "0"}
    assert made["balances"]["USDT"] == {"free": "50000.00000001", "locked": "0.00000001"}
    assert made["pnl"] == {"realized": "1.5", "unrealized": "-0.5", "fees": "0.00000001", "total": "0.99999999"}
    assert made["quoted_share"] == {"bid": 0.333333, "ask": 0.666667}
    assert made["moves"] == {"wanted": 20, "made": 12, "merged": 5, "withheld": 3, "replaces": 7, "amends": 1}
    assert made["exit_reason"] == "duration"
    assert made["no_quote_reasons"] == {"SYNCING": 150}
    stages = ["recv_to_decode", "decode_to_book", "book_to_quote", "quote_to_send", "tick_to_order", "order_to_ack"]
    assert made["latency_ns"] == {stage: {"p50": 1, "p99": 2, "p999": 3, "max": 4, "count": 5} for stage in stages}


@given(*[st.integers(-(2**60), 2**60)] * 3)
def test_the_total_is_exactly_the_sum_of_the_parts_as_written(realized: int, unrealized: int, fees: int) -> None:
    written = dataclasses.replace(SUMMARY, pnl=Pnl(realized, unrealized, fees)).to_json()["pnl"]
    parts = {name: Decimal(text) for name, text in written.items()}
    assert parts["total"] == parts["realized"] + parts["unrealized"] - parts["fees"]


def test_a_summary_without_a_stage_is_not_made() -> None:
    with pytest.raises(ValueError, match="latency_ns lacks order_to_ack"):
        dataclasses.replace(SUMMARY, latency_ns={stage: Latency(0, 0, 0, 0, 0) for stage in list(Stage)[:-1]})


def test_a_share_of_no_time_is_none_and_more_than_all_of_it_is_a_mistake() -> None:
    assert QuotedShare.of_times(0, 0, 0) == QuotedShare(0.0, 0.0)
    assert QuotedShare.of_times(5, 0, 5) == QuotedShare(1.0, 0.0)
    with pytest.raises(ValueError, match="is not within 5 ns"):
        QuotedShare.of_times(6, 0, 5)


# ---- Writing -------------------------------------------------------------------------------------------------


def test_the_file_is_one_object_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("from an earlier run")
    check_writable(path)
    assert path.read_text() == "from an earlier run"
    write(path, SUMMARY)
    assert json.loads(path.read_text()) == SUMMARY.to_json()
    assert path.read_text().endswith("}\n")
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_kept_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("")
    (tmp_path / "link").symlink_to("target")
    write(tmp_path / "link", SUMMARY)
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "target").read_text())["symbol"] == "BTCUSDT"


def test_a_disk_that_fills_leaves_what_was_there_and_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "out.json"
    path.write_text("before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(path, SUMMARY)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_that_cannot_be_written_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cases = {
        tmp_path / "no" / "out.json": "No such file or directory",
        tmp_path: "is not a regular file",
        Path("/dev/null"): "is not a regular file",
        tmp_path / "file" / "out.json": "Not a directory",
        tmp_path / ("n" * 250): "File name too long",
    }
    for path, reason in cases.items():
        with pytest.raises(UsageError) as caught:
            check_writable(path)
        assert str(caught.value) == f"--summary {path}: {reason}"


# ---- The status line -----------------------------------------------------------------------------------------

STATUS = Status(
    mode="demo",
    symbol="BTCUSDT",
    state="ACTIVE",
    reason=None,
    best_bid_e8=6_400_000_000_000,
    best_ask_e8=6_400_001_000_000,
    own_bid_e8=6_399_000_000_000,
    own_ask_e8=None,
    position_e8=100_000,
    pnl_e8=12_000_000,
    quote_asset="USDT",
    orders=2,
    fills=3,
    tick_to_order_p50_ns=45_240,
    tick_to_order_p99_ns=120_000,
)


def test_off_a_terminal_the_status_is_one_plain_line() -> None:
    assert format_status(STATUS, terminal=False) == (
        "demo BTCUSDT ACTIVE | market 64000 / 64000.01 | quotes 63990 / - | position 0.001 | pnl +0.12 USDT | "
        "orders 2, fills 3 | tick to order 45.2 us, p99 120.0 us"
    )


def test_the_reason_for_not_quoting_stands_beside_the_state() -> None:
    halted = dataclasses.replace(STATUS, state="HALTED", reason="STALE_BOOK", best_bid_e8=None, pnl_e8=-1)
    line = format_status(halted, terminal=False)
    assert line.startswith("demo BTCUSDT HALTED (STALE_BOOK) | market - / 64000.01 |")
    assert "pnl -0.00000001 USDT" in line


def test_what_was_not_measured_yet_is_no_zero() -> None:
    early = dataclasses.replace(STATUS, tick_to_order_p50_ns=0, tick_to_order_p99_ns=0)
    assert format_status(early, terminal=False).endswith("tick to order -, p99 -")


def test_on_a_terminal_the_line_replaces_the_one_before_and_fits() -> None:
    assert format_status(STATUS, terminal=True, colour=False, width=30) == "\r\x1b[2Kdemo BTCUSDT ACTIVE | market 6"
    coloured = format_status(STATUS, terminal=True)
    assert coloured.startswith("\r\x1b[2Kdemo BTCUSDT \x1b[32mACTIVE\x1b[0m | market")
    assert "\n" not in coloured
