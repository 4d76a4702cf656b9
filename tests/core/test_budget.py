"""The budget against counting everything, and against an exchange that refuses what is too much."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mmcore._native import ffi, lib
from tests.core.order_table import memory_of
from tests.model.budget_twin import ORDERS, SECOND, SPANS, BudgetTwin

MS = 10**6
NEVER = 2**63 - 1
OPERATIONS = ("PLACE", "REPLACE", "CANCEL", "AMEND", "QUERY")
CONFIG = {"orders_10s_limit": 50, "orders_day_limit": 160_000, "weight_1m_limit": 6000, "raw_5m_limit": 300_000,
          "orders_pct": 50}


class Budget:
    """The library's budget."""

    def __init__(self, config: dict[str, int]) -> None:
        raw = ffi.new("mm_budget_config *", config)
        needed = lib.mm_budget_bytes(raw)
        made, bad_field = ffi.new("mm_budget **"), ffi.new("char **")
        self._memory = memory_of(needed)
        assert lib.mm_budget_init(self._memory, needed, raw, made, bad_field) == lib.MM_OK
        self.raw = made[0]

    def sent(self, operation: str, now: int) -> None:
        lib.mm_budget_sent(self.raw, getattr(lib, f"MM_OP_{operation}"), now)

    def orders(self, empty: bool, now: int) -> int:
        return int(lib.mm_budget_orders(self.raw, lib.MM_NEED_EMPTY if empty else lib.MM_NEED_MOVE, now))

    def deadline(self, empty: bool, now: int) -> int:
        return int(lib.mm_budget_deadline(self.raw, lib.MM_NEED_EMPTY if empty else lib.MM_NEED_MOVE, now))

    def said(self, now: int, counts: dict[str, int], limits: dict[str, int], orders: int = 0, weight: int = 0) -> None:
        body = {"recv_ns": now, **counts, **{f"{name}_limit": limit for name, limit in limits.items()}}
        lib.mm_budget_said(self.raw, ffi.new("mm_budget_body *", body), orders, weight)


# ---- Against the twin ----------------------------------------------------------------------------------

steps = st.one_of(st.integers(0, 20 * MS), st.integers(0, 2 * SECOND), st.sampled_from((9 * SECOND, 70 * SECOND)))


class BudgetAgainstTwin(RuleBasedStateMachine):
    """Whatever is sent and said, in whatever window: what is left is what a count of everything leaves."""

    @initialize(
        limit=st.integers(1, 60), day=st.integers(1, 200), weight=st.integers(10, 300), raw=st.integers(5, 400),
        pct=st.integers(1, 100), start=st.integers(0, 86_400 * SECOND),
    )  # fmt: skip
    def begin(self, limit: int, day: int, weight: int, raw: int, pct: int, start: int) -> None:
        self.budget = Budget({"orders_10s_limit": limit, "orders_day_limit": day, "weight_1m_limit": weight,
                              "raw_5m_limit": raw, "orders_pct": pct})
        self.twin = BudgetTwin(dict(zip(SPANS, (limit, day, weight, raw), strict=True)), pct)
        self.now = 10**6 * SECOND + start
        self.twin.offset = 1_700_000_000 * SECOND
        lib.mm_budget_clock(self.budget.raw, self.twin.offset)
        self.past: list[tuple[str, int]] = []

    @rule(step=steps, operation=st.sampled_from(("PLACE", "PLACE", *OPERATIONS)), times=st.integers(1, 4))
    def send(self, step: int, operation: str, times: int) -> None:
        self.now += step
        for _ in range(times):
            self.budget.sent(operation, self.now)
            self.twin.sent(operation, self.now)
            self.past.append((operation, self.now))

    @rule(step=steps, weight=st.sampled_from((1, 6, 20, 250)))
    def read(self, step: int, weight: int) -> None:
        self.now += step
        lib.mm_budget_read(self.budget.raw, weight, self.now)
        self.twin.read(weight, self.now)

    @rule(step=steps, data=st.data(), what=st.sampled_from(("not_sent", "failed", "maker", "taker")))
    def hear(self, step: int, data: st.DataObject, what: str) -> None:
        self.now += step
        operation, sent = data.draw(st.sampled_from(self.past or [("PLACE", self.now)]))
        number = getattr(lib, f"MM_OP_{operation}")
        if what == "not_sent":
            lib.mm_budget_not_sent(self.budget.raw, number, sent, self.now)
            self.twin.not_sent(operation, sent, self.now)
        elif what == "failed":
            lib.mm_budget_failed(self.budget.raw, number, self.now)
            self.twin.failed(operation, self.now)
        else:
            lib.mm_budget_fill(self.budget.raw, what == "maker", self.now)
            self.twin.fill(what == "maker", self.now)

    @rule(
        step=steps,
        counts=st.fixed_dictionaries({name: st.integers(-1, 70) for name in SPANS}),
        limits=st.fixed_dictionaries({name: st.sampled_from((-1, -1, -1, 40, 100)) for name in SPANS}),
        in_flight=st.tuples(st.integers(0, 4), st.integers(0, 9)),
    )
    def say(self, step: int, counts: dict[str, int], limits: dict[str, int], in_flight: tuple[int, int]) -> None:
        self.now += step
        self.budget.said(self.now, counts, limits, *in_flight)
        self.twin.said(counts, limits, self.now, *in_flight)

    @rule(empty=st.booleans())
    def wait_for_room(self, empty: bool) -> None:
        """There is none before the deadline that is told."""
        at = self.budget.deadline(empty, self.now)
        assert (at == NEVER) is (self.budget.orders(empty, self.now) > 0)
        if at == NEVER:
            return
        assert self.now < at <= self.now + 86_400 * SECOND
        for part in range(8):
            assert self.twin.orders(empty, self.now + (at - 1 - self.now) * part // 7) == 0
        self.now = at

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "twin"):
            return
        assert lib.mm_budget_valid(self.budget.raw)
        for empty in (False, True):
            assert self.budget.orders(empty, self.now) == self.twin.orders(empty, self.now)
        for need in ("MOVE", "QUERY"):
            for weight in (0, 4, 30):
                told = lib.mm_budget_may_ask(self.budget.raw, getattr(lib, f"MM_NEED_{need}"), weight, self.now)
                assert told is self.twin.may_ask(need == "QUERY", weight, self.now)


TestBudgetAgainstTwin = BudgetAgainstTwin.TestCase
TestBudgetAgainstTwin.settings = settings(max_examples=150, stateful_step_count=50)


# ---- Against an exchange -------------------------------------------------------------------------------


class Exchange:
    """Counts unfilled orders in windows of its own clock and refuses what is too much; requests and replies take their
    time, and our idea of its clock is a little off."""

    def __init__(self, seed: int, pct: int, fills: bool) -> None:
        self.random = random.Random(seed)
        self.limits = {"orders_10s": self.random.randint(5, 60), "orders_day": self.random.randint(100, 3000)}
        self.budget = Budget({**CONFIG, "orders_10s_limit": self.limits["orders_10s"],
                              "orders_day_limit": self.limits["orders_day"], "orders_pct": pct})
        self.fills = fills
        self.now = self.random.randint(0, 86_400) * SECOND
        self.offset = 1_700_000_000 * SECOND
        lib.mm_budget_clock(self.budget.raw, self.offset + self.random.randint(-150, 150) * MS)
        self.counts = dict.fromkeys(ORDERS, 0)
        self.windows = dict.fromkeys(ORDERS, 0)
        self.queue: list[tuple[int, int, Callable[[], None]]] = []
        self.number = 0
        self.in_flight = 0
        self.taken = 0
        self.refused = 0
        self.back_at = 0  # replies come in order

    def after(self, at: int, do: Callable[[], None]) -> None:
        self.number += 1
        heapq.heappush(self.queue, (at, self.number, do))

    def roll(self) -> None:
        for name in ORDERS:
            window = (self.now + self.offset) // SPANS[name]
            if window != self.windows[name]:
                self.windows[name], self.counts[name] = window, 0

    def send(self) -> None:
        self.budget.sent("PLACE", self.now)
        self.in_flight += 1
        self.after(self.now + self.random.randint(1, 150) * MS, self.arrive)

    def arrive(self) -> None:
        self.roll()
        if any(self.counts[name] >= self.limits[name] for name in ORDERS):
            self.refused += 1
        else:
            self.taken += 1
            for name in ORDERS:
                self.counts[name] += 1
            if self.fills and self.random.random() < 0.2:
                self.after(self.now + self.random.randint(0, 2000) * MS, self.fill)
        counts = dict(self.counts)
        self.back_at = max(self.back_at, self.now + self.random.randint(1, 150) * MS)
        self.after(self.back_at, lambda: self.reply(counts))

    def fill(self) -> None:
        """Told at once; the counts follow a little later."""
        lib.mm_budget_fill(self.budget.raw, True, self.now)
        self.after(self.now + self.random.randint(0, 50) * MS, self.credit)

    def credit(self) -> None:
        self.roll()
        for name in ORDERS:
            self.counts[name] = max(self.counts[name] - 5, 0)

    def reply(self, counts: dict[str, int]) -> None:
        self.in_flight -= 1
        if self.random.random() < 0.8:
            unsaid = {"weight_1m": -1, "raw_5m": -1}
            self.budget.said(self.now, {**counts, **unsaid}, {**self.limits, **unsaid}, self.in_flight, 0)

    def run(self, seconds: int) -> None:
        end = self.now + seconds * SECOND
        while self.now < end:
            while self.queue and self.queue[0][0] <= self.now:
                heapq.heappop(self.queue)[2]()
            for _ in range(self.budget.orders(True, self.now)):
                self.send()
            wake = min(self.budget.deadline(True, self.now), self.queue[0][0] if self.queue else NEVER)
            self.now = max(self.now + MS, min(wake, end))


@pytest.mark.parametrize("seed", range(12))
def test_whoever_sends_all_that_is_left_is_never_refused_and_uses_the_share(seed: int) -> None:
    exchange = Exchange(seed, 100, fills=False)
    exchange.run(120)
    assert exchange.refused == 0
    windows = min(exchange.limits["orders_10s"] * 12, exchange.limits["orders_day"] // 5)
    assert exchange.taken >= 0.7 * windows


@pytest.mark.parametrize("seed", range(12))
def test_what_fills_give_back_is_spent_too(seed: int) -> None:
    with_fills, without = Exchange(seed, 60, fills=True), Exchange(seed, 60, fills=False)
    for exchange in (with_fills, without):
        exchange.limits["orders_day"] = 10**6
        exchange.budget = Budget({**CONFIG, "orders_10s_limit": 40, "orders_day_limit": 10**6, "orders_pct": 60})
        exchange.limits["orders_10s"] = 40
        lib.mm_budget_clock(exchange.budget.raw, exchange.offset)
        exchange.run(120)
        assert exchange.refused == 0
    assert with_fills.taken > 1.2 * without.taken


def test_at_50_per_10_s_and_half_of_it_five_go_at_once_and_ten_for_sides_without_an_order() -> None:
    budget = Budget(CONFIG)
    lib.mm_budget_clock(budget.raw, 0)
    assert (budget.orders(False, 0), budget.orders(True, 0)) == (5, 10)
    assert (budget.orders(False, 5 * SECOND), budget.orders(True, 5 * SECOND)) == (12, 17)
    assert (budget.orders(False, 10 * SECOND - 1), budget.orders(True, 10 * SECOND - 1)) == (19, 24)
    for _ in range(5):
        budget.sent("PLACE", SECOND)
    assert budget.orders(False, SECOND) == 1
    budget.sent("REPLACE", SECOND)
    assert budget.orders(False, SECOND) == 0
    assert budget.deadline(False, SECOND) == -(-2 * 10 * SECOND // 15)
    assert budget.deadline(True, SECOND) == NEVER


def test_what_was_sent_in_a_window_that_a_corrected_clock_has_yet_to_begin_counts_in_it() -> None:
    budget = Budget(CONFIG)
    lib.mm_budget_clock(budget.raw, 0)
    for _ in range(5):
        budget.sent("PLACE", 10 * SECOND + 10 * MS)
    lib.mm_budget_clock(budget.raw, -20 * MS)
    assert budget.orders(False, 10 * SECOND + 30 * MS) == 0
    assert lib.mm_budget_valid(budget.raw)


@pytest.mark.parametrize("name", CONFIG)
@pytest.mark.parametrize("value", [0, -1, 2**40])
def test_a_budget_without_limits_is_refused_by_name(name: str, value: int) -> None:
    config = ffi.new("mm_budget_config *", {**CONFIG, name: value})
    made, bad_field = ffi.new("mm_budget **"), ffi.new("char **")
    assert lib.mm_budget_bytes(config) == 0
    assert lib.mm_budget_init(ffi.NULL, 0, config, made, bad_field) == lib.MM_E_ARGUMENT
    assert ffi.string(bad_field[0]).decode() == name
