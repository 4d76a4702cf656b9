"""What the supervisor does when a part of the bot fails: real threads, sockets and venue, in this process."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from mmcore.config import RunOptions, Settings, Wait
from mmcore.core import loop as core_loop
from mmcore.errors import ExitCode
from mmcore.host import orders as orders_module
from mmcore.host.clock import SystemClock
from mmcore.host.feed import FeedThread
from mmcore.host.orders import OrdersThread
from mmcore.host.supervisor import run

_TRADE_NS = 3_000_000_000


def _run(tmp_path: Path, settings: Settings | None = None, duration_s: float = 30.0) -> tuple[ExitCode, dict[str, Any]]:
    summary = tmp_path / "summary.json"
    code = run(settings or Settings(), RunOptions(duration_s=duration_s, summary=summary))
    found: dict[str, Any] = json.loads(summary.read_text())
    return code, found


def _all_ended(summary: dict[str, Any]) -> bool:
    orders = summary["venue_audit"]["accounts"][0]["orders"]
    return len(orders) > 0 and all(order["ended_us"] is not None for order in orders)


def test_a_thread_that_dies_ends_the_run_and_every_order_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, begun = SystemClock(), []
    step = FeedThread.step

    def dying(self: FeedThread) -> None:
        begun.append(clock.mono_ns()) if not begun else None
        if clock.mono_ns() - begun[0] > _TRADE_NS:
            raise RuntimeError("planned")
        step(self)

    monkeypatch.setattr(FeedThread, "step", dying)
    code, summary = _run(tmp_path)
    assert code is ExitCode.INTERNAL
    assert summary["exit_reason"] == "error"
    assert _all_ended(summary)


def test_a_role_that_stands_still_with_input_waiting_ends_the_run_and_every_order_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, begun, over = SystemClock(), [], threading.Event()
    serve = OrdersThread.try_serve

    def stuck(self: OrdersThread, holder: int) -> bool:
        begun.append(clock.mono_ns()) if not begun else None
        if clock.mono_ns() - begun[0] > _TRADE_NS:
            assert self._loop.try_role(core_loop.ORDERS, orders_module.HOLDER)
            over.wait(30)  # holds the role and does nothing
        return serve(self, holder)

    monkeypatch.setattr(OrdersThread, "try_serve", stuck)
    try:
        code, summary = _run(tmp_path)
    finally:
        over.set()
    assert code is ExitCode.INTERNAL
    assert _all_ended(summary)


def test_one_spinning_thread_carries_all_three_roles(tmp_path: Path) -> None:
    settings = dataclasses.replace(Settings(), host=dataclasses.replace(Settings().host, wait=Wait.SPIN, cpu=0))
    code, summary = _run(tmp_path, settings, duration_s=6.0)
    assert code is ExitCode.DONE
    assert summary["orders_acked"] >= 4
    assert summary["unknown_orders"] == 0
    assert _all_ended(summary)
