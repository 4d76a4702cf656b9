"""The order table against its slow twin, and against an exchange that loses, repeats and reorders what it says."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mmcore._native import ffi, lib
from tests.core.order_table import STATE_NAMES, STATES, Table, state_number
from tests.model.order_twin import ENDED, OPEN, News, Order, OrderTwin

MS = 1_000_000
SECOND = 1_000 * MS
START_NS = 1_000 * SECOND
NEVER_NS = 2**63 - 1
KINDS = ("REPORT", "ACK", "CANCELED", "STATUS", "AMENDED", "TRADE_ROW", "OPEN_ROW")


# ---- Against the twin ----------------------------------------------------------------------------------

SAME_FIELDS = {
    "seq": "seq", "side": "side", "price_e8": "price", "qty_e8": "qty", "executed_e8": "executed",
    "reported_e8": "reported", "exchange_id": "exchange_id", "created_ns": "created_ns", "sent_ns": "sent_ns",
    "live_ns": "live_ns", "cancel_ns": "cancel_ns", "unknown_ns": "unknown_ns", "retry_ns": "retry_ns",
    "ended_ns": "ended_ns", "cancel_pending": "cancel_pending", "attempts": "attempts",
    "cancel_refused": "cancel_refused", "query_missing": "query_missing", "trades_checked": "trades_checked",
    "placed_qty_e8": "placed", "amend_qty_e8": "amend", "amend_ns": "amend_ns", "amends": "amends",
    "again_ns": "again_ns", "replaces_seq": "replaces", "replaced_by": "replaced_by",
}  # fmt: skip


def same(order: Any, twin: Order) -> None:
    assert STATE_NAMES[order.state] == twin.state
    for name, twin_name in SAME_FIELDS.items():
        assert getattr(order, name) == getattr(twin, twin_name), name


class TableAgainstTwin(RuleBasedStateMachine):
    """Whatever is said, whether it makes sense or not, the table does what the twin does."""

    @initialize(room=st.integers(1, 6), tombstones=st.integers(1, 8))
    def begin(self, room: int, tombstones: int) -> None:
        self.table = Table(room, tombstones)
        self.twin = OrderTwin(room, tombstones)
        self.now_ns = START_NS

    def seq(self, data: st.DataObject) -> int:
        return data.draw(st.integers(max(0, self.twin.last_seq - 8), self.twin.last_seq + 1), label="seq")

    def tell(self, news: News, last_qty: int = 0) -> None:
        change = self.table.apply(news, self.now_ns, last_qty=last_qty)
        wanted = self.twin.apply(news, self.now_ns)
        assert (change.order == ffi.NULL) is (wanted.order is None)
        for name in ("first_live", "ended", "fill", "overfill", "zombie", "not_attempted"):
            assert bool(getattr(change, name)) is getattr(wanted, name), name
        if wanted.order is None:
            return
        assert STATE_NAMES[getattr(change, "from")] == wanted.before
        assert STATE_NAMES[change.to] == wanted.after
        assert change.reject_class == getattr(lib, f"MM_REJECT_{wanted.reject}")
        same(change.order, wanted.order)
        if wanted.fill and last_qty:
            fits = lib.mm_orders_filled(self.table.raw, change.order, last_qty, self.now_ns)
            assert fits is self.twin.filled(wanted.order, last_qty, self.now_ns)

    @rule(side=st.integers(0, 1), qty=st.integers(1, 6))
    def place(self, side: int, qty: int) -> None:
        order = self.table.place(side, 100, qty, self.now_ns)
        twin = self.twin.place(side, 100, qty, self.now_ns)
        assert (order is None) is (twin is None)

    @rule(
        data=st.data(),
        kind=st.sampled_from(KINDS),
        status=st.sampled_from(("LIVE", "LIVE", *STATES, "OTHER")),
        executed=st.integers(-1, 7),
        qty=st.integers(0, 7),
        numbered=st.booleans(),
    )
    def say(self, data: st.DataObject, kind: str, status: str, executed: int, qty: int, numbered: bool) -> None:
        seq = self.seq(data)
        if kind == "TRADE_ROW":
            self.tell(News(kind, seq, status, -1, 100 + seq, fill=True), data.draw(st.integers(0, 3)))
        else:
            status = data.draw(st.sampled_from((status, "FREE"))) if kind == "AMENDED" else status
            self.tell(News(kind, seq, status, executed, 100 + seq if numbered else 0, qty=qty))

    @rule(
        data=st.data(),
        status=st.sampled_from(("LIVE", "FILLED", "CANCELED", "OTHER")),
        executed=st.integers(0, 6),
        last_qty=st.integers(0, 3),
    )
    def say_filled(self, data: st.DataObject, status: str, executed: int, last_qty: int) -> None:
        seq = self.seq(data)
        self.tell(News("REPORT", seq, status, executed, 100 + seq, fill=True), last_qty)

    @rule(
        data=st.data(),
        kind=st.sampled_from(("REJECT", "CANCEL_REJECT", "AMEND_REJECT", "LOST", "SENT", "NOT_SENT")),
        operation=st.sampled_from(("PLACE", "CANCEL", "QUERY", "AMEND", "REPLACE")),
        reject=st.sampled_from(("OTHER", "UNKNOWN_ORDER", "DUPLICATE", "WOULD_MATCH", "LIMIT")),
        code=st.sampled_from((0, -1007, -2022)),
    )
    def say_outcome(self, data: st.DataObject, kind: str, operation: str, reject: str, code: int) -> None:
        self.tell(News(kind, self.seq(data), operation=operation, reject=reject, code=code, recv_ns=self.now_ns))

    @rule(data=st.data())
    def say_missing(self, data: st.DataObject) -> None:
        self.tell(News("STATUS", self.seq(data), "OTHER", found=False))

    @precondition(lambda self: any(order.state in OPEN for order in self.twin.table.values()))
    @rule(
        data=st.data(),
        what=st.sampled_from(
            ("cancel", "cancel", "trades", "vanish", "disprove", "replace", "replace", "amend", "amend")
        ),
    )
    def act(self, data: st.DataObject, what: str) -> None:
        seqs = sorted(seq for seq, order in self.twin.table.items() if order.state in OPEN)
        twin = self.twin.table[data.draw(st.sampled_from(seqs))]
        order = self.table.find(twin.seq)
        assert order is not None
        if what == "cancel":
            lib.mm_orders_cancel(self.table.raw, order, self.now_ns)
            self.twin.cancel(twin, self.now_ns)
        elif what == "trades":
            order.trades_checked = 1
            twin.trades_checked = True
        elif what == "disprove":
            equal = data.draw(st.booleans())
            done = lib.mm_orders_disprove(self.table.raw, order, equal, self.now_ns)
            assert done is self.twin.disprove(twin, equal, self.now_ns)
        elif what == "replace":
            if twin.state == "LIVE" and not twin.cancel_pending and twin.exchange_id:
                made = self.table.replace(order, 101, 3, self.now_ns)
                assert (made is None) is (self.twin.replace(twin, 101, 3, self.now_ns) is None)
        elif what == "amend":
            least = twin.executed + 1
            if twin.state == "LIVE" and not twin.cancel_pending and not twin.amend and least < twin.qty:
                qty = data.draw(st.integers(least, twin.qty - 1))
                lib.mm_orders_amend(self.table.raw, order, qty, self.now_ns)
                self.twin.amend(twin, qty, self.now_ns)
        elif twin.state == "UNKNOWN":
            lib.mm_orders_vanish(self.table.raw, order, self.now_ns)
            self.twin.vanish(twin, self.now_ns)

    @rule(wait_ns=st.one_of(st.just(0), st.integers(1, 20 * SECOND), st.just(90_000 * SECOND)), answer=st.booleans())
    def wait(self, wait_ns: int, answer: bool) -> None:
        """Up to the next deadline or any time; whatever is due is sent, and often answered with "no such order"."""
        deadline = self.twin.deadline()
        self.now_ns = max(self.now_ns, deadline) if wait_ns == 0 and deadline is not None else self.now_ns + wait_ns
        for twin, bits in self.twin.due(self.now_ns):
            due = self.table.due(self.now_ns)
            assert due is not None
            order, raw_bits = due
            assert raw_bits == bits
            if "CANCEL" in bits:
                lib.mm_orders_cancel(self.table.raw, order, self.now_ns)
                self.twin.cancel(twin, self.now_ns)
            same(order, twin)
        assert self.table.due(self.now_ns) is None
        for seq in sorted(self.twin.table) if answer else ():
            self.tell(News("CANCEL_REJECT", seq, operation="CANCEL", reject="UNKNOWN_ORDER", recv_ns=self.now_ns))
            self.say_outcome_of_query(seq)

    def say_outcome_of_query(self, seq: int) -> None:
        self.tell(News("STATUS", seq, "OTHER", found=False))
        order, twin = self.table.find(seq), self.twin.table[seq]
        if order is not None:
            order.trades_checked = 1
            twin.trades_checked = True

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "twin"):
            return
        raw, orders = self.table.raw, self.twin.table
        assert lib.mm_orders_valid(raw)
        assert lib.mm_orders_last_seq(raw) == self.twin.last_seq
        assert lib.mm_orders_deadline(raw) == (self.twin.deadline() or NEVER_NS)
        assert lib.mm_orders_unfilled_reports(raw) == sum(order.missing for order in orders.values())
        live = [orders[seq] for seq in sorted(orders) if orders[seq].state in OPEN]
        for order, twin in zip(self.table.open(), live, strict=True):
            same(order, twin)
        for side in (-1, 0, 1):
            of_side = [order for order in orders.values() if side in (-1, order.side)]
            assert lib.mm_orders_count(raw, side, -1) == sum(order.state in OPEN for order in of_side)
            for state in STATES:
                found = lib.mm_orders_count(raw, side, state_number(state))
                assert found == sum(order.state == state for order in of_side)


TestTableAgainstTwin = TableAgainstTwin.TestCase
TestTableAgainstTwin.settings = settings(max_examples=200, stateful_step_count=50)


# ---- Against an exchange -------------------------------------------------------------------------------


@dataclass(slots=True)
class Truth:
    """What became of one order at the exchange."""

    seq: int
    qty: int
    state: str = "NONE"
    fills: list[tuple[int, int]] = field(default_factory=list)  # trade id, quantity
    history: list[tuple[int, str, int, int]] = field(default_factory=list)  # since when, state, executed, quantity

    @property
    def executed(self) -> int:
        return sum(qty for _id, qty in self.fills)

    def become(self, state: str, now_ns: int) -> None:
        self.state = state
        self.history.append((now_ns, state, self.executed, self.qty))

    def as_of(self, now_ns: int) -> tuple[str, int, int]:
        """What a query that lags sees."""
        seen = ((state, done, qty) for at, state, done, qty in reversed(self.history) if at <= now_ns)
        return next(seen, ("NONE", 0, 0))


class Exchange:
    """Takes orders late, forgets to answer, repeats itself, and answers queries from memory that lags.

    Until `calm_ns` anything may be lost, delayed or repeated; then every answer comes, and nothing trades any more.
    Nothing reaches the book later than the receive window and the exchange's own 10 s after it was sent.
    """

    LAG_NS = 1_900 * MS

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.table = Table(16, 64)
        self.truth: dict[int, Truth] = {}
        self.queue: list[tuple[int, int, Callable[[], None]]] = []
        self.now_ns = START_NS
        self.calm_ns = START_NS + self.random.randint(2, 30) * SECOND
        self.trade_id = 0
        self.count = 0
        self.applied: set[int] = set()
        self.executed: dict[int, int] = {}
        self.final: dict[int, str] = {}

    @property
    def calm(self) -> bool:
        return self.now_ns >= self.calm_ns

    def after(self, wait_ns: int, do: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self.queue, (self.now_ns + wait_ns, self.count, do))

    # -- what reaches the table --

    def tell(self, news: News, *, sure: bool = False, last_qty: int = 0, trade_id: int = -1) -> None:
        """Delivers it once, not at all, or several times, at any times."""
        times = 1 if self.calm or sure else self.random.choice((0, 1, 1, 1, 2, 3))
        for _ in range(times):
            wait_ns = self.random.randint(0, 50 * MS if self.calm or sure else 3 * SECOND)
            self.after(wait_ns, lambda: self.hear(news, last_qty, trade_id))

    def hear(self, news: News, last_qty: int, trade_id: int) -> None:
        change = self.table.apply(news, self.now_ns, last_qty=last_qty, trade_id=trade_id)
        assert not change.zombie, "an order was given up that existed"
        if change.order == ffi.NULL:
            return
        seq = change.order.seq
        before, after = STATE_NAMES[getattr(change, "from")], STATE_NAMES[change.to]
        assert before not in ENDED or after == before, "what has ended has ended"
        self.executed_of(change.order)
        if change.fill and trade_id not in self.applied:
            self.applied.add(trade_id)
            assert lib.mm_orders_filled(self.table.raw, change.order, last_qty, self.now_ns)
            self.executed[seq] = self.executed.get(seq, 0) + last_qty
        assert lib.mm_orders_valid(self.table.raw)

    def executed_of(self, order: Any) -> None:
        assert order.executed_e8 == self.executed.get(order.seq, 0), "only new trades count, and they stay"

    # -- requests --

    def place(self) -> None:
        qty = self.random.randint(1, 5)
        order = self.table.place(self.random.randint(0, 1), 100, qty, self.now_ns)
        if order is not None:
            self.send(order.seq, qty, None)

    def replace(self, old: Any) -> None:
        """One request: the old order is cancelled, and only then a new one is placed."""
        qty = self.random.randint(1, 5)
        order = self.table.replace(old, 100, qty, self.now_ns)
        if order is not None:
            assert order.replaces_seq == old.seq
            assert old.replaced_by == order.seq
            self.send(order.seq, qty, self.truth[old.seq])

    def send(self, seq: int, qty: int, old: Truth | None) -> None:
        operation = "PLACE" if old is None else "REPLACE"
        truth = Truth(seq, qty)
        self.truth[seq] = truth
        kind = self.random.random()
        if kind < 0.1:
            self.after(MS, lambda: self.hear(News("NOT_SENT", seq, operation=operation), 0, -1))
            truth.state = "NOT_SENT"
            return
        sent_ns = self.now_ns
        self.after(0, lambda: self.hear(News("SENT", seq, operation=operation, recv_ns=sent_ns), 0, -1))
        if kind < 0.25:
            truth.state = "NEVER_CAME"
            if self.random.random() < 0.5:
                self.tell(News("LOST", seq, operation=operation))
            return
        wait_ns = self.random.randint(0, 11 * SECOND) if kind < 0.5 else self.random.randint(0, 20 * MS)
        self.after(wait_ns, lambda: self.arrive(truth, old))

    def arrive(self, truth: Truth, old: Truth | None) -> None:
        answered = self.random.random() < 0.7
        operation = "PLACE" if old is None else "REPLACE"
        if old is not None and self.random.random() < 0.1:
            truth.state = "REJECTED"  # refused as a request: neither half was done
            if answered:
                self.tell(News("CANCEL_REJECT", truth.seq, operation="REPLACE", reject="LIMIT", code=-1015))
                self.tell(News("REJECT", truth.seq, operation="REPLACE", reject="LIMIT", code=-1015))
            return
        if old is not None and old.state != "LIVE":
            truth.state = "REJECTED"
            if answered:
                self.tell(News("CANCEL_REJECT", truth.seq, operation="REPLACE", reject="UNKNOWN_ORDER", code=-2011))
                self.tell(News("REJECT", truth.seq, operation="REPLACE", code=-2022))
            return
        if old is not None:
            old.become("CANCELED", self.now_ns)
            if answered:
                self.tell(News("CANCELED", old.seq, "CANCELED", old.executed, old.seq, qty=old.qty))
            self.report(old)
        if self.random.random() < 0.1:
            truth.state = "REJECTED"
            self.tell(News("REJECT", truth.seq, reject="WOULD_MATCH", operation=operation))
            return
        truth.become("LIVE", self.now_ns)
        if answered:
            self.tell(News("ACK", truth.seq, executed=-1, exchange_id=truth.seq))
        else:
            self.tell(News("LOST", truth.seq, exchange_id=truth.seq, code=-1007, operation=operation))
        self.report(truth)
        for _ in range(self.random.randint(0, 3)):
            self.after(self.random.randint(0, 10 * SECOND), lambda: self.trade(truth))
        if self.random.random() < 0.1:
            self.after(self.random.randint(0, 10 * SECOND), lambda: self.expire(truth))

    def report(self, truth: Truth) -> None:
        self.tell(News("REPORT", truth.seq, truth.state, truth.executed, truth.seq, qty=truth.qty))

    def amend(self, order: Any, qty: int) -> None:
        """To a smaller quantity; what it asks for may be outdated when it arrives, if it does."""
        lib.mm_orders_amend(self.table.raw, order, qty, self.now_ns)
        truth, kind = self.truth[order.seq], self.random.random()
        if kind < 0.1:
            self.after(0, lambda: self.hear(News("NOT_SENT", truth.seq, operation="AMEND"), 0, -1))
        elif kind < 0.9:
            wait_ns = self.random.randint(0, 11 * SECOND) if kind < 0.3 else self.random.randint(0, 20 * MS)
            self.after(wait_ns, lambda: self.amend_arrives(truth, qty))

    def amend_arrives(self, truth: Truth, qty: int) -> None:
        answer = News("LOST", truth.seq, operation="AMEND", code=-1007)
        if truth.state != "LIVE":
            answer = News("AMEND_REJECT", truth.seq, operation="AMEND", reject="UNKNOWN_ORDER", code=-2011)
        elif not truth.executed < qty < truth.qty:
            answer = News("AMEND_REJECT", truth.seq, operation="AMEND", code=-2038)
        else:
            truth.qty = qty
            truth.become("LIVE", self.now_ns)
            if self.random.random() < 0.8:
                answer = News("AMENDED", truth.seq, "FREE", truth.executed, truth.seq, qty=qty)
            self.report(truth)
        self.tell(answer)

    def trade(self, truth: Truth) -> None:
        if truth.state != "LIVE" or self.calm:
            return
        self.trade_id += 1
        qty = self.random.randint(1, truth.qty - truth.executed)
        truth.fills.append((self.trade_id, qty))
        truth.become("FILLED" if truth.executed == truth.qty else "LIVE", self.now_ns)
        news = News("REPORT", truth.seq, truth.state, truth.executed, truth.seq, fill=True)
        self.tell(news, last_qty=qty, trade_id=self.trade_id)

    def expire(self, truth: Truth) -> None:
        if truth.state == "LIVE":
            truth.become("EXPIRED", self.now_ns)
            self.report(truth)

    def cancel(self, order: Any) -> None:
        lib.mm_orders_cancel(self.table.raw, order, self.now_ns)
        truth = self.truth[order.seq]
        if not self.calm and self.random.random() < 0.1:
            self.after(0, lambda: self.hear(News("NOT_SENT", truth.seq, operation="CANCEL"), 0, -1))
        elif self.calm or self.random.random() < 0.8:
            self.after(self.random.randint(0, 50 * MS), lambda: self.cancel_arrives(truth))

    def cancel_arrives(self, truth: Truth) -> None:
        if truth.state == "LIVE":
            truth.become("CANCELED", self.now_ns)
            self.tell(News("CANCELED", truth.seq, "CANCELED", truth.executed, truth.seq, qty=truth.qty))
            self.report(truth)
        else:
            self.tell(News("CANCEL_REJECT", truth.seq, operation="CANCEL", reject="UNKNOWN_ORDER"))

    def query(self, seq: int) -> None:
        state, executed, qty = self.truth[seq].as_of(self.now_ns - self.random.randint(0, self.LAG_NS))
        if state == "NONE":
            self.tell(News("STATUS", seq, "OTHER", found=False))
        else:
            self.tell(News("STATUS", seq, state, executed, seq, qty=qty))

    def trades(self, seq: int) -> None:
        if not self.calm and self.random.random() < 0.5:
            return
        _state, executed, _qty = self.truth[seq].as_of(self.now_ns - self.random.randint(0, self.LAG_NS))
        told = 0
        for trade_id, qty in self.truth[seq].fills:
            told += qty
            if told <= executed:
                self.hear(News("TRADE_ROW", seq, "OTHER", -1, seq, fill=True), qty, trade_id)
        order = self.table.find(seq)
        if order is not None:
            order.trades_checked = 1

    def doubt_all(self) -> None:
        for order in self.table.open():
            self.hear(News("LOST", order.seq), 0, -1)

    # -- the run --

    def work(self) -> None:
        while (due := self.table.due(self.now_ns)) is not None:
            order, bits = due
            seq = order.seq
            if "CANCEL" in bits:
                self.cancel(order)
            if "QUERY" in bits:
                self.after(self.random.randint(0, 50 * MS), lambda seq=seq: self.query(seq))  # type: ignore[misc]
            if "TRADES" in bits:
                self.after(self.random.randint(0, 50 * MS), lambda seq=seq: self.trades(seq))  # type: ignore[misc]
        for order in self.table.open():
            self.assert_counts_in_full(order)
            if order.state == lib.MM_ORDER_LIVE and not order.cancel_pending:
                self.decide(order)
            lib.mm_orders_disprove(self.table.raw, order, True, self.now_ns)

    def assert_counts_in_full(self, order: Any) -> None:
        """What may still be executed is never thought smaller than it is."""
        truth = self.truth[order.seq]
        if truth.state == "LIVE":
            assert order.qty_e8 >= truth.qty

    def decide(self, order: Any) -> None:
        kind = self.random.random()
        if self.calm or kind < 0.1:
            self.cancel(order)
        elif kind < 0.2 and order.exchange_id:
            self.replace(order)
        elif kind < 0.3 and not order.amend_qty_e8 and order.executed_e8 + 1 < order.qty_e8:
            self.amend(order, self.random.randint(order.executed_e8 + 1, order.qty_e8 - 1))

    def quiet(self) -> bool:
        raw = self.table.raw
        return self.calm and lib.mm_orders_count(raw, -1, -1) == 0 and lib.mm_orders_unfilled_reports(raw) == 0

    def run(self) -> None:
        for _ in range(self.random.randint(1, 20)):
            self.after(self.random.randint(0, self.calm_ns - START_NS - 1), self.place)
        self.after(self.calm_ns - START_NS, self.doubt_all)
        while self.queue or not self.quiet():
            deadline = lib.mm_orders_deadline(self.table.raw)
            at_ns = self.queue[0][0] if self.queue else NEVER_NS
            self.now_ns = max(self.now_ns, min(at_ns, deadline))
            assert self.now_ns < self.calm_ns + 60 * SECOND, "every doubt ends"
            while self.queue and self.queue[0][0] <= self.now_ns:
                heapq.heappop(self.queue)[2]()
            self.work()


FINAL = {"NEVER_CAME": {"NOT_ACCEPTED"}, "REJECTED": {"REJECTED", "NOT_ACCEPTED"}}


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_order_loss_and_repetition_of_news_ends_in_the_exchanges_own_truth(seed: int) -> None:
    exchange = Exchange(seed)
    exchange.run()
    for seq, truth in exchange.truth.items():
        change = exchange.table.apply(News("LOST", seq, operation="QUERY"), exchange.now_ns)
        assert change.order != ffi.NULL
        assert STATE_NAMES[change.to] in FINAL.get(truth.state, {truth.state})
        assert change.order.executed_e8 == truth.executed
    assert exchange.applied == {trade_id for truth in exchange.truth.values() for trade_id, _qty in truth.fills}


@pytest.mark.parametrize("accepted_after_ms", [0, 900, 5_000, 9_000, 10_900])
def test_an_order_accepted_late_in_silence_is_canceled_and_never_disproved(accepted_after_ms: int) -> None:
    table = Table(4, 4)
    order = table.place(0, 100, 5, START_NS)
    assert order is not None
    table.apply(News("SENT", 1, recv_ns=START_NS), START_NS)
    canceled_ns = None
    while canceled_ns is None:
        now_ns = lib.mm_orders_deadline(table.raw)
        due = table.due(now_ns)
        assert due is not None
        if "CANCEL" not in due[1]:
            continue
        lib.mm_orders_cancel(table.raw, order, now_ns)
        if now_ns >= START_NS + accepted_after_ms * MS:
            table.apply(News("CANCELED", 1, "CANCELED", 0, 1), now_ns)
            canceled_ns = now_ns
        else:
            table.apply(News("CANCEL_REJECT", 1, operation="CANCEL", reject="UNKNOWN_ORDER"), now_ns)
            table.apply(News("STATUS", 1, "OTHER", found=False), now_ns)
            order.trades_checked = 1
            assert not lib.mm_orders_disprove(table.raw, order, True, now_ns)
    assert canceled_ns <= START_NS + 13 * SECOND
    assert lib.mm_orders_count(table.raw, -1, -1) == 0
