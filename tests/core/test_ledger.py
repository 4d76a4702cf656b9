"""The ledger against its slow twin: balances, profit and trade ids to the atom, through any history."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mmcore._native import ffi, lib
from tests.core.order_table import Table, memory_of
from tests.model.ledger_twin import LedgerTwin, Refused, value
from tests.model.order_twin import News

ONE = 100_000_000
BASE, QUOTE, THIRD, OTHER = "BTC", "USDT", "BNB", "XRP"

prices = st.one_of(st.integers(1, 1_000 * ONE), st.sampled_from((1, ONE - 1, ONE, 33_333_333_333)))
quantities = st.one_of(st.integers(1, 3 * ONE), st.sampled_from((1, 2, ONE // 3, ONE)))
amounts = st.one_of(st.integers(0, 100 * ONE), st.sampled_from((0, 1, ONE)))


class Ledger:
    """The ledger of the library."""

    def __init__(self, ids_kept: int) -> None:
        symbol = ffi.new("mm_symbol *")
        symbol.base, symbol.quote = BASE.encode(), QUOTE.encode()
        bytes_ = lib.mm_ledger_bytes(ids_kept)
        self._memory = memory_of(bytes_)
        out = ffi.new("mm_ledger **")
        assert lib.mm_ledger_init(self._memory, bytes_, ids_kept, symbol, out) == lib.MM_OK
        self.raw = out[0]

    @staticmethod
    def _body(asset: str, free: int, locked: int) -> Any:
        body = ffi.new("mm_balance_body *")
        body.asset, body.free_e8, body.locked_e8 = asset.encode(), free, locked
        return body

    def report(self, asset: str, free: int, locked: int, time_us: int = 0) -> int:
        body = self._body(asset, free, locked)
        body.time_us = time_us
        return int(lib.mm_ledger_balance(self.raw, body))

    def deposit(self, asset: str, free: int, locked: int) -> int:
        return int(lib.mm_ledger_deposit(self.raw, self._body(asset, free, locked)))

    def fill(
        self, trade_id: int, bought: bool, price: int, qty: int, quote: int | None, fee_asset: str, fee: int
    ) -> tuple[bool, int]:
        body = ffi.new("mm_fill_body *")
        body.trade_id, body.quote_e8, body.fee_e8 = trade_id, -1 if quote is None else quote, fee
        body.fee_asset = fee_asset.encode()
        status = ffi.new("int32_t *")
        side = lib.MM_BID if bought else lib.MM_ASK
        return bool(lib.mm_ledger_fill(self.raw, side, price, qty, body, status)), int(status[0])

    def balances(self) -> dict[str, Any]:
        out = ffi.new("mm_balance[]", lib.MM_ASSETS_MAX)
        count = lib.mm_ledger_balances(self.raw, out, lib.MM_ASSETS_MAX)
        return {ffi.string(out[i].asset).decode(): out[i] for i in range(count)}

    def pnl(self, mid: int) -> Any | None:
        out = ffi.new("mm_pnl *")
        return out[0] if lib.mm_ledger_pnl(self.raw, mid, out) else None


class LedgerAgainstTwin(RuleBasedStateMachine):
    """Any history of reports, fills, fees, rebates, deposits and resets leaves both with the same books."""

    @initialize(power=st.integers(0, 6), base=amounts, quote=amounts, known=st.booleans())
    def begin(self, power: int, base: int, quote: int, known: bool) -> None:
        self.ledger = Ledger(2**power)
        self.twin = LedgerTwin(BASE, QUOTE, 2**power)
        if known:
            self.report_truth_of(BASE, base, 0)
            self.report_truth_of(QUOTE, quote, 0)

    def report_truth_of(self, asset: str, free: int, locked: int, time_us: int = 0) -> None:
        assert self.ledger.report(asset, free, locked, time_us) == lib.MM_OK
        self.twin.report(asset, free, locked, time_us)

    @rule(asset=st.sampled_from((BASE, QUOTE, THIRD)), free=amounts, locked=amounts,
          time_us=st.one_of(st.just(0), st.integers(1, 20_000)))
    def report_any(self, asset: str, free: int, locked: int, time_us: int) -> None:
        self.report_truth_of(asset, free, locked, time_us)

    @rule(asset=st.sampled_from((BASE, QUOTE, THIRD)), locked=amounts, wrong=st.sampled_from((0, 0, 0, -1, 1)))
    def report_what_the_ledger_has(self, asset: str, locked: int, wrong: int) -> None:
        held = (self.twin.held(asset) if asset in self.twin.assets else 0) + wrong
        if held >= 0:
            self.report_truth_of(asset, held - min(locked, held), min(locked, held))

    @rule(asset=st.sampled_from((BASE, QUOTE, THIRD)), change=st.integers(-2 * ONE, 2 * ONE), locked=st.integers(-5, 5))
    def deposit(self, asset: str, change: int, locked: int) -> None:
        before = self.total()
        status = self.ledger.deposit(asset, change - locked, locked)
        try:
            self.twin.deposit(asset, change)
        except Refused:
            assert status == lib.MM_E_STATE
            return
        assert status == lib.MM_OK
        assert self.total() == before, "what is put in or taken out is no profit"

    def total(self) -> int | None:
        pnl = self.ledger.pnl(self.twin.last_mid)
        return None if pnl is None else int(pnl.total_e8)

    @rule(
        trade_id=st.integers(0, 100),
        bought=st.booleans(),
        price=prices,
        qty=quantities,
        quote_off=st.one_of(st.none(), st.integers(0, 2)),
        fee_asset=st.sampled_from((BASE, QUOTE, THIRD, OTHER)),
        fee=st.one_of(st.just(0), st.integers(-ONE // 100, ONE // 100)),
    )
    def fill(
        self, trade_id: int, bought: bool, price: int, qty: int, quote_off: int | None, fee_asset: str, fee: int
    ) -> None:
        quote = None if quote_off is None else value(qty, price) + quote_off
        news, status = self.ledger.fill(trade_id, bought, price, qty, quote, fee_asset, fee)
        try:
            assert news is self.twin.fill(trade_id, bought, price, qty, quote, fee_asset, fee)
            assert status == lib.MM_OK
        except Refused:
            assert news
            assert status == lib.MM_E_STATE
        for side, buys in ((0, True), (1, False)):
            assert lib.mm_ledger_seen(self.ledger.raw, side, trade_id) is self.twin.seen(trade_id, buys)

    @rule(mid=prices)
    def see_mid(self, mid: int) -> None:
        lib.mm_ledger_start_mid(self.ledger.raw, mid)
        self.twin.mid(mid)

    @rule(price=st.integers(0, 500 * ONE))
    def see_price_of_third(self, price: int) -> None:
        if THIRD in self.twin.assets:
            lib.mm_ledger_price(self.ledger.raw, THIRD.encode(), price)
            self.twin.assets[THIRD].price = price

    @rule(sure=st.integers(0, 9))
    def rebase(self, sure: int) -> None:
        if sure == 0:
            lib.mm_ledger_rebase(self.ledger.raw)
            self.twin.rebase()

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "twin"):
            return
        raw, twin = self.ledger.raw, self.twin
        assert lib.mm_ledger_valid(raw)
        assert lib.mm_ledger_position(raw) == twin.position
        assert lib.mm_ledger_base(raw) == twin.held(BASE)
        assert lib.mm_ledger_quote(raw) == twin.held(QUOTE)
        assert lib.mm_ledger_fills(raw) == twin.applied
        assert lib.mm_ledger_last_trade_id(raw) == max(twin.ids, default=(-1, False))[0]
        assert lib.mm_ledger_equal(raw) is twin.equal()
        balances = self.ledger.balances()
        for name, balance in balances.items():
            asset = twin.assets.get(name)
            wanted = (0,) * 5 if asset is None else (asset.free, asset.locked, asset.start, asset.ledger, asset.fees)
            told = (balance.free_e8, balance.locked_e8, balance.start_e8, balance.ledger_e8, balance.fees_e8)
            assert told == wanted
        assert lib.mm_ledger_unpriced(raw) == twin.unpriced
        assert balances.keys() >= twin.assets.keys()

    @invariant()
    def earns_the_same(self) -> None:
        if not hasattr(self, "twin"):
            return
        twin = self.twin
        for mid in (1, ONE - 1, 12_345_678_901, *([twin.last_mid] if twin.last_mid else [])):
            equity = ffi.new("int64_t *")
            assert lib.mm_ledger_equity(self.ledger.raw, mid, equity)
            assert equity[0] == twin.equity(mid)
            pnl = self.ledger.pnl(mid)
            assert (pnl is None) is (twin.start_mid is None)
            if pnl is None:
                continue
            assert pnl.total_e8 == twin.total(mid)
            assert pnl.total_e8 == pnl.realized_e8 + pnl.unrealized_e8 - pnl.fees_e8
            assert pnl.fees_e8 == twin.fees
            # Shares of the cost are rounded down: each sale leaves less than an atom with the base that is left.
            assert 0 <= pnl.realized_e8 - twin.realized <= twin.sales


TestLedgerAgainstTwin = LedgerAgainstTwin.TestCase
TestLedgerAgainstTwin.settings = settings(max_examples=200, stateful_step_count=40)


# ---- What may be used ----------------------------------------------------------------------------------


@settings(max_examples=100)
@given(
    free=st.tuples(amounts, amounts),
    orders=st.lists(
        st.tuples(st.integers(0, 1), st.integers(1, 300 * ONE), st.integers(1, 2 * ONE),
                  st.sampled_from(("PENDING", "LIVE", "UNKNOWN", "CANCELED")), st.booleans(), st.integers(0, ONE)),
        max_size=12,
    ),
)  # fmt: skip
def test_available_is_the_reported_free_less_what_will_be_locked(
    free: tuple[int, int], orders: list[tuple[int, int, int, str, bool, int]]
) -> None:
    ledger = Ledger(8)
    table = Table(16, 16)
    locked = [0, 0]
    reported_later: list[Any] = []
    for number, (side, price, qty, state, reported, filled) in enumerate(orders):
        order = table.place(side, price, qty, 1)
        assert order is not None
        _tell(table, number + 1, state)
        if state == "CANCELED":
            continue
        done = min(filled, qty - 1)
        if done:
            assert lib.mm_orders_filled(table.raw, order, done, 2)
        if state == "LIVE" and reported:
            reported_later.append(order)
            continue
        order.balance_mark = 2**63
        left = qty - done
        locked[side] += -(-left * price // ONE) if side == lib.MM_BID else left
    for order in reported_later:
        order.balance_mark = lib.mm_ledger_mark(ledger.raw)
    assert ledger.report(QUOTE, free[0], 7) == lib.MM_OK
    assert ledger.report(BASE, free[1], 7) == lib.MM_OK
    for side in (lib.MM_BID, lib.MM_ASK):
        assert lib.mm_ledger_available(ledger.raw, table.raw, side, ffi.NULL) == max(0, free[side] - locked[side])


def _tell(table: Table, seq: int, state: str) -> None:
    if state == "UNKNOWN":
        table.apply(News("LOST", seq), 1)
    elif state != "PENDING":
        table.apply(News("CANCELED" if state == "CANCELED" else "ACK", seq), 1)
