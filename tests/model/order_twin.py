"""A slow twin of the order table: a dict, a list and the rules, written for reading.

States and kinds go by their names ("LIVE", "ACK"); times are in nanoseconds; quantities count 1e-8. Python's integers
do not overflow, and nothing here is fast.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

OPEN = ("PENDING", "LIVE", "UNKNOWN")
NEVER = ("REJECTED", "NOT_SENT", "NOT_ACCEPTED")
ENDED = ("FILLED", "CANCELED", "EXPIRED", *NEVER)
SAID = ("LIVE", "FILLED", "CANCELED", "REJECTED", "EXPIRED")
PAUSES_NS = (500_000_000, 1_000_000_000, 2_000_000_000, 4_000_000_000)


def pause_ns(times: int) -> int:
    """The wait after the `times`-th attempt (from 1)."""
    return PAUSES_NS[min(times, len(PAUSES_NS)) - 1]


@dataclass(frozen=True, slots=True)
class Settings:
    """The table's times, as in mm_order_config."""

    reply_timeout_ns: int = 1_000_000_000
    recv_window_ns: int = 1_000_000_000
    unknown_first_ns: int = 300_000_000
    unknown_settle_ns: int = 12_000_000_000
    tombstone_ns: int = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class News:
    """One record: `kind` and what it says. `status` "OTHER" is a state nobody knows; `executed` -1 is not said."""

    kind: str
    seq: int
    status: str = "LIVE"
    executed: int = -1
    exchange_id: int = 0
    fill: bool = False
    found: bool = True
    operation: str = "PLACE"
    reject: str = "OTHER"
    code: int = 0
    recv_ns: int = 0
    qty: int = 0

    @property
    def is_outcome(self) -> bool:
        return self.kind in ("REJECT", "CANCEL_REJECT", "AMEND_REJECT", "LOST", "SENT", "NOT_SENT")


@dataclass(slots=True)
class Order:
    seq: int
    side: int
    price: int
    qty: int
    created_ns: int
    state: str = "PENDING"
    executed: int = 0
    reported: int = 0
    exchange_id: int = 0
    sent_ns: int = 0
    live_ns: int = 0
    cancel_ns: int = 0
    unknown_ns: int = 0
    retry_ns: int = 0
    ended_ns: int = 0
    cancel_pending: bool = False
    attempts: int = 0
    cancel_refused: bool = False
    query_missing: bool = False
    trades_checked: bool = False
    placed: int = 0
    amend: int = 0
    amend_ns: int = 0
    amends: int = 0
    again_ns: int = 0
    replaces: int = 0
    replaced_by: int = 0
    round_ns: int = 0
    amend_due_ns: int = 0
    amend_repeats: int = 0
    again_wait_ns: int = 0
    trades_ns: int | None = None
    cancel_repeats: int = 0
    trades_repeats: int = 0

    @property
    def missing(self) -> bool:
        return self.reported > self.executed


@dataclass(slots=True)
class Change:
    order: Order | None = None
    before: str = "FREE"
    after: str = "FREE"
    first_live: bool = False
    ended: bool = False
    fill: bool = False
    overfill: bool = False
    zombie: bool = False
    not_attempted: bool = False
    reject: str = "OTHER"


@dataclass(slots=True)
class OrderTwin:
    room: int
    tombstones: int
    settings: Settings = field(default_factory=Settings)
    table: dict[int, Order] = field(default_factory=dict)
    graves: dict[int, Order] = field(default_factory=dict)
    ring: list[int | None] = field(init=False)
    ring_next: int = 0
    last_seq: int = 0

    def __post_init__(self) -> None:
        self.ring = [None] * self.tombstones

    # -- what the caller does --

    def place(self, side: int, price: int, qty: int, now_ns: int) -> Order | None:
        if len(self.table) == self.room:
            return None
        self.last_seq += 1
        order = Order(self.last_seq, side, price, qty, now_ns, placed=qty)
        self.table[order.seq] = order
        return order

    def cancel(self, order: Order, now_ns: int) -> None:
        if not order.cancel_pending and order.state != "UNKNOWN":
            order.cancel_repeats = 0
            order.retry_ns = now_ns + self.settings.reply_timeout_ns
        order.cancel_pending = True
        order.cancel_ns = now_ns
        order.cancel_refused = False
        order.replaced_by = 0

    def replace(self, old: Order, price: int, qty: int, now_ns: int) -> Order | None:
        order = self.place(old.side, price, qty, now_ns)
        if order is not None:
            self.cancel(old, now_ns)
            old.replaced_by = order.seq
            order.replaces = old.seq
        return order

    def amend(self, order: Order, qty: int, now_ns: int) -> None:
        order.amend = qty
        order.amend_ns = now_ns
        order.amends += 1
        order.amend_repeats = 0
        order.amend_due_ns = now_ns + self.settings.reply_timeout_ns

    def filled(self, order: Order, qty: int, now_ns: int) -> bool:
        order.executed += qty
        order.reported = max(order.reported, order.executed)
        if order.seq in self.table:
            if not order.missing:
                order.trades_ns = None
            if order.state in ENDED:
                if not order.missing:
                    self._bury(order)
            elif order.executed >= order.qty:
                self._end(order, "FILLED", now_ns)
        return order.executed <= order.placed

    def disprove(self, order: Order, balances_equal: bool, now_ns: int) -> bool:
        settled_ns = self._settled_ns(order)
        if (
            order.state != "UNKNOWN"
            or order.live_ns
            or order.exchange_id
            or order.reported
            or not (order.cancel_refused and order.query_missing and order.trades_checked and balances_equal)
            or not settled_ns <= order.round_ns <= order.cancel_ns
            or now_ns < settled_ns
        ):
            return False
        self._end(order, "NOT_ACCEPTED", now_ns)
        return True

    def vanish(self, order: Order, now_ns: int) -> None:
        order.reported = order.executed
        self._end(order, "NOT_ACCEPTED", now_ns)

    # -- what is due --

    def due(self, now_ns: int) -> Iterator[tuple[Order, set[str]]]:
        for seq in sorted(self.table):
            order = self.table[seq]
            bits = self._due_of(order, now_ns)
            if bits:
                yield order, bits

    def _due_of(self, order: Order, now_ns: int) -> set[str]:
        bits: set[str] = set()
        if order.state == "PENDING" and now_ns >= self._reply_by_ns(order):
            self._doubt(order, now_ns)
            bits = {"UNKNOWN"}
        elif order.state == "UNKNOWN" and now_ns >= order.retry_ns:
            order.attempts += 1
            order.cancel_refused = order.query_missing = order.trades_checked = False
            order.round_ns = now_ns
            order.retry_ns = now_ns + pause_ns(order.attempts)
            if now_ns < self._settled_ns(order):
                order.retry_ns = min(order.retry_ns, self._settled_ns(order))
            bits = {"CANCEL", "QUERY", "TRADES"}
        elif order.state == "LIVE" and order.cancel_pending and now_ns >= order.retry_ns:
            order.cancel_repeats = min(order.cancel_repeats + 1, len(PAUSES_NS))
            order.retry_ns = now_ns + max(pause_ns(order.cancel_repeats), self.settings.reply_timeout_ns)
            bits = {"CANCEL"}
        if order.state == "LIVE" and order.amend and now_ns >= order.amend_due_ns:
            order.amend_repeats += 1
            order.amend_due_ns = now_ns + pause_ns(order.amend_repeats)
            bits.add("QUERY")
        if order.trades_ns is not None and now_ns >= order.trades_ns:
            order.trades_repeats += 1
            order.trades_ns = now_ns + pause_ns(order.trades_repeats)
            bits.add("TRADES")
        return bits

    def deadline(self) -> int | None:
        times = []
        for order in self.table.values():
            if order.state == "PENDING":
                times.append(self._reply_by_ns(order))
            elif order.state == "UNKNOWN" or order.cancel_pending:
                times.append(order.retry_ns)
            if order.state == "LIVE" and order.amend:
                times.append(order.amend_due_ns)
            if order.trades_ns is not None:
                times.append(order.trades_ns)
        return min(times, default=None)

    # -- what is said --

    def find(self, seq: int, now_ns: int) -> Order | None:
        if seq in self.table:
            return self.table[seq]
        grave = self.graves.get(seq)
        return grave if grave is not None and now_ns - grave.ended_ns < self.settings.tombstone_ns else None

    def apply(self, news: News, now_ns: int) -> Change:
        change = Change()
        order = self.find(news.seq, now_ns)
        if order is not None and news.kind == "CANCEL_REJECT" and news.operation == "REPLACE":
            order = self._replaced_by(order)
        if order is None:
            return change
        change.order = order
        change.before = order.state
        if news.is_outcome:
            self._outcome(order, news, now_ns, change)
        elif news.kind == "STATUS" and not news.found:
            order.query_missing = order.state == "UNKNOWN"
        else:
            self._evidence(order, news, now_ns, change)
        change.after = order.state
        change.ended = change.after != change.before and change.after in ENDED
        return change

    def _evidence(self, order: Order, news: News, now_ns: int, change: Change) -> None:
        said = news.status if news.status in SAID and news.kind != "TRADE_ROW" else "OTHER"
        if news.kind == "CANCELED" and said == "LIVE":
            said = "CANCELED"
        if news.kind == "AMENDED" and news.status == "FREE":
            said = "LIVE"
        executed = (order.amend or order.qty) if said == "FILLED" and news.executed < 0 else news.executed
        change.fill = news.kind == "TRADE_ROW" or (news.kind == "REPORT" and news.fill)
        change.overfill = executed > order.placed
        if order.state in ENDED:
            change.zombie = said != "REJECTED" and order.state in NEVER
            if order.seq in self.graves and not self._exhume(order, change.zombie or executed > order.executed):
                return
            if not change.zombie:
                self._report(order, executed, now_ns)
                return
            order.state = "PENDING"
            order.ended_ns = 0
            if said == "OTHER":
                self._doubt(order, now_ns)
        self._hear(order, news, said, executed, now_ns, change)

    def _hear(self, order: Order, news: News, said: str, executed: int, now_ns: int, change: Change) -> None:
        seen = order.live_ns != 0
        order.exchange_id = order.exchange_id or news.exchange_id
        if said != "REJECTED" and not seen:
            order.live_ns = now_ns
            change.first_live = True
        if not change.fill and news.qty:
            self._quantity(order, news, now_ns)
        self._report(order, executed, now_ns)
        if said == "OTHER":
            if not change.fill:
                self._doubt(order, now_ns)
        elif said == "REJECTED" and seen:
            self._doubt(order, now_ns)
        elif said != "LIVE":
            self._end(order, said, now_ns)
        elif order.state == "PENDING":
            self._live(order, now_ns)
        elif order.state == "UNKNOWN":
            fresh = news.kind in ("STATUS", "OPEN_ROW") or not seen
            if fresh and not order.cancel_refused:
                self._live(order, now_ns)

    def _quantity(self, order: Order, news: News, now_ns: int) -> None:
        order.qty = min(order.qty, news.qty)
        settled = news.kind in ("STATUS", "OPEN_ROW") and now_ns >= order.amend_ns + self._settling_ns()
        if order.qty <= order.amend or settled:
            order.amend = 0

    def _outcome(self, order: Order, news: News, now_ns: int, change: Change) -> None:
        placing = news.operation in ("PLACE", "REPLACE")
        if news.kind == "SENT":
            self._sent(order, news, placing)
            return
        old = self._replaced_by(order) if news.operation == "REPLACE" else None
        if old is not None and news.kind == "LOST":
            self._hasten(old, now_ns)
        elif old is not None and news.kind == "NOT_SENT":
            self._release(old, order.seq)
        if order.state in ENDED:
            return
        if news.kind == "REJECT":
            if news.reject == "DUPLICATE" or order.live_ns:
                self._doubt(order, now_ns)
            else:
                change.reject = news.reject
                change.not_attempted = news.operation == "REPLACE" and news.code == -2022
                self._end(order, "REJECTED", now_ns)
        elif news.kind == "CANCEL_REJECT":
            self._cancel_refused(order, news, now_ns)
        elif news.kind == "AMEND_REJECT":
            order.amend = 0
            if news.reject == "UNKNOWN_ORDER" and order.state == "LIVE":
                self._doubt(order, now_ns)
        elif news.kind == "LOST":
            if news.operation == "CANCEL":
                self._hasten(order, now_ns)
            elif news.operation == "AMEND":
                order.amend_due_ns = min(order.amend_due_ns, now_ns + self.settings.unknown_first_ns)
            elif placing and (order.state != "LIVE" or news.code == 0):
                self._doubt(order, now_ns)
        elif news.operation == "CANCEL":
            order.cancel_pending = False
            order.replaced_by = 0
            self._wait(order, now_ns)
        elif news.operation == "AMEND" and order.amend:
            order.amend = 0
            order.amends -= 1
            self._wait(order, now_ns)
        elif placing and not order.sent_ns and not order.live_ns:
            self._end(order, "NOT_SENT", now_ns)

    def _sent(self, order: Order, news: News, placing: bool) -> None:
        if placing and order.sent_ns == 0:
            order.sent_ns = news.recv_ns
        if news.operation not in ("CANCEL", "AMEND") or order.seq not in self.table:
            return
        order.again_ns = order.again_wait_ns = 0
        if news.operation == "AMEND" and order.amend_repeats == 0:
            order.amend_ns = news.recv_ns
            order.amend_due_ns = news.recv_ns + self.settings.reply_timeout_ns

    def _cancel_refused(self, order: Order, news: News, now_ns: int) -> None:
        if news.reject != "UNKNOWN_ORDER":
            if news.operation == "REPLACE":
                self._release(order, news.seq)
            else:
                self._hasten(order, now_ns)
            return
        order.cancel_pending = False
        order.replaced_by = 0
        if order.state == "LIVE":
            self._doubt(order, now_ns)
        order.cancel_refused = order.state == "UNKNOWN"

    def _replaced_by(self, order: Order) -> Order | None:
        """The order that goes with `order`, unless it is over."""
        old = self.table.get(order.replaces)
        return old if old is not None and old.state in OPEN else None

    def _release(self, old: Order, seq: int) -> None:
        if old.replaced_by == seq:
            old.cancel_pending = False
            old.replaced_by = 0

    def _wait(self, order: Order, now_ns: int) -> None:
        order.again_wait_ns = min(2 * order.again_wait_ns or 20_000_000, 1_000_000_000)
        order.again_ns = now_ns + order.again_wait_ns

    # -- changes of state --

    def _reply_by_ns(self, order: Order) -> int:
        return (order.sent_ns or order.created_ns) + self.settings.reply_timeout_ns

    def _settled_ns(self, order: Order) -> int:
        return (order.sent_ns or order.unknown_ns) + self._settling_ns()

    def _settling_ns(self) -> int:
        return self.settings.recv_window_ns + self.settings.unknown_settle_ns

    def _hasten(self, order: Order, now_ns: int) -> None:
        wait_ns = pause_ns(order.cancel_repeats) if order.cancel_repeats else self.settings.unknown_first_ns
        if order.state == "LIVE" and order.cancel_pending:
            order.retry_ns = min(order.retry_ns, now_ns + wait_ns)

    def _doubt(self, order: Order, now_ns: int) -> None:
        if order.state != "UNKNOWN":
            order.state = "UNKNOWN"
            order.unknown_ns = now_ns
            order.retry_ns = now_ns + self.settings.unknown_first_ns
            order.attempts = order.round_ns = 0
            order.cancel_refused = order.query_missing = order.trades_checked = False

    def _live(self, order: Order, now_ns: int) -> None:
        order.state = "LIVE"
        order.unknown_ns = order.attempts = order.cancel_repeats = 0
        order.cancel_refused = order.query_missing = order.trades_checked = False
        order.retry_ns = now_ns + self.settings.reply_timeout_ns if order.cancel_pending else 0

    def _report(self, order: Order, executed: int, now_ns: int) -> None:
        order.reported = max(order.reported, executed)
        if order.missing and order.trades_ns is None:
            order.trades_ns = now_ns + self.settings.unknown_first_ns
            order.trades_repeats = 0

    def _end(self, order: Order, state: str, now_ns: int) -> None:
        order.state = state
        order.ended_ns = now_ns
        order.cancel_pending = order.cancel_refused = order.query_missing = False
        order.unknown_ns = order.retry_ns = order.replaced_by = order.amend = order.again_ns = 0
        if not order.missing:
            self._bury(order)

    def _bury(self, order: Order) -> None:
        oldest = self.ring[self.ring_next]
        if oldest is not None:
            del self.graves[oldest]
        self.ring[self.ring_next] = order.seq
        self.ring_next = (self.ring_next + 1) % self.tombstones
        del self.table[order.seq]
        self.graves[order.seq] = order

    def _exhume(self, order: Order, wanted: bool) -> bool:
        if not wanted or len(self.table) == self.room:
            return False
        self.ring[self.ring.index(order.seq)] = None
        del self.graves[order.seq]
        self.table[order.seq] = order
        order.trades_ns = None
        order.round_ns = order.cancel_repeats = order.trades_repeats = 0
        order.amend_due_ns = order.amend_repeats = order.again_wait_ns = 0
        return True
