"""The risk manager through cffi: each verdict against a recount, and no sequence of events gets past a limit."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mmcore._native import ffi, lib
from mmcore.core.engine import reasons
from mmcore.core.risk import RiskManager, RiskView
from mmcore.errors import CoreError
from tests.model.risk_twin import ASK, BID, E8, SECOND, Order, RiskTwin

TICK, STEP = 10**6, 10**5

LIMITS: dict[str, int | float] = {
    "order_qty_max_e8": 2 * E8, "order_notional_max_e8": 250 * E8, "collar_order_bps": 100.0,
    "collar_period_bps": 300.0, "cross_guard_ticks": 1, "position_max_e8": 6 * E8,
    "position_notional_max_e8": 590 * E8, "reducing_pct": 80.0, "open_notional_max_e8": 700 * E8,
    "open_orders_max": 4, "in_flight_max": 2, "unknown_max": 1, "orders_per_1s_max": 4, "rejects_per_min_max": 10,
    "duplicate_window_ns": SECOND // 10,
    "stale_book_ns": SECOND, "ticker_ahead_ns": SECOND, "quiet_max_ns": 0, "stale_decision_ns": SECOND,
    "book_levels_min": 5, "malformed_per_min_max": 3, "loss_session_max_e8": 50 * E8, "loss_day_max_e8": 100 * E8,
    "drawdown_halt_pct": 2.0, "drawdown_kill_pct": 4.0, "loss_speed_max_e8": 20 * E8,
    "loss_speed_pause_ns": 600 * SECOND,
}
SYMBOL: dict[str, Any] = {"name": b"ABCUSDT", "base": b"ABC", "quote": b"USDT", "tick_e8": TICK, "step_e8": STEP}


class Table:
    """An order table and a ledger in C, with riches nobody can spend."""

    def __init__(self) -> None:
        self._keep: list[Any] = []
        config = ffi.new("mm_order_config *", (SECOND, SECOND, 3 * SECOND // 10, 12 * SECOND, 86_400 * SECOND))
        self.orders = self._made("mm_orders", lib.mm_orders_bytes(32, 64), lib.mm_orders_init, 32, 64, config)
        symbol = ffi.new("mm_symbol *", SYMBOL)
        self.ledger = self._made("mm_ledger", lib.mm_ledger_bytes(1024), lib.mm_ledger_init, 1024, symbol)
        for asset in (b"ABC", b"USDT"):
            assert lib.mm_ledger_balance(self.ledger, ffi.new("mm_balance_body *", {
                "asset": asset, "free_e8": 10**17})) == lib.MM_OK

    def _made(self, kind: str, needed: int, init: Any, *arguments: Any) -> Any:
        memory = ffi.new("uint8_t[]", needed + 64)
        self._keep.append(memory)
        made = ffi.new(f"{kind} **")
        assert init(memory + -int(ffi.cast("uintptr_t", memory)) % 64, needed, *arguments, made) == lib.MM_OK
        return made[0]

    def place(self, side: int, price: int, qty: int, now: int) -> int:
        order = ffi.new("mm_order **")
        assert lib.mm_orders_place(self.orders, side, 0, price, qty, now, order)
        return int(order[0].seq)

    def apply(self, kind: int, now: int, flags: int = 0, **body: Any) -> Any:
        records = ffi.new("mm_record[2]")
        records[0].kind, records[0].flags, records[0].count = kind, flags, 2
        records[1].kind = lib.MM_KIND_MORE
        target = records[0].body.outcome if kind == lib.MM_KIND_LOST else records[0].body.report
        for name, value in body.items():
            setattr(target, name, value)
        change = ffi.new("mm_order_change *")
        lib.mm_orders_apply(self.orders, records, now, change)
        return change

    def fill(self, seq: int, order: Order, qty: int, trade_id: int, now: int) -> None:
        executed = order.executed_e8 + qty
        state = lib.MM_ORDER_FILLED if executed == order.qty_e8 else lib.MM_ORDER_LIVE
        change = self.apply(lib.MM_KIND_REPORT, now, lib.MM_FLAG_FILL, order_seq=seq, price_e8=order.price_e8,
                            qty_e8=qty, executed_e8=executed, status=state, side=order.side)
        assert change.fill
        status = ffi.new("mm_status *")
        fill = ffi.new("mm_fill_body *", {"trade_id": trade_id, "quote_e8": -1})
        assert lib.mm_ledger_fill(self.ledger, order.side, order.price_e8, qty, fill, status)
        lib.mm_orders_filled(self.orders, change.order, qty, now)


class Run:
    """C and twin side by side, driven by one random sequence of orders and of what becomes of them."""

    def __init__(self, rng: random.Random, limits: dict[str, int | float]) -> None:
        self.rng = rng
        self.limits = limits
        self.table = Table()
        self.risk = RiskManager(limits)
        self.twin = RiskTwin(limits, TICK, STEP)
        self.view = RiskView(SYMBOL, self.table.orders, self.table.ledger)
        self.seqs: dict[int, Order] = {}
        self.now = 10**15
        self.bid = 100 * E8
        self.trade_id = 0
        self.seen: set[str] = set()
        self.accepted = 0

    def step(self) -> None:
        self.now += self.rng.choice((0, 10**6, SECOND // 20, SECOND // 2, 2 * SECOND))
        event = self.rng.choice((self.market, self.order, self.order, self.order, self.outcome, self.outcome))
        event()
        self.limits_hold()

    def market(self) -> None:
        self.bid = max(min(self.bid + self.rng.randint(-20, 20) * TICK, 103 * E8), 97 * E8)
        if self.rng.random() < 0.5:
            price, qty = self.bid + self.rng.randint(-300, 300) * TICK, self.rng.randint(1, 5 * E8)
            self.risk.trade(price, qty, self.now)
            self.twin.trades.append((self.now, price, qty))
        else:
            self.risk.mid(self.bid + TICK, self.now)
        self.twin.observe(self.now)

    def order(self) -> None:
        rng = self.rng
        ask = self.bid + rng.randint(1, 5) * TICK
        side, layer = rng.choice((BID, ASK)), rng.choice((0, 0, 1))
        away = rng.choice((0, rng.randint(-6, 40), rng.randint(-6, 200)))
        price = self.bid - away * TICK if side == BID else ask + away * TICK
        price += 1 if rng.random() < 0.03 else 0
        qty = rng.choice((STEP, E8 // 2, E8, 2 * E8, 3 * E8, rng.randint(1, 2000) * STEP, rng.randint(1, E8)))
        if self.twin.sent and rng.random() < 0.1:
            _, side, price, qty = self.twin.sent[-1]
        self.view.see(bid=(self.bid, E8), ask=(ask, E8), position_e8=self.twin.position_e8, now_ns=self.now)
        verdict = reasons(self.risk.order(self.view, side, layer, price, qty))
        assert set(verdict) == self.twin.verdict(self.bid, ask, side, layer, price, qty, self.now)
        self.seen.update(verdict)
        if not verdict:
            self.accepted += 1
            assert self.risk.room(self.view, side, price) >= qty
            self.risk.sent(side, price, qty, self.now)
            self.twin.sent.append((self.now, side, price, qty))
            order = Order(side, price, qty)
            self.seqs[self.table.place(side, price, qty, self.now)] = order
            self.twin.orders.append(order)

    def outcome(self) -> None:
        if not self.seqs:
            return
        seq, order = self.rng.choice(sorted(self.seqs.items()))
        what = self.rng.random()
        if what < 0.35:
            self._acknowledge(seq, order)
        elif what < 0.45 and order.state == "PENDING":
            self.table.apply(lib.MM_KIND_LOST, self.now, order_seq=seq, operation=lib.MM_OP_PLACE)
            order.state = "UNKNOWN"
        elif what < 0.55 and order.state == "PENDING":
            self._refuse(seq, order)
        elif what < 0.8:
            self._fill(seq, order)
        elif order.state == "LIVE":
            self.table.apply(lib.MM_KIND_CANCELED, self.now, order_seq=seq, status=lib.MM_ORDER_CANCELED,
                             executed_e8=order.executed_e8, side=order.side)
            self._gone(seq, order)

    def _acknowledge(self, seq: int, order: Order) -> None:
        self.table.apply(lib.MM_KIND_ACK, self.now, order_seq=seq, status=lib.MM_ORDER_LIVE, executed_e8=-1,
                         side=order.side)
        order.state = "LIVE"
        self.risk.accept(order.side, 0)
        self.twin.accept(order.side, 0)

    def _refuse(self, seq: int, order: Order) -> None:
        would_match = self.rng.random() < 0.7
        kind = lib.MM_REJECT_WOULD_MATCH if would_match else lib.MM_REJECT_OTHER
        self.table.apply(lib.MM_KIND_REPORT, self.now, order_seq=seq, status=lib.MM_ORDER_REJECTED, executed_e8=0)
        self.risk.reject(kind, order.side, 0, self.now)
        self.twin.reject(would_match, order.side, 0, self.now)
        self._gone(seq, order)

    def _fill(self, seq: int, order: Order) -> None:
        qty = self.rng.choice((order.remaining_e8, self.rng.randint(1, order.remaining_e8)))
        self.trade_id += 1
        self.table.fill(seq, order, qty, self.trade_id, self.now)
        order.executed_e8 += qty
        order.state = "LIVE"
        self.twin.position_e8 += qty if order.side == BID else -qty
        if order.remaining_e8 == 0:
            self._gone(seq, order)

    def _gone(self, seq: int, order: Order) -> None:
        del self.seqs[seq]
        self.twin.orders.remove(order)

    def limits_hold(self) -> None:
        twin = self.twin
        assert lib.mm_ledger_position(self.table.ledger) == twin.position_e8
        assert lib.mm_orders_count(self.table.orders, -1, -1) == len(twin.orders)
        for side in (BID, ASK):
            assert twin.worst(side) <= self.limits["position_max_e8"]
            assert len(twin.open(side)) <= self.limits["open_orders_max"]
        assert abs(twin.position_e8) <= self.limits["position_max_e8"]
        assert twin.notional_e16() <= int(self.limits["open_notional_max_e8"]) * E8
        assert sum(self.now - at < SECOND for at, *_ in twin.sent) <= self.limits["orders_per_1s_max"]
        assert ("REJECT_RATE" in reasons(self.risk.market(0, self.now))) == twin.rejects_halt(self.now)
        assert self.risk.valid()


class LimitsHold(RuleBasedStateMachine):
    """Whatever the limits, the market and what becomes of orders: every verdict is that of a recount, and nothing that
    was let through adds up to more than a limit."""

    @initialize(
        rng=st.randoms(use_true_random=False),
        amounts=st.tuples(*[st.integers(1, 9)] * 5), counts=st.tuples(*[st.integers(1, 6)] * 5),
        shares=st.tuples(st.sampled_from((1.0, 25.0, 100.0, 10_000.0)), st.sampled_from((1.0, 50.0, 80.0, 100.0))),
        window=st.sampled_from((1, SECOND // 10, 10 * SECOND)),
    )  # fmt: skip
    def begin(self, rng: random.Random, amounts: tuple[int, ...], counts: tuple[int, ...], shares: tuple[float, float],
              window: int) -> None:
        self.run = Run(rng, {
            **LIMITS,
            "order_qty_max_e8": amounts[0] * E8 // 2, "order_notional_max_e8": amounts[1] * 50 * E8,
            "position_max_e8": amounts[2] * E8, "position_notional_max_e8": amounts[3] * 100 * E8,
            "open_notional_max_e8": amounts[4] * 100 * E8,
            "cross_guard_ticks": counts[0], "open_orders_max": counts[1], "in_flight_max": counts[2],
            "unknown_max": counts[3], "orders_per_1s_max": counts[4],
            "collar_order_bps": shares[0], "reducing_pct": shares[1], "duplicate_window_ns": window,
        })

    @rule(step=st.sampled_from((0, 10**6, SECOND // 2, 2 * SECOND)))
    def wait(self, step: int) -> None:
        self.run.now += step

    @rule()
    def market(self) -> None:
        self.run.market()

    @rule(times=st.integers(1, 4))
    def order(self, times: int) -> None:
        for _ in range(times):
            self.run.order()

    @rule()
    def outcome(self) -> None:
        self.run.outcome()

    @invariant()
    def no_limit_is_passed(self) -> None:
        if hasattr(self, "run"):
            self.run.limits_hold()


TestLimitsHold = LimitsHold.TestCase
TestLimitsHold.settings = settings(max_examples=60, stateful_step_count=30)


def test_verdicts_are_those_of_a_recount_and_no_limit_is_ever_passed() -> None:
    seen: set[str] = set()
    accepted = 0
    for seed in range(25):
        run = Run(random.Random(seed), LIMITS)
        for _ in range(400):
            run.step()
        seen |= run.seen
        accepted += run.accepted
    assert accepted > 500
    assert seen == {
        "PRICE_FILTER", "LOT_SIZE", "ORDER_QTY", "ORDER_NOTIONAL", "COLLAR_ORDER", "CROSS_GUARD", "SELF_TRADE",
        "POSITION_LIMIT", "REDUCING", "OPEN_NOTIONAL", "OPEN_ORDERS", "IN_FLIGHT", "UNKNOWN_ORDER", "RATE_LIMIT",
        "DUPLICATE", "WOULD_MATCH",
    }


@pytest.mark.parametrize("field", sorted(set(LIMITS) - {"quiet_max_ns"}))
@pytest.mark.parametrize("off", [0, -1])
def test_no_limit_can_be_switched_off(field: str, off: int) -> None:
    with pytest.raises(CoreError, match=rf"^risk\.{field}"):
        RiskManager({**LIMITS, field: off})


@pytest.mark.parametrize("field", [name for name, value in LIMITS.items() if isinstance(value, float)])
def test_a_limit_that_is_no_number_is_refused(field: str) -> None:
    with pytest.raises(CoreError, match=rf"^risk\.{field}"):
        RiskManager({**LIMITS, field: float("nan")})


def test_losses_after_the_trade_name_what_they_broke() -> None:
    risk = RiskManager(LIMITS)
    start = 10**15
    assert risk.equity(10_000 * E8, 0, 20_000, start).verdict == 0
    slow = risk.equity(9_981 * E8, -19 * E8, 20_000, start + 30 * SECOND)
    assert (slow.verdict, slow.kill, slow.halt_until_ns) == (0, False, 0)
    fast = risk.equity(9_980 * E8, -20 * E8, 20_000, start + 59 * SECOND)
    assert reasons(fast.verdict) == ["LOSS_SPEED"]
    assert (fast.kill, fast.halt_until_ns) == (False, start + 659 * SECOND)
    lost = risk.equity(9_950 * E8, -50 * E8, 20_000, start + 3600 * SECOND)
    assert reasons(lost.verdict) == ["LOSS_LIMIT"]
    assert lost.kill


def test_a_deadline_is_told_for_what_time_alone_changes() -> None:
    risk = RiskManager(LIMITS)
    assert risk.deadline_ns(10**15) == 2**63 - 1
    risk.sent(BID, 100 * E8, E8, 10**15)
    assert risk.deadline_ns(10**15) == 10**15 + SECOND // 10
    risk.malformed(10**15)
    risk.malformed(10**15)
    risk.malformed(10**15 + SECOND)
    assert reasons(risk.market(100 * E8, 10**15 + SECOND)) == ["MALFORMED"]
    assert risk.deadline_ns(10**15 + SECOND) == 10**15 + 60 * SECOND
